/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that stand, and that the policy in force refuses. */
#ifndef BEAMFENCE_PROBLEMS_CONNECTIONS_H
#define BEAMFENCE_PROBLEMS_CONNECTIONS_H

#include "agent/agent.h"
#include "core/problems.h"

/* Asks kernel and filter: for every few seconds, and when a policy has been switched. */
void agent_look_at_connections(struct agent *agent);

/* Adds what the last look has found. */
void find_connections(const struct agent *agent, struct problems *problems);

#endif
