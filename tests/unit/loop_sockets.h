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
#include <unistd.h>

#include "tests/unit/event_loop.h"

static inline int connect_tcp(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

/* Does not block, as its server may be this process. */
static inline int connect_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

/*
 * Binds a new socket to @wanted (0: any) of this host. Returns it, and its port in @bound; -1 where
 * that cannot be.
 */
static inline int bind_tcp(int family, uint16_t wanted, uint16_t *bound)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET,
				   .sin_port = htons(wanted),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(wanted),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *address = family == AF_INET ? (void *)&ipv4 : (void *)&ipv6;
	socklen_t size = family == AF_INET ? sizeof(ipv4) : sizeof(ipv6);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, size) || getsockname(fd, address, &size)) {
		close(fd);
		return -1;
	}
	*bound = ntohs(family == AF_INET ? ipv4.sin_port : ipv6.sin6_port);
	return fd;
}

/* Listens on loopback, at *@port or (0) one that the kernel chooses, which is in *@port then. */
static inline int listen_tcp(uint16_t *port)
{
	const int fd = bind_tcp(AF_INET, *port, port);

	cr_assert(fd >= 0 && !listen(fd, 16), "%m");
	return fd;
}

/* A port that nobody listens on. */
static inline uint16_t free_port(void)
{
	uint16_t port = 0;

	close(listen_tcp(&port));
	return port;
}

static inline int bind_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

/* Turns the loop until somebody connects. Returns the connection, which does not block. */
static inline int accept_on(int listener)
{
	int fd = -1;

	loop_until((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	return fd;
}

/* Sends what a socket takes at once. */
static inline void tell(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text), "%m");
}

/* Sends however much, turning the loop, until the other side has gone. Returns how much that was.
 */
static inline size_t tell_all(int fd, const char *text, size_t size)
{
	const long deadline = now_ms() + DEADLINE_MS;
	size_t sent = 0;

	while (sent < size) {
		const ssize_t done = send(fd, text + sent, size - sent, MSG_DONTWAIT);

		cr_assert_lt(now_ms(), deadline, "it is not taken");
		if (done > 0)
			sent += (size_t)done;
		else if (errno == EAGAIN)
			event_base_loop(base, EVLOOP_NONBLOCK);
		else
			break;
	}
	return sent;
}

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
			turn(fd);
		else
			break;
		if (line && length && text[length - 1] == '\n')
			break;
	}
	text[length] = '\0';
	return length;
}
