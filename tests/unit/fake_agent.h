/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent that a test plays for the network side's parts. A suite starts with start_with_agent()
 * and ends with stop_with_agent(); one that has a loop already, with agent_make() and
 * agent_remove().
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "agent/control.h"
#include "tests/unit/loop_sockets.h"
#include "tests/unit/scratch.h"

static char directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16];
static struct control *agent;
static uint64_t waiting; /* the client that is answered later */
static unsigned requests;
static json_t *told; /* arguments of the last */

/* The agent: "echo" its arguments, "refuse", and all else later. */
static inline int handler(void *context, const struct control_peer *peer, const char *command,
			  json_t *arguments, json_t **result, struct error *error)
{
	cr_assert_eq(context, &agent);
	requests++;
	json_decref(told);
	told = json_incref(arguments);
	if (!strcmp(command, "refuse"))
		return error_set(error, -EBUSY, "not now");
	if (!strcmp(command, "names") || !strcmp(command, "probed") ||
	    !strcmp(command, "listening"))
		return 0;
	waiting = peer->client;
	if (strcmp(command, "echo"))
		return CONTROL_LATER;
	*result = json_incref(arguments);
	return 0;
}

static inline void agent_open(void)
{
	static const char *const long_commands[] = {"names", NULL};
	const struct control_settings settings = {
		.path = path,
		.group = (gid_t)-1,
		.handler = handler,
		.context = &agent,
		.long_commands = long_commands,
	};
	struct error error;

	cr_assert_eq(control_open(base, &settings, &agent, &error), 0, "%s", error.text);
}

static inline void agent_close(void)
{
	control_close(agent);
	agent = NULL;
}

static inline void agent_make(void)
{
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/net.sock", directory);
	agent_open();
}

static inline void agent_remove(void)
{
	agent_close();
	json_decref(told);
	rmdir(directory);
}

static inline void start_with_agent(void)
{
	loop_start();
	agent_make();
}

static inline void stop_with_agent(void)
{
	agent_remove();
	loop_stop();
}

/* Has the test itself listen and speak in the agent's place. Returns the listening socket. */
static inline int listen_as_agent(void)
{
	int fd;

	agent_close();
	fd = bind_unix(path);
	cr_assert_eq(listen(fd, 8), 0, "%m");
	return fd;
}
