/* SPDX-License-Identifier: BSD-2-Clause */
/* Takes the snapshot that all tell of the agent (core/snapshot.h). */
#ifndef BEAMFENCE_AGENT_SNAPSHOT_H
#define BEAMFENCE_AGENT_SNAPSHOT_H

#include <stdio.h>

#include "agent/agent.h"

/*
 * Looks at the agent as it is now; what the snapshot points to is the agent's, and true until it
 * changes. Returns 0 or -ENOMEM. snapshot_free() is due either way.
 */
int snapshot_take(const struct agent *agent, struct snapshot *snapshot);

/* Adds the counters. Returns 0 or a negative errno. */
int snapshot_take_counters(const struct agent *agent, struct snapshot *snapshot);

/* Takes one with counters and writes the metrics of it to @out. Returns 0 or a negative errno. */
int agent_write_metrics(const struct agent *agent, FILE *out);

#endif
