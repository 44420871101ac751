/* SPDX-License-Identifier: BSD-2-Clause */
/* What a client by HTTP hears, whose server is in the process of the test. */
#pragma once

#include "tests/unit/loop_sockets.h"

/* All that comes until the server ends the connection, which this closes. Valid until the next. */
static inline const char *hear(int fd)
{
	static char text[1 << 16];

	loop_read(fd, text, sizeof(text), false);
	close(fd);
	return text;
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

/* The whole answer that comes on @fd, which this closes. */
static inline void expect_page(int fd, const char *status, const char *body)
{
	const char *reply = hear(fd);

	expect_start(reply, "HTTP/1."); /* the version of the request */
	expect_start(reply + strlen("HTTP/1.1 "), status);
	expect_body(reply, body);
}
