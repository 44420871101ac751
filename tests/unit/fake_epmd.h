/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An epmd that a test plays, a query that asks it, and what came of that. A suite starts with
 * start() and ends with stop().
 */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/epmd_query.h"
#include "tests/unit/loop_sockets.h"

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

static inline void start(void)
{
	loop_start();
	listener = listen_tcp(&port);
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
	const int fd = accept_on(listener);
	char request[16];
	ssize_t size;

	loop_until((size = recv(fd, request, sizeof(request), 0)) >= 0);
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
	loop_until(outcome.answers);
	event_base_loop(base, EVLOOP_NONBLOCK); /* frees what libevent frees late */
	cr_assert_eq(outcome.answers, 1);
	cr_assert_eq(outcome.port, port);
}

/* Answers the query on @fd with the whole reply, as epmd does, and waits for the outcome. */
static inline void reply_with(int fd, const char *reply, size_t size)
{
	tell_all(fd, reply, size);
	close(fd);
	await_answer();
}

static inline void expect_outcome(int code, size_t count, size_t refused)
{
	cr_expect_eq(outcome.code, code, "%s", strerror(-outcome.code));
	cr_expect_eq(outcome.count, count, "%zu names", outcome.count);
	cr_expect_eq(outcome.refused, refused, "%zu refused", outcome.refused);
}
