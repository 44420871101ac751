/* SPDX-License-Identifier: BSD-2-Clause */
/* What this host has to do with a configuration, which may be meant for another. */
#ifndef BEAMFENCE_CHECK_HOST_H
#define BEAMFENCE_CHECK_HOST_H

#include <jansson.h>

#include "core/config.h"

/*
 * Whether the agent's user can read the file, if it is the one that the agent reads here: found out
 * by root alone. Returns 0, also where there is no telling, or a negative errno with a line.
 */
int check_host_access(const char *path, struct error *error);

/* The entries that fit no interface of this host, as texts; the caller's. NULL without memory. */
json_t *check_host_names(const struct config *config);

#endif
