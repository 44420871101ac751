// SPDX-License-Identifier: BSD-2-Clause
#include "agent/nodes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/*
 * Checks in a row without a name, after which a port is let go that ends the connection without a
 * word, as no node does that could be starting; and one that says nothing at all, as one might.
 */
#define UNNAMED_CHECKS	      2
#define UNNAMED_SILENT_CHECKS 12

static bool is_registered(const struct fence_registration *rows, int count, uint32_t pid)
{
	for (int i = 0; i < count; i++)
		if (rows[i].registration.pid == pid)
			return true;
	return false;
}

/* Whether another of the process's ports is known for its node's. */
static bool is_settled_elsewhere(const struct agent *agent, const struct known_listener *listener)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct known_listener *other = &agent->listeners[i];

		if (other->kernel.pid == listener->kernel.pid &&
		    other->kernel.port != listener->kernel.port &&
		    other->evidence >= EVIDENCE_REGISTERED && other->evidence != EVIDENCE_REFUTED)
			return true;
	}
	return false;
}

/* @own: the name was not there before its process was. */
static bool is_certain(const struct registrant *registrant, const struct known_listener *listener,
		       const char *name, bool own)
{
	const int names = own ? registrant->own_names : registrant->names;

	if (listener->said_node && !strcmp(listener->said_node, name))
		return true;
	/* A BEAM is one node; it has other connections to epmd only while it asks for somebody. */
	return names <= registrant->connections &&
	       (!listener->kernel.beam ||
		!registrant_is_settled_elsewhere(registrant, listener->kernel.port));
}

/* Whether names that came after the process was there tell what it is connected for. */
static bool is_accounted_for(const struct registrant *registrant)
{
	return registrant->own_names && registrant->own_names <= registrant->connections;
}

/* One name for one listener, whose process is connected to the epmd. Returns false if in doubt. */
static bool hear_name(struct agent *agent, struct registrant *registrant,
		      struct known_listener *listener, const char *name, bool own)
{
	listener->named = true;
	listener->registered = listener->registered ||
			       (listener->node && !strcmp(listener->node, name));
	if (listener->evidence == EVIDENCE_REFUTED ||
	    (listener->node &&
	     (!strcmp(listener->node, name) || listener->evidence == EVIDENCE_ANSWERED)))
		return true;
	if (is_certain(registrant, listener, name, own)) {
		listener_take(agent, listener, EVIDENCE_REGISTERED);
		registrant_settle(registrant, listener->kernel.port);
		listener_set_node(agent, listener, name);
		listener->registered = true;
		return true;
	}
	if (listener->node)
		return false; /* it is known under a name: another is not believed */
	listener->wants_name = true;
	/* It is asked, but not closed meanwhile. */
	if (listener->evidence == EVIDENCE_NONE &&
	    (registrant_is_settled_elsewhere(registrant, listener->kernel.port) ||
	     (!own && is_accounted_for(registrant))))
		return false;
	listener_take(agent, listener, EVIDENCE_DOUBT);
	return false;
}

struct heard nodes_hear(struct agent *agent, const struct hearing *hearing)
{
	_cleanup_(hearing_index_free) struct hearing_index *index = hearing_index_make(agent,
										       hearing);
	struct heard heard = {.code = index ? 0 : -ENOMEM};

	for (size_t i = 0; index && i < agent->listener_count; i++)
		if (index->registrant_of[i])
			agent->listeners[i].epmd_heard = true;
	for (size_t i = 0; index && i < hearing->nodes->count; i++) {
		const struct epmd_node *node = &hearing->nodes->items[i];
		bool known = false, certain = true;

		for (int at = index->first_on[node->port]; at; at = index->next_on[at - 1]) {
			struct known_listener *listener = &agent->listeners[at - 1];
			struct registrant *registrant = index->registrant_of[at - 1];

			known = true;
			certain = hear_name(agent, registrant, listener, node->name,
					    !hearing_was_before(hearing, i, registrant)) &&
				  certain;
		}
		heard.doubted += !certain;
		if (!known) {
			heard.stray++;
			heard.strange = node;
		}
	}
	return heard;
}

int nodes_list_others(struct agent *agent, const struct hearing *hearing, struct error *error)
{
	_cleanup_free_ uint32_t *pids = calloc((size_t)hearing->now_count + 1, sizeof(*pids));
	uint64_t ports[PORTS / 64] = {};
	size_t count = 0;
	int code;

	if (!pids)
		return -ENOMEM;
	for (int i = 0; i < hearing->now_count; i++)
		if (!hearing->now[i].registration.beam &&
		    registration_is_node_s(&hearing->now[i].registration) &&
		    hearing->now[i].registration.epmd_port == hearing->epmd_port)
			pids[count++] = hearing->now[i].registration.pid;
	if (!count || !hearing->nodes->count)
		return 0;
	for (size_t i = 0; i < hearing->nodes->count; i++)
		ports[hearing->nodes->items[i].port / 64] |=
			UINT64_C(1) << (hearing->nodes->items[i].port % 64);
	code = fence_list_nodes(agent->fence, ports, pids, count, error);
	return code ? code : 1;
}

/* A port that only epmd, or memory, says is a node's: it is asked once, to be sure. */
static bool wants_proof(const struct agent *agent, const struct known_listener *listener)
{
	const uint16_t port = listener->kernel.port;

	return listener->kernel.kind == LISTENER_FIXED &&
	       (listener->evidence == EVIDENCE_REMEMBERED ||
		listener->evidence == EVIDENCE_REGISTERED) &&
	       !(agent->policy->ports[port / 64] >> (port % 64) & 1);
}

bool node_is_in_doubt(const struct agent *agent, const struct known_listener *listener,
		      const struct fence_registration *rows, int count, bool quiet)
{
	const uint16_t port = listener->kernel.port;

	if (!port || listener->kernel.kind == LISTENER_EPMD || listener->probed)
		return false;
	if (listener->wants_name || listener->evidence == EVIDENCE_DOUBT)
		return true;
	if (wants_proof(agent, listener))
		return quiet || listener->evidence == EVIDENCE_REGISTERED;
	if (!quiet || listener->kernel.kind != LISTENER_FIXED)
		return false;
	/*
	 * Its process is a node, by its connection to epmd or, with an epmd module of its own, by
	 * its command line; and none of its ports is known for it: nobody else can tell.
	 */
	return listener->evidence == EVIDENCE_NONE && !listener_is_loopback(listener) &&
	       !(agent->policy->exempt[port / 64] >> (port % 64) & 1) &&
	       (listener->said_node || is_registered(rows, count, listener->kernel.pid)) &&
	       !is_settled_elsewhere(agent, listener);
}

static void take_answer(struct agent *agent, struct known_listener *listener, const char *name)
{
	char node[EPMD_NAME_SIZE];

	listener_take(agent, listener, EVIDENCE_ANSWERED);
	listener->probed = true;
	snprintf(node, sizeof(node), "%.*s", (int)strcspn(name, "@"), name);
	if (node[0])
		listener_set_node(agent, listener, node);
}

/* No node's answer, but none that a node could not give either. @checks: see UNNAMED_CHECKS. */
static void take_silence(struct agent *agent, struct known_listener *listener, unsigned int checks)
{
	const bool elsewhere = is_settled_elsewhere(agent, listener);

	listener->probed = true; /* for a while: see nodes_note_check() */
	listener->checks_since_probe = 0;
	switch (listener->evidence) {
	case EVIDENCE_NONE:
		listener->wants_name = false;
		break;
	case EVIDENCE_DOUBT:
		if (elsewhere)
			listener_release(agent, listener, EVIDENCE_NONE);
		break;
	case EVIDENCE_REMEMBERED:
	case EVIDENCE_REGISTERED:
		if (listener->unnamed_checks >= checks || (elsewhere && !listener->named))
			listener_release(agent, listener, EVIDENCE_NONE);
		break;
	default:
		break;
	}
}

void node_answered(struct agent *agent, struct known_listener *listener, int code,
		   const struct handshake_answer *answer)
{
	if (code == -ETIMEDOUT)
		take_silence(agent, listener, UNNAMED_SILENT_CHECKS);
	if (code)
		return; /* nobody could be asked: nothing is known that was not before */
	switch (answer->outcome) {
	case HANDSHAKE_DISTRIBUTION:
		take_answer(agent, listener, answer->name);
		break;
	case HANDSHAKE_OTHER:
		if (listener->evidence != EVIDENCE_CMDLINE)
			listener_release(agent, listener, EVIDENCE_REFUTED);
		listener->probed = true;
		break;
	case HANDSHAKE_TLS:
		if (listener->says_tls && listener->evidence == EVIDENCE_REGISTERED)
			take_answer(agent, listener, ""); /* as its command line has it */
		else if (listener->says_tls)
			listener->probed = true;
		else
			take_silence(agent, listener, UNNAMED_CHECKS);
		break;
	default:
		take_silence(agent, listener, UNNAMED_CHECKS);
	}
}

bool nodes_are_unsettled(const struct agent *agent, const struct fence_registration *rows,
			 int count)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct known_listener *listener = &agent->listeners[i];

		if (wants_proof(agent, listener) || listener->wants_name ||
		    listener->evidence == EVIDENCE_DOUBT)
			return true;
	}
	for (int i = 0; i < count; i++) {
		bool settled = false;

		for (size_t j = 0; j < agent->listener_count && !settled; j++)
			settled = agent->listeners[j].kernel.pid == rows[i].registration.pid &&
				  agent->listeners[j].node;
		if (!settled)
			return true;
	}
	return false;
}

/* Whether it is time to ask a port again that gave no answer to go by. */
static bool is_due(const struct agent *agent, const struct known_listener *listener)
{
	if (wants_proof(agent, listener))
		return listener->unnamed_checks == UNNAMED_CHECKS ||
		       listener->unnamed_checks == UNNAMED_SILENT_CHECKS;
	return (listener->wants_name || listener->evidence == EVIDENCE_DOUBT) &&
	       listener->checks_since_probe >= UNNAMED_SILENT_CHECKS;
}

/* An epmd that says nothing unsays nothing: only where one was heard does its silence count. */
void nodes_note_check(struct agent *agent, const struct fence_registration *rows, int count)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		struct known_listener *listener = &agent->listeners[i];
		const bool heard = is_registered(rows, count, listener->kernel.pid)
					   ? listener->epmd_heard
					   : agent->epmd_heard;

		if (listener->named)
			listener->unnamed_checks = 0;
		else if (heard)
			listener->unnamed_checks++;
		listener->checks_since_probe++;
		listener->named = listener->epmd_heard = false;
		if (is_due(agent, listener))
			listener->probed = false;
	}
	agent->epmd_heard = false;
}
