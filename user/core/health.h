/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the host is fenced as its configuration wants it. */
#ifndef BEAMFENCE_HEALTH_H
#define BEAMFENCE_HEALTH_H

#include "core/snapshot.h"

#define SUMMARY_SIZE 700

/*
 * What /healthz answers. Returns 0 when the filter is on every client and cluster interface that
 * the configuration names, those included that the host lacks, and the gate on those whose frames
 * cannot be read, and there is no other problem that is unhealthy; else -ENOTCONN or -EHOSTDOWN,
 * with the first that is not so in @reason.
 */
int health_check(const struct snapshot *snapshot, struct error *reason);

/*
 * One line on how things are, for the service manager: "enforce: 2 of 2 interfaces attached", and
 * what /healthz says, or why the file is not in force. Returns @text.
 */
const char *health_summary(const struct snapshot *snapshot, char text[static SUMMARY_SIZE]);

#endif
