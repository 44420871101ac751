/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent keeps in its state directory, in the event loop: the runtime peers, read at the
 * start, written when they change, taken away when their time is over; and the last good
 * configuration, which is put into force where the file cannot be. Logs what comes of it.
 */
#ifndef BEAMFENCE_RUNTIME_H
#define BEAMFENCE_RUNTIME_H

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/moment.h"

struct runtime {
	struct agent *agent;
	struct commands *commands;
	const char *state_dir;
	struct store *store;
	struct error store_error; /* why there is none */
	struct saver *saver;
	struct saver *config_saver;
	struct boot_timer *expiry;
};

/*
 * Loads the file; where it cannot be used, the last good configuration from the state directory
 * @state_dir, which has to outlive this. Returns 0, or a negative errno where neither can be used.
 */
int runtime_configure(struct runtime *runtime, struct agent *agent, const char *config_path,
		      const char *state_dir, struct error *error);

/*
 * Opens the state directory and gives the agent the peers that were kept there; due while the agent
 * still has its privileges, before runtime_start(). What is wrong with the directory or the file is
 * logged, and not an error.
 */
void runtime_load(struct runtime *runtime, struct commands *commands);

/* Starts the policy; without the runtime peers where it does not fit with them. */
int runtime_start(struct runtime *runtime, struct error *error);

/* Follows time and changes in the loop. Due when the privileges are given up. */
int runtime_open(struct runtime *runtime, struct event_base *base, struct error *error);

/* Peers were added: looks at their ends, and takes away those that are over. */
void runtime_update(struct runtime *runtime);

/* What is in force now stays in force, or is a trial: keeps it if it is new. */
void runtime_keep_config(struct runtime *runtime);

/* Has everything on disk before it returns, if the disk lets it. */
void runtime_close(struct runtime *runtime);

#endif
