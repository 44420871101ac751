/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime peers in the event loop: read from the state directory at the start, written there
 * when they change, taken away when their time is over; and logs what comes of it.
 */
#ifndef BEAMFENCE_RUNTIME_H
#define BEAMFENCE_RUNTIME_H

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/moment.h"

struct runtime {
	struct agent *agent;
	struct commands *commands;
	struct state *state;
	struct keeper *keeper;
	struct boot_timer *expiry;
};

/*
 * Opens the state directory (which must outlive this) and gives the agent the peers that were kept
 * there; due while the agent still has its privileges, before agent_start(). What is wrong with the
 * directory or the file is logged, and not an error.
 */
void runtime_load(struct runtime *runtime, struct agent *agent, struct commands *commands,
		  const char *state_dir);

/* Starts the policy; without the runtime peers where it does not fit with them. */
int runtime_start(struct runtime *runtime, struct error *error);

/* Follows time and changes in the loop. Due when the privileges are given up. */
int runtime_open(struct runtime *runtime, struct event_base *base, struct error *error);

/* Peers were added: looks at their ends, and takes away those that are over. */
void runtime_update(struct runtime *runtime);

/* Has everything on disk before it returns, if the disk lets it. */
void runtime_close(struct runtime *runtime);

#endif
