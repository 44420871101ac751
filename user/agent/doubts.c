// SPDX-License-Identifier: BSD-2-Clause
#include "agent/doubts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/nodes.h"
#include "core/cleanup.h"

#define PROBE_TIMEOUT_MS   2000
#define PROBES_MAX	   32
#define PROBES_OF_USER_MAX 4

/* One port that is being asked. */
struct probe {
	struct doubts *doubts;
	uint64_t socket;
	uint64_t since_ns; /* with its inode: another may have come to this address */
	uint32_t inode;
	uint32_t account;
	struct network_ask *ask; /* NULL: free */
};

struct doubts {
	struct agent *agent;
	struct network *network;
	doubt_settled settled;
	void *context;
	unsigned int turn;
	bool quiet;
	struct probe probes[PROBES_MAX];
};

static void on_probed(void *context, int code, const struct handshake_answer *answer)
{
	struct probe *probe = context;
	struct doubts *doubts = probe->doubts;
	struct known_listener *listener = listener_find(doubts->agent, probe->socket);

	if (listener && listener->kernel.since_ns == probe->since_ns &&
	    listener->kernel.inode == probe->inode) {
		const enum evidence was = listener->evidence;

		node_answered(doubts->agent, listener, code, answer);
		doubts->settled(doubts->context, was, listener);
	}
	doubts_look(doubts, doubts->quiet);
}

/* A free probe for a listener, or NULL where it is being asked, or its user has his share. */
static struct probe *probe_for(struct doubts *doubts, const struct known_listener *listener)
{
	struct probe *free_place = NULL;
	unsigned int of_user = 0;

	for (size_t i = 0; i < PROBES_MAX; i++) {
		struct probe *probe = &doubts->probes[i];

		if (!probe->ask)
			free_place = probe;
		else if (probe->socket == listener->socket)
			return NULL;
		else
			of_user += probe->account == listener->kernel.account;
	}
	return of_user < PROBES_OF_USER_MAX ? free_place : NULL;
}

static void probe_start(struct doubts *doubts, struct known_listener *listener)
{
	struct probe *probe = probe_for(doubts, listener);
	int code;

	if (!probe)
		return;
	*probe = (struct probe){.doubts = doubts,
				.socket = listener->socket,
				.since_ns = listener->kernel.since_ns,
				.inode = listener->kernel.inode,
				.account = listener->kernel.account};
	code = network_probe(doubts->network, listener->kernel.address, listener->kernel.port,
			     PROBE_TIMEOUT_MS, on_probed, probe, &probe->ask);
	if (!code)
		listener->probe_turn = doubts->turn;
}

void doubts_look(struct doubts *doubts, bool quiet)
{
	struct agent *agent = doubts->agent;
	_cleanup_free_ struct fence_registration *rows = NULL;
	int count = -1;

	doubts->quiet = quiet;
	for (size_t i = 0; i < agent->listener_count; i++) {
		struct known_listener *listener = &agent->listeners[i];

		if (listener->probed || listener->probe_turn == doubts->turn ||
		    listener->kernel.kind == LISTENER_EPMD)
			continue;
		if (count < 0)
			count = fence_registrations(agent->fence, &rows);
		if (node_is_in_doubt(agent, listener, rows, count, quiet))
			probe_start(doubts, listener);
	}
}

void doubts_turn(struct doubts *doubts)
{
	doubts->turn++;
}

int doubts_open(struct agent *agent, struct network *network, doubt_settled settled, void *context,
		struct doubts **result)
{
	struct doubts *doubts = calloc(1, sizeof(*doubts));

	if (!doubts)
		return -ENOMEM;
	*doubts = (struct doubts){.agent = agent,
				  .network = network,
				  .settled = settled,
				  .context = context,
				  .turn = 1};
	*result = doubts;
	return 0;
}

void doubts_close(struct doubts *doubts)
{
	if (!doubts)
		return;
	for (size_t i = 0; i < PROBES_MAX; i++)
		network_ask_cancel(doubts->probes[i].ask);
	free(doubts);
}
