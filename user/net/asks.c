// SPDX-License-Identifier: BSD-2-Clause
#include "net/asks.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "daemon/dist_query.h"
#include "daemon/epmd_query.h"
#include "net/call.h"

/* First the question is under way, then the answer to the agent. */
struct ask {
	struct asks *asks;
	uint64_t id;
	struct epmd_query *query;
	struct dist_query *probe;
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

static void send_probed(struct ask *ask, int code, const struct handshake_answer *answer)
{
	json_t *outcome = code ? json_null() : json_string(handshake_outcome_word(answer->outcome));

	call_start(ask->asks->base, ask->asks->path, "probed",
		   json_pack("{s:I, s:i, s:o, s:s}", "id", (json_int_t)ask->id, "code", code,
			     "outcome", outcome, "name", code ? "" : answer->name),
		   ASKS_PATIENCE_MS, NULL, NULL, &ask->answer);
}

static void on_probed(void *context, int code, const struct handshake_answer *answer)
{
	send_probed(context, code, answer);
}

/* A place for one more question; NULL: there are too many. */
static struct ask *begin(struct asks *asks, uint64_t id)
{
	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *ask = &asks->asks[i];

		if (ask->query || ask->probe || ask->answer)
			continue;
		*ask = (struct ask){.asks = asks, .id = id};
		return ask;
	}
	return NULL;
}

void asks_ask(struct asks *asks, uint64_t id, uint16_t port)
{
	struct ask *ask = begin(asks, id);
	const int code = ask ? epmd_query_start(asks->base, port, ASKS_PATIENCE_MS, on_answer, ask,
						&ask->query)
			     : 0;

	if (code)
		send_names(ask, code, NULL);
}

void asks_probe(struct asks *asks, uint64_t id, const uint8_t address[static 16], uint16_t port,
		unsigned timeout_ms)
{
	struct ask *ask = begin(asks, id);
	const int code = ask ? dist_query_start(asks->base, address, port, timeout_ms, on_probed,
						ask, &ask->probe)
			     : 0;

	if (code)
		send_probed(ask, code, NULL);
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
		dist_query_cancel(asks->asks[i].probe);
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
