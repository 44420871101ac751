/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections that stand, and that the policy in force refuses. */
#ifndef BEAMFENCE_PROBLEMS_CONNECTIONS_H
#define BEAMFENCE_PROBLEMS_CONNECTIONS_H

#include "agent/agent.h"
#include "core/problems.h"

/* Asks kernel and filter: for when another policy has come into force. */
void agent_look_at_connections(struct agent *agent);

/*
 * The same for every few seconds. Nothing else is done meanwhile, and on a host of 100,000
 * connections it takes 20 ms: then it is done more rarely, so that it takes a hundredth of the
 * time.
 */
void agent_look_at_connections_again(struct agent *agent);

/* Adds what the last look has found. */
void find_connections(const struct agent *agent, struct problems *problems);

#endif
