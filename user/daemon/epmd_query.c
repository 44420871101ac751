// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/epmd_query.h"

#include <errno.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "daemon/exchange.h"

struct epmd_query {
	struct exchange *exchange;
	struct epmd_query **owner; /* the pointer to this */
	epmd_answer answer;
	void *context;
	uint16_t port;
};

static void free_query(struct epmd_query *query)
{
	exchange_end(query->exchange);
	free(query);
}

static void cleanup_nodes(struct epmd_nodes *nodes)
{
	epmd_nodes_free(nodes);
}

static void on_done(void *context, int code, const uint8_t *reply, size_t size)
{
	_cleanup_(cleanup_nodes) struct epmd_nodes nodes = {0};
	struct epmd_query *query = context;
	const struct epmd_query ended = *query;

	if (!code)
		code = epmd_parse_names((const char *)reply, size, &nodes, NULL);
	/* First, so that the callee may start the next one, or end the loop. */
	*query->owner = NULL;
	free_query(query);
	ended.answer(ended.context, ended.port, code, &nodes);
}

int epmd_query_start(struct event_base *base, uint16_t port, unsigned int timeout_ms,
		     epmd_answer answer, void *context, struct epmd_query **query)
{
	struct exchange_settings settings = {
		/* ::1 is for an epmd that "-address" or its socket unit bound to that alone. */
		.places = {{[10] = 0xff, 0xff, 127, 0, 0, 1}, {[15] = 1}},
		.port = port,
		.timeout_ms = timeout_ms,
		.request = EPMD_NAMES_REQUEST,
		.request_size = sizeof(EPMD_NAMES_REQUEST) - 1,
		.reply_max = EPMD_REPLY_MAX,
		.done = on_done,
	};
	struct epmd_query *started;
	int code;

	if (*query)
		return -EALREADY;
	started = calloc(1, sizeof(*started));
	if (!started)
		return -ENOMEM;
	*started = (struct epmd_query){
		.owner = query, .answer = answer, .context = context, .port = port};
	settings.context = started;
	code = exchange_start(base, &settings, &started->exchange);
	if (code) {
		free_query(started);
		return code;
	}
	*query = started;
	return 0;
}

void epmd_query_cancel(struct epmd_query *query)
{
	if (!query)
		return;
	*query->owner = NULL;
	free_query(query);
}
