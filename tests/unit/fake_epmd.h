/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An epmd that a test plays, a query that asks it, and what came of that. A suite starts with
 * start() and ends with stop().
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/epmd_query.h"
#include "tests/unit/event_loop.h"

#define SHORT_MS   200
#define REPLY_PORT "\x00\x00\x11\x11" /* epmd's own, before the names */

/* What came out of the last query. */
static struct {
	unsigned int answers;
	int code;
	uint16_t port;
	size_t count, refused;
	char first[EPMD_NAME_SIZE];
	uint16_t first_port;
} outcome;

static struct epmd_query *query;
static int listener;  /* of the fake epmd */
static uint16_t port; /* that it listens on */

static inline void answer(void *context, uint16_t asked, int code, const struct epmd_nodes *nodes)
{
	cr_assert_eq(context, &outcome);
	cr_assert_null(query, "the query is still there");
	outcome.answers++;
	outcome.code = code;
	outcome.port = asked;
	outcome.count = nodes->count;
	outcome.refused = nodes->refused;
	cr_assert(!code || !nodes->count);
	if (nodes->count) {
		strcpy(outcome.first, nodes->items[0].name);
		outcome.first_port = nodes->items[0].port;
	}
}

/* Binds a new socket to @wanted (0: any) of this host. Returns it, and its port in @bound. */
static inline int bind_to(int family, uint16_t wanted, uint16_t *bound)
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

static inline void start(void)
{
	loop_start();
	listener = bind_to(AF_INET, 0, &port);
	cr_assert(listener >= 0 && !listen(listener, 16));
}

static inline void stop(void)
{
	epmd_query_cancel(query);
	close(listener);
	loop_stop();
}

static inline void ask_within(unsigned int timeout_ms)
{
	memset(&outcome, 0, sizeof(outcome));
	cr_assert_eq(epmd_query_start(base, port, timeout_ms, answer, &outcome, &query), 0);
	cr_assert(query);
}

/* Waits for the query's connection and request. Returns the connection. */
static inline int accept_request(void)
{
	long deadline = now_ms() + DEADLINE_MS;
	char request[16];
	ssize_t size = -1;
	int fd = -1;

	while (fd < 0) {
		cr_assert_lt(now_ms(), deadline, "nobody connected");
		turn(listener);
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	while (size < 0) {
		cr_assert_lt(now_ms(), deadline, "nothing was asked");
		turn(fd);
		size = recv(fd, request, sizeof(request), 0);
	}
	cr_assert_eq(size, 3);
	cr_assert_arr_eq(request, "\x00\x01n", 3);
	return fd;
}

static inline int accept_query(void)
{
	ask_within(DEADLINE_MS);
	return accept_request();
}

static inline void await_answer(void)
{
	long deadline = now_ms() + DEADLINE_MS;

	while (!outcome.answers) {
		cr_assert_lt(now_ms(), deadline, "no answer");
		turn(-1);
	}
	event_base_loop(base, EVLOOP_NONBLOCK); /* frees what libevent frees late */
	cr_assert_eq(outcome.answers, 1);
	cr_assert_eq(outcome.port, port);
}

/* Sends all that the query takes, until it has answered. Returns how much that was. */
static inline size_t tell(int fd, const char *reply, size_t size)
{
	long deadline = now_ms() + DEADLINE_MS;
	size_t sent = 0;

	while (sent < size && !outcome.answers) {
		ssize_t done = send(fd, reply + sent, size - sent, 0);

		cr_assert_lt(now_ms(), deadline, "the reply is not taken");
		if (done > 0)
			sent += (size_t)done;
		else
			turn(-1);
	}
	return sent;
}

/* Answers the query on @fd with the whole reply, as epmd does, and waits for the outcome. */
static inline void reply_with(int fd, const char *reply, size_t size)
{
	tell(fd, reply, size);
	close(fd);
	await_answer();
}

static inline void expect_outcome(int code, size_t count, size_t refused)
{
	cr_expect_eq(outcome.code, code, "%s", strerror(-outcome.code));
	cr_expect_eq(outcome.count, count, "%zu names", outcome.count);
	cr_expect_eq(outcome.refused, refused, "%zu refused", outcome.refused);
}
