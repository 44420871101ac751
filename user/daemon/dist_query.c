// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/dist_query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/exchange.h"

struct dist_query {
	struct exchange *exchange;
	struct dist_query **owner; /* the pointer to this */
	dist_answer answer;
	void *context;
};

static const uint8_t any_ipv4[16] = {[10] = 0xff, 0xff};
static const uint8_t any_ipv6[16];
static const uint8_t loopback_ipv4[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
static const uint8_t loopback_ipv6[16] = {[15] = 1};

static void free_query(struct dist_query *query)
{
	exchange_end(query->exchange);
	free(query);
}

static bool is_whole(const uint8_t *reply, size_t size)
{
	struct handshake_answer answer;

	handshake_parse(reply, size, false, &answer);
	return answer.outcome != HANDSHAKE_UNKNOWN;
}

static void on_done(void *context, int code, const uint8_t *reply, size_t size)
{
	struct dist_query *query = context;
	const struct dist_query ended = *query;
	struct handshake_answer answer = {.outcome = HANDSHAKE_UNKNOWN};

	/* Who closes with our message unread resets the connection. */
	if (code == -ECONNRESET || code == -EPIPE)
		code = 0;
	if (!code || (code == -ETIMEDOUT && size))
		handshake_parse(reply, size, true, &answer);
	if (code == -ETIMEDOUT && answer.outcome == HANDSHAKE_DISTRIBUTION)
		code = 0;
	if (code)
		answer.outcome = HANDSHAKE_UNKNOWN;
	/* First, so that the callee may start the next one, or end the loop. */
	*query->owner = NULL;
	free_query(query);
	ended.answer(ended.context, code, &answer);
}

/* Where a listener that is bound to @address can be reached from this host. */
static void find_places(const uint8_t address[static 16], uint8_t places[2][16])
{
	memcpy(places[0], address, 16);
	if (!memcmp(address, any_ipv4, 16)) {
		memcpy(places[0], loopback_ipv4, 16);
	} else if (!memcmp(address, any_ipv6, 16)) {
		memcpy(places[0], loopback_ipv6, 16);
		memcpy(places[1], loopback_ipv4, 16); /* where the host has switched IPv6 off */
	}
}

int dist_query_start(struct event_base *base, const uint8_t address[static 16], uint16_t port,
		     unsigned int timeout_ms, dist_answer answer, void *context,
		     struct dist_query **query)
{
	uint8_t request[HANDSHAKE_REQUEST_SIZE];
	struct exchange_settings settings = {
		.port = port,
		.timeout_ms = timeout_ms,
		.request = request,
		.request_size = sizeof(request),
		.reply_max = HANDSHAKE_REPLY_MAX,
		.is_whole = is_whole,
		.done = on_done,
	};
	struct dist_query *started;
	int code;

	if (*query)
		return -EALREADY;
	started = calloc(1, sizeof(*started));
	if (!started)
		return -ENOMEM;
	*started = (struct dist_query){.owner = query, .answer = answer, .context = context};
	handshake_write(request);
	find_places(address, settings.places);
	settings.context = started;
	code = exchange_start(base, &settings, &started->exchange);
	if (code) {
		free_query(started);
		return code;
	}
	*query = started;
	return 0;
}

void dist_query_cancel(struct dist_query *query)
{
	if (!query)
		return;
	*query->owner = NULL;
	free_query(query);
}
