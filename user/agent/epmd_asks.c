// SPDX-License-Identifier: BSD-2-Clause
#include "agent/epmd_asks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/listeners.h"
#include "agent/name_memory.h"
#include "core/cleanup.h"
#include "core/clock.h"

#define ASKS_MAX	 32 /* epmds that are being asked */
#define ASKS_KEPT	 8  /* of them for configured ports */
#define ASKS_OF_USER_MAX 4  /* for one user's nodes, beside those of configured ports */
#define QUERY_TIMEOUT_MS 2000
#define MUTES_MAX	 64
#define MUTE_MS		 10000 /* one that did not answer is left alone for so long */

/* A question to an epmd that is under way. */
struct ask {
	struct epmd_asks *asks;
	uint16_t port;
	uint32_t account; /* of the process that is connected to it */
	struct network_ask *query;
	struct fence_registration *before; /* as they were when it was asked */
	int before_count;
	bool again; /* it was due to be asked meanwhile */
};

/* An epmd that did not answer. */
struct mute {
	uint16_t port;
	int64_t until_ms;
};

struct epmd_asks {
	struct agent *agent;
	struct network *network;
	epmd_heard heard;
	void *context;
	struct name_memory *names;
	struct ask asks[ASKS_MAX];
	struct mute mutes[MUTES_MAX];
	size_t next_mute;
	uint64_t asked;		  /* how often any was asked */
	uint64_t asked_at[PORTS]; /* by port: which time that was, last; 0: never */
};

/* An epmd to ask. */
struct due {
	uint64_t asked_at;
	uint16_t port;
	uint32_t account;
};

static bool is_configured(const struct epmd_asks *asks, uint16_t port)
{
	return fence_configured_cluster(asks->agent->fence, port) == CLUSTER_ANY;
}

static void note_mute(struct epmd_asks *asks, uint16_t port)
{
	if (is_configured(asks, port))
		return; /* it is asked whatever happens */
	asks->mutes[asks->next_mute++ % MUTES_MAX] =
		(struct mute){.port = port, .until_ms = boottime_ms() + MUTE_MS};
}

static bool is_mute(const struct epmd_asks *asks, uint16_t port)
{
	for (size_t i = 0; i < MUTES_MAX; i++)
		if (asks->mutes[i].port == port && asks->mutes[i].until_ms > boottime_ms())
			return true;
	return false;
}

static void ask(struct epmd_asks *asks, uint16_t port, uint32_t account);

static void on_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	struct ask *done = context;
	struct epmd_asks *asks = done->asks;
	_cleanup_free_ struct fence_registration *now = NULL;
	_cleanup_free_ struct fence_registration *before = done->before;
	_cleanup_free_ uint64_t *since_ns = NULL;
	struct hearing hearing = {.epmd_port = port,
				  .nodes = nodes,
				  .before = before,
				  .before_count = done->before_count};

	done->before = NULL;
	if (code) {
		note_mute(asks, port);
	} else {
		hearing.now_count = fence_registrations(asks->agent->fence, &now);
		hearing.now = now;
		since_ns = name_memory_note(asks->names, port, nodes);
		hearing.since_ns = since_ns;
		if (hearing.now_count >= 0 && since_ns)
			asks->heard(asks->context, &hearing);
	}
	if (done->again)
		ask(asks, port, done->account);
}

/* A place for one more question; NULL where there is none, for this user or for all. */
static struct ask *place_for(struct epmd_asks *asks, uint16_t port, uint32_t account)
{
	struct ask *free_place = NULL;
	unsigned int of_user = 0, others = 0;

	for (size_t i = 0; i < ASKS_MAX; i++) {
		struct ask *asking = &asks->asks[i];

		if (!asking->query) {
			free_place = asking;
		} else if (!is_configured(asks, asking->port)) {
			of_user += asking->account == account;
			others++;
		}
	}
	if (is_configured(asks, port))
		return free_place;
	return of_user < ASKS_OF_USER_MAX && others < ASKS_MAX - ASKS_KEPT ? free_place : NULL;
}

static void ask(struct epmd_asks *asks, uint16_t port, uint32_t account)
{
	struct fence_registration *before = NULL;
	struct ask *place;
	int before_count;

	for (size_t i = 0; i < ASKS_MAX; i++)
		if (asks->asks[i].query && asks->asks[i].port == port) {
			asks->asks[i].again = true; /* it may not know yet */
			return;
		}
	place = is_mute(asks, port) ? NULL : place_for(asks, port, account);
	if (!place)
		return;
	before_count = fence_registrations(asks->agent->fence, &before);
	*place = (struct ask){.asks = asks, .port = port, .account = account};
	if (before_count < 0 ||
	    network_ask(asks->network, port, QUERY_TIMEOUT_MS, on_answer, place, &place->query)) {
		/* Others may have been answered by that, and have been here meanwhile. */
		free(before);
		*place = (struct ask){};
		return;
	}
	place->before = before;
	place->before_count = before_count;
	asks->asked_at[port] = ++asks->asked;
}

/* Whether an epmd is known to listen where a process is connected to. */
static bool is_epmds(const struct epmd_asks *asks, const struct registration *registration)
{
	const struct agent *agent = asks->agent;
	static const uint8_t mapping[12] = {[10] = 0xff, [11] = 0xff};
	const bool ipv4 = !memcmp(registration->address, mapping, sizeof(mapping));

	if (is_configured(asks, registration->epmd_port))
		return true;
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct listener *listener = &agent->listeners[i].kernel;

		if (listener->kind == LISTENER_EPMD && listener->port == registration->epmd_port &&
		    (listener->reach & (ipv4 ? REACH_IPV4 : REACH_IPV6) ||
		     (listener->reach & REACH_BINDING &&
		      !memcmp(listener->address, registration->address,
			      sizeof(listener->address)))))
			return true;
	}
	return false;
}

static int compare_due(const void *a, const void *b)
{
	const struct due *left = a, *right = b;

	return left->asked_at < right->asked_at ? -1 : left->asked_at > right->asked_at;
}

/* Those of configured ports come first, then whoever has waited longest: not all get a place. */
void epmd_asks_all(struct epmd_asks *asks)
{
	_cleanup_free_ struct fence_registration *rows = NULL;
	const int count = fence_registrations(asks->agent->fence, &rows);
	_cleanup_free_ struct due *due = count > 0 ? calloc((size_t)count, sizeof(*due)) : NULL;
	uint64_t seen[PORTS / 64] = {};
	size_t due_count = 0;

	for (int i = 0; i < count && due; i++) {
		const struct registration *registration = &rows[i].registration;
		const uint16_t port = registration->epmd_port;
		const uint64_t bit = UINT64_C(1) << (port % 64);

		if (seen[port / 64] & bit || !is_epmds(asks, registration))
			continue;
		seen[port / 64] |= bit;
		due[due_count++] = (struct due){
			.asked_at = is_configured(asks, port) ? 0 : asks->asked_at[port] + 1,
			.port = port,
			.account = registration->account};
	}
	if (due_count)
		qsort(due, due_count, sizeof(*due), compare_due);
	for (size_t i = 0; i < due_count; i++)
		ask(asks, due[i].port, due[i].account);
	for (size_t i = 0; i < asks->agent->listener_count; i++) {
		const struct listener *listener = &asks->agent->listeners[i].kernel;

		if (listener->kind == LISTENER_EPMD && is_configured(asks, listener->port) &&
		    !(seen[listener->port / 64] >> (listener->port % 64) & 1)) {
			seen[listener->port / 64] |= UINT64_C(1) << (listener->port % 64);
			ask(asks, listener->port, listener->account);
		}
	}
}

int epmd_asks_open(struct agent *agent, struct network *network, epmd_heard heard, void *context,
		   struct epmd_asks **result)
{
	struct epmd_asks *asks = calloc(1, sizeof(*asks));

	if (!asks)
		return -ENOMEM;
	/* One by one: what is not written yet takes no memory. */
	asks->agent = agent;
	asks->network = network;
	asks->heard = heard;
	asks->context = context;
	asks->names = name_memory_open();
	if (!asks->names) {
		free(asks);
		return -ENOMEM;
	}
	*result = asks;
	return 0;
}

void epmd_asks_close(struct epmd_asks *asks)
{
	if (!asks)
		return;
	for (size_t i = 0; i < ASKS_MAX; i++) {
		network_ask_cancel(asks->asks[i].query);
		free(asks->asks[i].before);
	}
	name_memory_close(asks->names);
	free(asks);
}
