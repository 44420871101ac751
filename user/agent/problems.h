/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with what is in force, found by looking at the agent as it is. */
#ifndef BEAMFENCE_AGENT_PROBLEMS_H
#define BEAMFENCE_AGENT_PROBLEMS_H

#include "agent/agent.h"
#include "core/problems.h"

/*
 * Lists them, for a snapshot, in the order in which status prints them; the caller frees them, even
 * when empty.
 */
void agent_problems(const struct agent *agent, struct problems *problems);

#endif
