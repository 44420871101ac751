/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks ports whether they are nodes', where epmd cannot tell: as many at a time as every user gets
 * some, so that nobody's mute listeners keep those of others waiting.
 */
#ifndef BEAMFENCE_DOUBTS_H
#define BEAMFENCE_DOUBTS_H

#include "agent/agent.h"
#include "agent/listeners.h"
#include "agent/network.h"

struct doubts;

/* A port has answered; @was: the evidence of before. */
typedef void (*doubt_settled)(void *context, enum evidence was, struct known_listener *listener);

/* Returns 0 and what doubts_close() ends, before which agent and network must not go; or -ENOMEM.
 */
int doubts_open(struct agent *agent, struct network *network, doubt_settled settled, void *context,
		struct doubts **doubts);

/*
 * Asks the ports that are in doubt, each once in a turn. @quiet: nothing more is to be expected of
 * epmd.
 */
void doubts_look(struct doubts *doubts, bool quiet);

/* The next turn: what did not answer is asked again. */
void doubts_turn(struct doubts *doubts);

void doubts_close(struct doubts *doubts);

#endif
