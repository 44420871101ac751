/* SPDX-License-Identifier: BSD-2-Clause */
/* Logs what came of laying the policy over the interfaces. */
#ifndef BEAMFENCE_OUTCOME_H
#define BEAMFENCE_OUTCOME_H

#include "agent/agent.h"

/* What was logged before: an outcome that stays the same is one line, not one at each change. */
struct outcome {
	struct interface_state *states;
	size_t state_count;
	char (*unassigned)[INTERFACE_NAME_SIZE];
	size_t unassigned_count;
};

/* Logs all: after a start or reload. */
void outcome_log(struct outcome *outcome, const struct agent *agent);

/* Logs what is new since the last of these calls. */
void outcome_log_changes(struct outcome *outcome, const struct agent *agent);

void outcome_free(struct outcome *outcome);

#endif
