/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs how things are: where the filter is, and what is wrong. */
#ifndef BEAMFENCE_STATE_LOG_H
#define BEAMFENCE_STATE_LOG_H

#include "core/snapshot.h"

/* What was logged before: a state that stays the same is one line, not one at each change. */
struct state_log {
	struct interface_state *states;
	size_t state_count;
	char (*unassigned)[INTERFACE_NAME_SIZE];
	size_t unassigned_count;
	struct problems problems;
};

/*
 * Logs the state of all interfaces, and what is wrong with the configuration: after a start or
 * reload.
 */
void state_log_all(struct state_log *log, const struct snapshot *snapshot);

/* Logs what is new of the interfaces since the last of these calls. */
void state_log_changes(struct state_log *log, const struct snapshot *snapshot);

/*
 * Logs the problems that are new since the last call, a few of each kind at a time, and those that
 * ended. Takes them out of the snapshot.
 */
void state_log_problems(struct state_log *log, struct snapshot *snapshot);

void state_log_free(struct state_log *log);

#endif
