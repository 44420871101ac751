/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets for tests that play both ends of a connection in one process, and turn its loop. */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/event_loop.h"

/* Turns the loop until @condition is true. */
#define loop_until(condition)                                          \
	do {                                                           \
		const long deadline_ = now_ms() + DEADLINE_MS;         \
		while (!(condition)) {                                 \
			cr_assert_lt(now_ms(), deadline_, #condition); \
			turn(-1);                                      \
		}                                                      \
	} while (0)

/* Reads what comes, turning the loop, until the other side ends or there is a whole line. */
static inline size_t loop_read(int fd, char *text, size_t size, bool line)
{
	const long deadline = now_ms() + DEADLINE_MS;
	size_t length = 0;

	for (;;) {
		const ssize_t got = recv(fd, text + length, line ? 1 : size - 1 - length,
					 MSG_DONTWAIT);

		cr_assert_lt(now_ms(), deadline, "nothing more came");
		if (got > 0)
			length += (size_t)got;
		else if (got < 0 && errno == EAGAIN)
			turn(-1);
		else
			break;
		if (line && length && text[length - 1] == '\n')
			break;
	}
	text[length] = '\0';
	return length;
}

/* Reads the answer to a request by HTTP to its end, and closes @fd. */
static inline void loop_expect_page(int fd, const char *status, const char *body)
{
	char text[4096];
	const char *end;

	loop_read(fd, text, sizeof(text), false);
	close(fd);
	cr_assert_eq(strncmp(text + strlen("HTTP/1.1 "), status, strlen(status)), 0, "%s", text);
	end = strstr(text, "\r\n\r\n");
	cr_assert(end, "%s", text);
	cr_assert_str_eq(end + 4, body);
}

static inline void loop_send(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text), "%m");
}

static inline int loop_connect_tcp(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

/* Listens on loopback, at @port or one that the kernel chooses, which is in *@port then. */
static inline int loop_listen_tcp(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(*port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(address);

	cr_assert(!bind(fd, (struct sockaddr *)&address, size) && !listen(fd, 16) &&
			  !getsockname(fd, (struct sockaddr *)&address, &size),
		  "%m");
	*port = ntohs(address.sin_port);
	return fd;
}

static inline int loop_connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}
