/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control endpoint with a handler that does as it is told, and clients that talk to it, all in
 * the process of the test. A suite starts with start() and ends with stop().
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/control.h"
#include "core/protocol.h"
#include "tests/unit/loop_sockets.h"
#include "tests/unit/scratch.h"

#define SHORT_MS 100

/* A request that changes nothing, and its reply. */
#define NOTHING	 "{\"version\":1,\"command\":\"nothing\"}\n"
#define DONE	 "{\"version\":1,\"ok\":true,\"result\":null}"

static char directory[SCRATCH_MAX];
static char path[100]; /* of the socket */
static struct control *control;
static struct control_peer last_peer; /* who asked last */
static unsigned calls;		      /* of the handler */

static inline int handler(void *context, const struct control_peer *peer, const char *command,
			  json_t *arguments, json_t **result, struct error *error)
{
	cr_assert_eq(context, &calls);
	last_peer = *peer;
	calls++;
	if (strcmp(command, "later") == 0) {
		return CONTROL_LATER;
	} else if (strcmp(command, "size") == 0) {
		*result = json_integer(
			(json_int_t)json_string_length(json_object_get(arguments, "text")));
	} else if (strcmp(command, "echo") == 0) {
		*result = json_incref(arguments);
	} else if (strcmp(command, "big") == 0) {
		size_t size = (size_t)json_integer_value(json_object_get(arguments, "size"));
		char *text = malloc(size + 1);

		memset(text, 'x', size);
		text[size] = '\0';
		*result = json_string_nocheck(text);
		free(text);
	} else if (strcmp(command, "silent failure") == 0) {
		*result = json_true();
		return -EBUSY;
	} else if (strcmp(command, "not UTF-8") == 0) {
		return error_set(error, -EINVAL, "cut \xc3");
	} else if (strcmp(command, "nothing") != 0) {
		return error_set(error, -EINVAL, "unknown command");
	}
	return 0;
}

static inline int open_with(struct control_settings settings, struct error *error)
{
	settings.path = settings.path ? settings.path : path;
	settings.handler = handler;
	settings.context = &calls;
	return control_open(base, &settings, &control, error);
}

static inline void start(void)
{
	loop_start();
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/run/control.sock", directory);
}

static inline void stop(void)
{
	char parent[100];

	control_close(control);
	loop_stop();
	snprintf(parent, sizeof(parent), "%s/run", directory);
	unlink(path);
	rmdir(parent);
	rmdir(directory);
}

static inline void serve(struct control_settings settings)
{
	struct error error;

	cr_assert_eq(open_with(settings, &error), 0, "%s", error.text);
}

#define SERVE(...) serve((struct control_settings){.group = (gid_t)-1, __VA_ARGS__})

/*
 * Reads up to a newline, which it leaves out, while the server runs. Returns NULL at the end of
 * the connection. The text is the caller's.
 */
static inline char *hear(int fd)
{
	size_t size = 1 << 16, length = 0;
	char *text = malloc(size);
	long deadline = now_ms() + DEADLINE_MS;

	for (;;) {
		ssize_t got;
		char *end;

		cr_assert_lt(now_ms(), deadline, "nothing came");
		turn(fd);
		if (size - length < 1 << 15)
			text = realloc(text, size *= 2);
		got = recv(fd, text + length, size - length, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0) {
			cr_assert_eq(length, 0, "half a line at the end");
			free(text);
			return NULL;
		}
		end = memchr(text + length, '\n', (size_t)got);
		length += (size_t)got;
		if (end) {
			cr_assert_eq(end, text + length - 1, "more than one line");
			*end = '\0';
			return text;
		}
	}
}

static inline void expect(int fd, const char *reply)
{
	char *heard = hear(fd);

	cr_assert(heard, "closed instead of %s", reply);
	cr_assert_str_eq(heard, reply);
	free(heard);
}

static inline void expect_end(int fd)
{
	cr_assert_null(hear(fd));
	close(fd);
}

static inline void expect_error(int fd)
{
	char *heard = hear(fd);

	cr_assert(heard, "closed instead of an error");
	cr_assert_eq(strncmp(heard, "{\"version\":1,\"ok\":false,\"error\":\"", 33), 0, "%s",
		     heard);
	free(heard);
}

/* That the server still serves others. */
static inline void expect_service(void)
{
	int fd = connect_unix(path);

	tell(fd, NOTHING);
	expect(fd, DONE);
	close(fd);
}
