// SPDX-License-Identifier: BSD-2-Clause
#include "agent/network.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/epmd_query.h"
#include "agent/net_side.h"

/* One question: to epmd by a query, or to the network side with a number and a deadline. */
struct network_ask {
	struct network *network;
	struct network_ask *next;
	struct network_ask **owner; /* the pointer to this */
	network_answer answer;
	void *context;
	uint16_t port;
	struct epmd_query *query;
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
	if (ask->deadline)
		event_free(ask->deadline);
	free(ask);
}

static void finish(struct network_ask *ask, int code, const struct epmd_nodes *nodes)
{
	static const struct epmd_nodes none;
	const struct network_ask ended = *ask;

	/* First, so that the callee may start the next one. */
	*ask->owner = NULL;
	free_ask(ask);
	ended.answer(ended.context, ended.port, code, code ? &none : nodes);
}

static void on_local_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	(void)port;
	finish(context, code, nodes);
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	finish(context, -ETIMEDOUT, NULL);
}

static int order_ask(struct network_ask *ask, unsigned timeout_ms)
{
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
					.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	struct network *network = ask->network;

	ask->id = ++network->last_id;
	ask->deadline = evtimer_new(network->base, on_deadline, ask);
	if (!ask->deadline || evtimer_add(ask->deadline, &timeout))
		return -ENOMEM;
	if (!network->side ||
	    !net_side_send(network->side, json_pack("{s:i, s:I}", "ask", (int)ask->port, "id",
						    (json_int_t)ask->id)))
		return -ENOTCONN;
	return 0;
}

static int ask_here(struct network_ask *ask, unsigned timeout_ms)
{
	struct network *network = ask->network;
	const int code = epmd_query_start(network->base, ask->port, timeout_ms, on_local_answer,
					  ask, &ask->query);

	/* The unit forbids it, and a drop-in of before there was a network side starts this. */
	if (code == -EAFNOSUPPORT && !network->missing.text[0])
		set_problem(network, &network->missing,
			    "the agent may not open internet sockets: no metrics over TCP, and no "
			    "names from epmd; start it with --net-socket, or see NETWORK SIDE in "
			    "beamfenced(8)");
	return code;
}

int network_ask(struct network *network, uint16_t port, unsigned timeout_ms, network_answer answer,
		void *context, struct network_ask **result)
{
	struct network_ask *ask;
	int code;

	if (*result)
		return -EALREADY;
	ask = calloc(1, sizeof(*ask));
	if (!ask)
		return -ENOMEM;
	*ask = (struct network_ask){
		.network = network,
		.owner = result,
		.answer = answer,
		.context = context,
		.port = port,
	};
	code = network->remote ? order_ask(ask, timeout_ms) : ask_here(ask, timeout_ms);
	if (code) {
		free_ask(ask);
		return code;
	}
	ask->next = network->asks;
	network->asks = ask;
	*result = ask;
	return 0;
}

void network_ask_cancel(struct network_ask *ask)
{
	if (!ask)
		return;
	*ask->owner = NULL;
	free_ask(ask);
}

static void on_names(void *context, uint64_t id, int code, const struct epmd_nodes *nodes)
{
	struct network *network = context;

	for (struct network_ask *ask = network->asks; ask; ask = ask->next)
		if (ask->id == id) {
			finish(ask, code, nodes);
			return;
		}
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
		finish(network->asks, -ECONNRESET, NULL);
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
