/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions to the epmds that somebody is connected to: others have nothing to tell. Each user's
 * nodes get their share of the places, and configured ports have some of their own, so that mute
 * epmds keep nobody else's from being asked.
 */
#ifndef BEAMFENCE_EPMD_ASKS_H
#define BEAMFENCE_EPMD_ASKS_H

#include "agent/agent.h"
#include "agent/network.h"
#include "agent/nodes.h"

struct epmd_asks;

/* What an epmd said; valid during the call. */
typedef void (*epmd_heard)(void *context, const struct hearing *hearing);

/*
 * Returns 0 and what epmd_asks_close() ends, before which agent and network must not go; or
 * -ENOMEM.
 */
int epmd_asks_open(struct agent *agent, struct network *network, epmd_heard heard, void *context,
		   struct epmd_asks **asks);

/* Asks all of them, or once more those that are being asked. */
void epmd_asks_all(struct epmd_asks *asks);

void epmd_asks_close(struct epmd_asks *asks);

#endif
