/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with what is in force, found by looking at the agent as it is. */
#ifndef BEAMFENCE_AGENT_PROBLEMS_H
#define BEAMFENCE_AGENT_PROBLEMS_H

#include "agent/agent.h"
#include "core/problems.h"

/* Lists them in the order in which status prints them; the caller frees them, even when empty. */
void agent_problems(const struct agent *agent, struct problems *problems);

/*
 * Logs those that are new since the last call, a few of each kind at a time, and those that ended.
 * @known is what was there then: the caller frees it in the end.
 */
void problems_log(const struct agent *agent, struct problems *known);

#endif
