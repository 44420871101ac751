// SPDX-License-Identifier: BSD-2-Clause
#include "agent/epmd_query.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/cleanup.h"

struct epmd_query {
	struct event_base *base;
	struct bufferevent *connection;
	struct event *deadline;
	struct epmd_query **owner; /* the pointer to this */
	epmd_answer answer;
	void *context;
	uint16_t port;
	bool ipv6;
};

static void free_query(struct epmd_query *query)
{
	if (query->connection)
		bufferevent_free(query->connection);
	if (query->deadline)
		event_free(query->deadline);
	free(query);
}

static void cleanup_nodes(struct epmd_nodes *nodes)
{
	epmd_nodes_free(nodes);
}

static int parse_reply(const struct epmd_query *query, struct epmd_nodes *nodes)
{
	struct evbuffer *input = bufferevent_get_input(query->connection);
	size_t size = evbuffer_get_length(input);
	const char *reply = size ? (const char *)evbuffer_pullup(input, -1) : "";

	return reply ? epmd_parse_names(reply, size, nodes, NULL) : -ENOMEM;
}

/* Ends the query with its answer: with the names of the reply when @code is 0. */
static void finish(struct epmd_query *query, int code)
{
	_cleanup_(cleanup_nodes) struct epmd_nodes nodes = {0};
	const struct epmd_query ended = *query;

	if (!code)
		code = parse_reply(query, &nodes);
	/* First, so that the callee may start the next one, or end the loop. */
	*query->owner = NULL;
	free_query(query);
	ended.answer(ended.context, ended.port, code, &nodes);
}

/* Returns a socket that is connecting to @port of this host, or a negative errno. */
static int connect_to(bool ipv6, uint16_t port)
{
	const struct sockaddr_in ipv4_address = {.sin_family = AF_INET,
						 .sin_port = htons(port),
						 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct sockaddr_in6 ipv6_address = {.sin6_family = AF_INET6,
						  .sin6_port = htons(port),
						  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const void *address = ipv6 ? (const void *)&ipv6_address : &ipv4_address;
	socklen_t size = ipv6 ? sizeof(ipv6_address) : sizeof(ipv4_address);
	_cleanup_close_ int fd = -1;

	fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, address, size) && errno != EINPROGRESS))
		return -errno;
	return TAKE_FD(fd);
}

static void on_read(struct bufferevent *connection, void *context)
{
	if (evbuffer_get_length(bufferevent_get_input(connection)) > EPMD_REPLY_MAX)
		finish(context, -EMSGSIZE);
}

static void on_event(struct bufferevent *connection, short events, void *context);

/* Connects, and queues the request. Nothing is left behind on failure. */
static int ask(struct epmd_query *query)
{
	_cleanup_close_ int fd = connect_to(query->ipv6, query->port);
	struct bufferevent *connection;

	if (fd < 0)
		return fd;
	connection = bufferevent_socket_new(query->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection)
		return -ENOMEM;
	TAKE_FD(fd);
	bufferevent_setcb(connection, on_read, NULL, on_event, query);
	/* Reads only once it is connected: what connect(2) says of a refusal, a read would take. */
	if (bufferevent_write(connection, EPMD_NAMES_REQUEST, sizeof(EPMD_NAMES_REQUEST) - 1) ||
	    bufferevent_socket_connect(connection, NULL, 0)) {
		bufferevent_free(connection);
		return -ENOMEM;
	}
	query->connection = connection;
	return 0;
}

/* 127.0.0.1 refused: an epmd that "-address" or its socket unit bound to ::1 may be there. */
static void ask_ipv6(struct epmd_query *query)
{
	bufferevent_free(query->connection);
	query->connection = NULL;
	query->ipv6 = true;
	if (ask(query))
		finish(query, -ECONNREFUSED); /* as where the host has no IPv6 */
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	int code = -errno; /* of the call that failed: libevent leaves it so */
	struct epmd_query *query = context;

	if (events & BEV_EVENT_CONNECTED) {
		if (bufferevent_enable(connection, EV_READ))
			finish(query, -ENOMEM);
	} else if (events & BEV_EVENT_EOF) {
		finish(query, 0);
	} else if (code == -ECONNREFUSED && !query->ipv6) {
		ask_ipv6(query);
	} else {
		finish(query, code ? code : -EIO);
	}
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	finish(context, -ETIMEDOUT);
}

int epmd_query_start(struct event_base *base, uint16_t port, unsigned int timeout_ms,
		     epmd_answer answer, void *context, struct epmd_query **query)
{
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
					.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	struct epmd_query *started;
	int code;

	if (*query)
		return -EALREADY;
	started = calloc(1, sizeof(*started));
	if (!started)
		return -ENOMEM;
	*started = (struct epmd_query){
		.base = base, .owner = query, .answer = answer, .context = context, .port = port};
	started->deadline = evtimer_new(base, on_deadline, started);
	code = started->deadline && !evtimer_add(started->deadline, &timeout) ? ask(started)
									      : -ENOMEM;
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
