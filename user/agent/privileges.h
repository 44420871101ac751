/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capabilities of the agent: CAP_BPF (maps, programs), CAP_NET_ADMIN (XDP links, interface
 * settings) and CAP_PERFMON (the verifier lets programs read kernel structures only with it).
 */
#ifndef BEAMFENCE_PRIVILEGES_H
#define BEAMFENCE_PRIVILEGES_H

#include <stdbool.h>

#include "core/error.h"

/* Returns 0, or -EPERM with a text when one of the three is missing. */
int privileges_check(struct error *error);

/*
 * Gives up every other capability, for good: but CAP_SYS_ADMIN, which it may have and be able to
 * use for a moment later on, is kept where @keep_types says that a module's types may be asked for.
 * Returns 0 or a negative errno.
 */
int privileges_drop(bool keep_types, struct error *error);

/* Takes CAP_SYS_ADMIN into use, if it was kept; and out again, for good or not. */
void privileges_raise(void);
void privileges_lower(bool for_good);

/* Gives up all of them for the calling thread alone, which is not to come by any later. */
void privileges_leave(void);

#endif
