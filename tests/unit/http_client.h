/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The endpoint of metrics and health, with what it tells made up by the test, and clients that
 * talk to it, all in the process of the test. A suite starts with loop_start() and ends with
 * stop().
 */
#pragma once

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/http.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/scratch.h"

#define SHORT_MS 200

static char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16]; /* where it serves on a file */
static struct http *http;
static int metrics_code;      /* what asking for metrics comes to */
static size_t metrics_size;   /* of what they have besides a line */
static struct error sickness; /* the text that /healthz gives; "": all is well */

static inline int metrics(void *context, struct evbuffer *text)
{
	cr_assert_eq(context, &metrics_code);
	evbuffer_add_printf(text, "beamfence_enforcing 1\n");
	for (size_t i = 0; i < metrics_size; i++)
		evbuffer_add(text, "x", 1);
	return metrics_code;
}

static inline int health(void *context, struct error *reason)
{
	cr_assert_eq(context, &metrics_code);
	*reason = sickness;
	return sickness.text[0] ? -ENOTCONN : 0;
}

static inline int open_on(const char *host, unsigned idle_ms, unsigned life_ms,
			  struct http **result, struct error *error)
{
	const struct http_settings settings = {
		.host = host,
		.group = (gid_t)-1,
		.metrics = metrics,
		.health = health,
		.context = &metrics_code,
		.idle_ms = idle_ms,
		.life_ms = life_ms,
	};

	return http_open(base, &settings, result, error);
}

static inline void serve(unsigned idle_ms, unsigned life_ms)
{
	struct error error;

	cr_assert_eq(open_on("127.0.0.1", idle_ms, life_ms, &http, &error), 0, "%s", error.text);
}

/* The same on a Unix socket, at path[]. */
static inline void serve_on_file(unsigned idle_ms, unsigned life_ms)
{
	struct error error;

	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/m.sock", directory);
	cr_assert_eq(open_on(path, idle_ms, life_ms, &http, &error), 0, "%s", error.text);
}

static inline void stop(void)
{
	http_close(http);
	loop_stop();
	if (directory[0])
		rmdir(directory);
}

static inline int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

static inline int connect_to_file(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

static inline void tell(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* All that comes until the server ends the connection, which this closes. Valid until the next. */
static inline const char *hear(int fd)
{
	static char text[1 << 16];
	long deadline = now_ms() + DEADLINE_MS;
	size_t length = 0;

	for (;;) {
		ssize_t got;

		cr_assert_lt(now_ms(), deadline, "the server did not end the connection");
		turn(fd);
		got = recv(fd, text + length, sizeof(text) - 1 - length, MSG_DONTWAIT);
		if (got > 0)
			length += (size_t)got;
		else if (got == 0 || errno != EAGAIN)
			break;
	}
	close(fd);
	text[length] = '\0';
	return text;
}

static inline const char *ask(const char *request)
{
	int fd = connect_to(http_port(http));

	tell(fd, request);
	return hear(fd);
}

static inline void expect_start(const char *reply, const char *start)
{
	cr_assert_eq(strncmp(reply, start, strlen(start)), 0, "%s", reply);
}

static inline void expect_body(const char *reply, const char *body)
{
	const char *end = strstr(reply, "\r\n\r\n");

	cr_assert(end, "%s", reply);
	cr_assert_str_eq(end + 4, body);
}

static inline void expect_service(void)
{
	expect_body(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "ok\n");
}
