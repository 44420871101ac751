// SPDX-License-Identifier: BSD-2-Clause
#include "agent/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/net_side.h"
#include "core/address.h"
#include "daemon/dist_query.h"
#include "daemon/epmd_query.h"

/* One question: by a query of this process, or to the network side with a number and a deadline. */
struct network_ask {
	struct network *network;
	struct network_ask *next;
	struct network_ask **owner; /* the pointer to this */
	network_answer answer;	    /* of an epmd; NULL: it is to a port */
	network_probed probed;	    /* of a port; NULL: it is to an epmd */
	void *context;
	uint16_t port;
	struct epmd_query *query;
	struct dist_query *probe;
	struct event *deadline;
	uint64_t id;
};

struct network {
	struct event_base *base;
	struct network_settings settings;
	bool remote;
	struct net_side
		*side; /* NULL: this process does it itself, or the socket could not be made */
	struct http *http;
	struct network_ask *asks;
	char *host; /* where the network side is to listen */
	uint16_t port;
	uint64_t last_id;
	uint64_t listen_id;
	struct error listen_problem;
	struct error missing;
};

static void set_problem(struct network *network, struct error *problem, const char *text)
{
	if (text)
		error_set(problem, 0, "%s", text);
	else
		*problem = (struct error){};
	network->settings.changed(network->settings.context);
}

static void free_ask(struct network_ask *ask)
{
	struct network_ask **link = &ask->network->asks;

	while (*link && *link != ask)
		link = &(*link)->next;
	if (*link)
		*link = ask->next;
	epmd_query_cancel(ask->query);
	dist_query_cancel(ask->probe);
	if (ask->deadline)
		event_free(ask->deadline);
	free(ask);
}

/* Ends a question with its answer, of the one kind or of the other; NULL with @code. */
static void finish(struct network_ask *ask, int code, const struct epmd_nodes *nodes,
		   const struct handshake_answer *answer)
{
	static const struct epmd_nodes none;
	static const struct handshake_answer unknown;
	const struct network_ask ended = *ask;

	/* First, so that the callee may start the next one. */
	*ask->owner = NULL;
	free_ask(ask);
	if (ended.probed)
		ended.probed(ended.context, code, code ? &unknown : answer);
	else
		ended.answer(ended.context, ended.port, code, code ? &none : nodes);
}

static void on_local_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	(void)port;
	finish(context, code, nodes, NULL);
}

static void on_local_probed(void *context, int code, const struct handshake_answer *answer)
{
	finish(context, code, NULL, answer);
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	finish(context, -ETIMEDOUT, NULL, NULL);
}

/* Has the network side do what @what says under @name, which is taken over. */
static int order(struct network_ask *ask, const char *name, json_t *what, unsigned timeout_ms)
{
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
					.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	struct network *network = ask->network;
	json_t *order;

	ask->id = ++network->last_id;
	order = json_pack("{s:o, s:I}", name, what, "id", (json_int_t)ask->id);
	ask->deadline = evtimer_new(network->base, on_deadline, ask);
	if (order && ask->deadline && !evtimer_add(ask->deadline, &timeout) && network->side)
		return net_side_send(network->side, order) ? 0 : -ENOTCONN;
	json_decref(order);
	return network->side ? -ENOMEM : -ENOTCONN;
}

static json_t *probe_json(const uint8_t address[static 16], uint16_t port, unsigned timeout_ms)
{
	struct prefix place = {.length = 128};
	char text[PREFIX_TEXT_SIZE];

	memcpy(place.address, address, sizeof(place.address));
	prefix_format(&place, text);
	text[strcspn(text, "/")] = '\0';
	return json_pack("{s:s, s:i, s:I}", "address", text, "port", (int)port, "timeout_ms",
			 (json_int_t)timeout_ms);
}

/* The unit forbids it, and a drop-in of before there was a network side starts this. */
static int tell_forbidden(struct network *network, int code)
{
	if (code == -EAFNOSUPPORT && !network->missing.text[0])
		set_problem(network, &network->missing,
			    "the agent may not open internet sockets: no metrics over TCP, and no "
			    "names from epmd; start it with --net-socket, or see NETWORK SIDE in "
			    "beamfenced(8)");
	return code;
}

/* A new question. Nothing is under way yet; *@ask is set by keep(). */
static struct network_ask *new_ask(struct network *network, void *context,
				   struct network_ask **owner)
{
	struct network_ask *ask = calloc(1, sizeof(*ask));

	if (ask)
		*ask = (struct network_ask){.network = network, .owner = owner, .context = context};
	return ask;
}

/* Lists a question that is under way (@code 0), or frees one that is not. Returns @code. */
static int keep(struct network_ask *ask, int code)
{
	if (code) {
		free_ask(ask);
		return code;
	}
	ask->next = ask->network->asks;
	ask->network->asks = ask;
	*ask->owner = ask;
	return 0;
}

int network_ask(struct network *network, uint16_t port, unsigned timeout_ms, network_answer answer,
		void *context, struct network_ask **result)
{
	struct network_ask *ask;

	if (*result)
		return -EALREADY;
	ask = new_ask(network, context, result);
	if (!ask)
		return -ENOMEM;
	ask->answer = answer;
	ask->port = port;
	if (network->remote)
		return keep(ask, order(ask, "ask", json_integer(port), timeout_ms));
	return keep(ask,
		    tell_forbidden(network, epmd_query_start(network->base, port, timeout_ms,
							     on_local_answer, ask, &ask->query)));
}

static unsigned probes_under_way(const struct network *network)
{
	unsigned count = 0;

	for (const struct network_ask *ask = network->asks; ask; ask = ask->next)
		count += ask->probed != NULL;
	return count;
}

int network_probe(struct network *network, const uint8_t address[static 16], uint16_t port,
		  unsigned timeout_ms, network_probed answered, void *context,
		  struct network_ask **result)
{
	struct network_ask *ask;

	if (*result)
		return -EALREADY;
	if (probes_under_way(network) >= NETWORK_PROBES_MAX)
		return -EBUSY;
	ask = new_ask(network, context, result);
	if (!ask)
		return -ENOMEM;
	ask->probed = answered;
	ask->port = port;
	if (network->remote)
		return keep(ask, order(ask, "probe", probe_json(address, port, timeout_ms),
				       timeout_ms + NETWORK_WAY_MS));
	return keep(ask, tell_forbidden(network,
					dist_query_start(network->base, address, port, timeout_ms,
							 on_local_probed, ask, &ask->probe)));
}

void network_ask_cancel(struct network_ask *ask)
{
	if (!ask)
		return;
	*ask->owner = NULL;
	free_ask(ask);
}

/* The question of this number and kind; NULL: nobody waits for an answer to it. */
static struct network_ask *find_ask(const struct network *network, uint64_t id, bool probe)
{
	struct network_ask *ask = network->asks;

	while (ask && (ask->id != id || (ask->probed != NULL) != probe))
		ask = ask->next;
	return ask;
}

static void on_names(void *context, uint64_t id, int code, const struct epmd_nodes *nodes)
{
	struct network_ask *ask = find_ask(context, id, false);

	if (ask)
		finish(ask, code, nodes, NULL);
}

static void on_probed(void *context, uint64_t id, int code, const struct handshake_answer *answer)
{
	struct network_ask *ask = find_ask(context, id, true);

	if (ask)
		finish(ask, code, NULL, answer);
}

static void on_listening(void *context, uint64_t id, const char *problem)
{
	struct network *network = context;

	if (id == network->listen_id)
		set_problem(network, &network->listen_problem, problem);
}

static void order_listen(struct network *network)
{
	json_t *where = network->host ? json_pack("{s:s, s:i}", "host", network->host, "port",
						  (int)network->port)
				      : json_null();

	network->listen_id = ++network->last_id;
	if (network->side && where)
		net_side_send(network->side, json_pack("{s:O, s:I}", "listen", where, "id",
						       (json_int_t)network->listen_id));
	json_decref(where);
}

static void on_came(void *context)
{
	struct network *network = context;

	order_listen(network);
	network->settings.can_ask(network->settings.context);
}

static void on_gone(void *context)
{
	struct network *network = context;

	while (network->asks)
		finish(network->asks, -ECONNRESET, NULL, NULL);
}

static void on_missing(void *context, bool missing)
{
	struct network *network = context;

	set_problem(network, &network->missing,
		    missing ? "the network side (beamfence-net) does not connect: no metrics over "
			      "TCP, and no names from epmd; see \"systemctl status beamfence-net\""
			    : NULL);
}

static int metrics(void *context, struct evbuffer *text)
{
	const struct network *network = context;

	return network->settings.metrics(network->settings.context, text);
}

static int health(void *context, struct error *reason)
{
	const struct network *network = context;

	return network->settings.health(network->settings.context, reason);
}

static int serve_here(struct network *network, const char *host, uint16_t port, struct error *error)
{
	const struct http_settings settings = {
		.host = host,
		.port = port,
		.metrics = metrics,
		.health = health,
		.context = network,
	};
	struct http *http = NULL;
	const int code = host ? http_open(network->base, &settings, &http, error) : 0;

	if (code)
		return code;
	http_close(network->http);
	network->http = http;
	return 0;
}

int network_serve(struct network *network, const char *host, uint16_t port, struct error *error)
{
	char *copy;

	if (!network->remote)
		return serve_here(network, host, port, error);
	copy = host ? strdup(host) : NULL;
	if (host && !copy)
		return error_set(error, -ENOMEM, "cannot serve metrics: out of memory");
	free(network->host);
	network->host = copy;
	network->port = port;
	if (!host) /* else it is true until there is word of the new place */
		set_problem(network, &network->listen_problem, NULL);
	order_listen(network);
	return 0;
}

const struct error *network_problem(const struct network *network)
{
	return network->missing.text[0] ? &network->missing : &network->listen_problem;
}

int network_open(struct event_base *base, const struct network_settings *settings,
		 struct network **result, struct error *error)
{
	struct network *network = calloc(1, sizeof(*network));
	const struct net_side_settings side = {
		.path = settings->socket,
		.metrics = metrics,
		.health = health,
		.came = on_came,
		.gone = on_gone,
		.missing = on_missing,
		.listening = on_listening,
		.names = on_names,
		.probed = on_probed,
		.context = network,
		.patience_ms = settings->patience_ms,
	};
	struct error reason;

	if (!network)
		return error_set(error, -ENOMEM, "out of memory");
	*network = (struct network){
		.base = base, .settings = *settings, .remote = settings->socket != NULL};
	if (network->remote && net_side_open(base, &side, &network->side, &reason))
		network->missing = reason;
	*result = network;
	return 0;
}

void network_close(struct network *network)
{
	if (!network)
		return;
	net_side_close(network->side);
	http_close(network->http);
	free(network->host);
	free(network);
}
