// SPDX-License-Identifier: BSD-2-Clause
#include "net/asks.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "agent/epmd_query.h"
#include "net/call.h"

/* First the question is under way, then the answer to the agent. */
struct ask {
	struct asks *asks;
	uint64_t id;
	struct epmd_query *query;
	struct call *answer;
};

struct asks {
	struct event_base *base;
	const char *path;
	struct ask asks[ASKS_MAX];
};

/* The names as pairs; NULL: out of memory. */
static json_t *names_json(const struct epmd_nodes *nodes)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < nodes->count; i++)
		if (json_array_append_new(list, json_pack("[s, i]", nodes->items[i].name,
							  (int)nodes->items[i].port))) {
			json_decref(list);
			list = NULL;
		}
	return list;
}

static int send_names(struct ask *ask, int code, const struct epmd_nodes *nodes)
{
	json_t *names = code ? json_array() : names_json(nodes);

	if (!names)
		return -ENOMEM;
	return call_start(ask->asks->base, ask->asks->path, "names",
			  json_pack("{s:I, s:i, s:o}", "id", (json_int_t)ask->id, "code", code,
				    "nodes", names),
			  ASKS_PATIENCE_MS, NULL, NULL, &ask->answer);
}

static void on_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	struct ask *ask = context;
	const int sent = send_names(ask, code, nodes);

	(void)port;
	if (sent == -E2BIG || sent == -ENOMEM) /* names by the thousand, of the longest */
		send_names(ask, sent == -E2BIG ? -EMSGSIZE : sent, NULL);
}

void asks_ask(struct asks *asks, uint64_t id, uint16_t port)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &asks->asks[i];
		int code;

		if (ask->query || ask->answer)
			continue;
		*ask = (struct ask){.asks = asks, .id = id};
		code = epmd_query_start(asks->base, port, ASKS_PATIENCE_MS, on_answer, ask,
					&ask->query);
		if (code)
			send_names(ask, code, NULL);
		return;
	}
}

struct asks *asks_open(struct event_base *base, const char *path)
{
	struct asks *asks = calloc(1, sizeof(*asks));

	if (asks)
		*asks = (struct asks){.base = base, .path = path};
	return asks;
}

void asks_cancel(struct asks *asks)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		epmd_query_cancel(asks->asks[i].query);
		call_cancel(asks->asks[i].answer);
	}
}

void asks_close(struct asks *asks)
{
	if (!asks)
		return;
	asks_cancel(asks);
	free(asks);
}
