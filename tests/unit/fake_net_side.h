/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's end of the network side, and a network side that a test plays. A suite starts with
 * start() and ends with stop().
 */
#pragma once

#include <event2/buffer.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "agent/network.h"
#include "tests/unit/loop_sockets.h"
#include "tests/unit/scratch.h"

#define ASK_MS (DEADLINE_MS / 2)

static char directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16];
static struct network *network;
static struct network_ask *query;
static unsigned changes, calls_to_ask, answers;
static int answer_code;
static size_t answer_count, answer_refused;
static bool sick;

static inline int metrics(void *context, struct evbuffer *text)
{
	cr_assert_eq(context, &network);
	evbuffer_add_printf(text, "beamfence_enforcing 1\n");
	return sick ? -EIO : 0;
}

static inline int health(void *context, struct error *reason)
{
	cr_assert_eq(context, &network);
	return sick ? error_set(reason, -ENOTCONN, "eth0 is open") : 0;
}

static inline void on_changed(void *context)
{
	cr_assert_eq(context, &network);
	changes++;
}

static inline void on_can_ask(void *context)
{
	cr_assert_eq(context, &network);
	calls_to_ask++;
}

static inline void on_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	cr_assert_eq(context, &answers);
	cr_assert_eq(port, 4369);
	cr_assert_null(query, "the question is still there");
	answers++;
	answer_code = code;
	answer_count = nodes->count;
	answer_refused = nodes->refused;
}

static unsigned probed;
static int probed_code;
static struct handshake_answer probed_answer;

static inline void on_probed(void *context, int code, const struct handshake_answer *answer)
{
	cr_assert_eq(context, &probed);
	cr_assert_null(query, "the question is still there");
	probed++;
	probed_code = code;
	probed_answer = *answer;
}

static inline void open_network(bool remote, unsigned patience_ms)
{
	const struct network_settings settings = {
		.socket = remote ? path : NULL,
		.metrics = metrics,
		.health = health,
		.changed = on_changed,
		.can_ask = on_can_ask,
		.context = &network,
		.patience_ms = patience_ms,
	};
	struct error error;

	cr_assert_eq(network_open(base, &settings, &network, &error), 0);
}

static inline void start(void)
{
	loop_start();
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/net.sock", directory);
}

static inline void stop(void)
{
	network_ask_cancel(query);
	network_close(network);
	loop_stop();
	rmdir(directory);
}

/* The next line, for json_decref(). */
static inline json_t *hear(int fd)
{
	static char line[1 << 16];
	json_t *object;

	cr_assert(loop_read(fd, line, sizeof(line), true), "the agent has hung up");
	object = json_loads(line, 0, NULL);
	cr_assert(object, "%s", line);
	return object;
}

/* Connects as a network side and hears the first order, which is to listen. */
static inline int connect_side(json_t **listen)
{
	const int fd = connect_unix(path);
	json_t *reply, *order;

	tell(fd, "{\"version\":1,\"command\":\"serve\"}\n");
	reply = hear(fd);
	cr_assert(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
	order = hear(fd);
	cr_assert(json_object_get(order, "listen"));
	if (listen)
		*listen = order;
	else
		json_decref(order);
	return fd;
}

/* A request as of a network side, in printf's words; its reply, for json_decref(). */
static inline json_t *request(const char *format, ...)
{
	const int fd = connect_unix(path);
	char line[4096];
	va_list arguments;
	json_t *reply;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	tell(fd, line);
	reply = hear(fd);
	close(fd);
	return reply;
}

static inline bool succeeds(json_t *reply)
{
	const bool ok = json_is_true(json_object_get(reply, "ok"));

	json_decref(reply);
	return ok;
}

#define ARGUMENTS(command, arguments) \
	"{\"version\":1,\"command\":\"" command "\",\"arguments\":{" arguments "}}\n"

static inline int ask(unsigned timeout_ms)
{
	return network_ask(network, 4369, timeout_ms, on_answer, &answers, &query);
}

/* Asks, and hears the order; its number. */
static inline int ordered_ask(int side)
{
	json_t *order;
	int id;

	cr_assert_eq(ask(ASK_MS), 0);
	order = hear(side);
	cr_assert_eq(json_integer_value(json_object_get(order, "ask")), 4369);
	id = (int)json_integer_value(json_object_get(order, "id"));
	json_decref(order);
	return id;
}

static const uint8_t probe_address[16] = {[10] = 0xff, 0xff, 10, 77, 1, 1};

static inline int probe(unsigned timeout_ms)
{
	return network_probe(network, probe_address, 9100, timeout_ms, on_probed, &probed, &query);
}

/* Probes, and hears the order; its number. */
static inline int ordered_probe(int side)
{
	json_int_t port, timeout_ms;
	const char *address;
	json_t *order;
	int id;

	cr_assert_eq(probe(ASK_MS), 0);
	order = hear(side);
	cr_assert_eq(json_unpack(order, "{s:{s:s, s:I, s:I}, s:i}", "probe", "address", &address,
				 "port", &port, "timeout_ms", &timeout_ms, "id", &id),
		     0);
	cr_assert_str_eq(address, "10.77.1.1");
	cr_assert_eq(port, 9100);
	cr_assert_eq(timeout_ms, ASK_MS);
	json_decref(order);
	return id;
}
