/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Discovery in the event loop: hears of changes from the watch, asks epmd for names when there is
 * something to ask, and the ports themselves where epmd cannot tell, and logs what comes of it.
 * Questions follow a change, at growing intervals, for half a second.
 */
#ifndef BEAMFENCE_DISCOVERY_H
#define BEAMFENCE_DISCOVERY_H

#include <event2/event.h>

#include "agent/agent.h"
#include "agent/network.h"

struct discovery;

/*
 * Follows the agent's fence, which must have its watch (or not) by now. Returns 0 and a discovery
 * for discovery_close(), before which @network must not go, or a negative errno.
 */
int discovery_open(struct event_base *base, struct agent *agent, struct network *network,
		   struct discovery **discovery, struct error *error);

/* Asks all that there is to ask, for the time that follows a change. */
void discovery_ask(struct discovery *discovery);

/*
 * To be called every few seconds: what the watch missed is made good, and what is not certain yet
 * is asked again.
 */
void discovery_check(struct discovery *discovery);

/* To be called after each reload: the watch may have been turned on or off. */
void discovery_restart(struct discovery *discovery);

void discovery_close(struct discovery *discovery);

#endif
