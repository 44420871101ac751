/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The endpoint of metrics and health, with what it tells made up by the test. A suite starts with
 * loop_start() and ends with stop().
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/http.h"
#include "tests/unit/http_client.h"
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

static inline const char *ask(const char *request)
{
	int fd = connect_tcp(http_port(http));

	tell(fd, request);
	return hear(fd);
}

static inline void expect_service(void)
{
	expect_body(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "ok\n");
}
