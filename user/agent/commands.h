/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands of the control protocol (core/protocol.h), carried out on the agent. */
#ifndef BEAMFENCE_COMMANDS_H
#define BEAMFENCE_COMMANDS_H

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/saver.h"

struct commands {
	struct agent *agent;
	struct control *control; /* where peers.add and peers.del are answered */
	/* Called after a reload, with its outcome; after detach; when the peers' ends changed. */
	void (*reloaded)(void *context, const struct review *review, int code,
			 const struct error *error);
	void (*detached)(void *context);
	void (*peers_changed)(void *context);
	/* Called when a trial began, was confirmed or went back. */
	void (*tried)(void *context);
	/* Called with each command that changes something, and its outcome. */
	void (*changed)(void *context, const struct control_peer *peer, const char *command,
			const json_t *arguments, int code, const struct error *error);
	void *context;
};

/* A control_handler; its context is a struct commands. */
int commands_handle(void *context, const struct control_peer *peer, const char *command,
		    json_t *arguments, json_t **result, struct error *error);

#endif
