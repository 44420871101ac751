/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The capabilities of the agent: CAP_BPF (maps, programs), CAP_NET_ADMIN (XDP links, interface
 * settings) and CAP_PERFMON (the verifier lets programs read kernel structures only with it).
 */
#ifndef BEAMFENCE_PRIVILEGES_H
#define BEAMFENCE_PRIVILEGES_H

#include "core/error.h"

/* Returns 0, or -EPERM with a text when one of the three is missing. */
int privileges_check(struct error *error);

/* Gives up every other capability, for good. Returns 0 or a negative errno. */
int privileges_drop(struct error *error);

#endif
