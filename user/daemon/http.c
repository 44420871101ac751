// SPDX-License-Identifier: BSD-2-Clause
/* Where it listens, and its connections; what is answered on them is in http_pages.c. */
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/http_internal.h"

#define BACKLOG 128

/* All that are open: evhttp leaves no argument for the callback of an accept error. */
static struct http *endpoints;

static struct timeval interval(unsigned ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

/* The kernel's number for the socket behind @fd, which no other socket ever gets; 0: no socket. */
static uint64_t socket_cookie(int fd)
{
	socklen_t length = sizeof(uint64_t);
	uint64_t cookie;

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length))
		return 0;
	return cookie;
}

static void start_tick(struct http *http)
{
	struct timeval period = interval(HTTP_TICK_MS);

	if (!event_pending(http->tick, EV_TIMEOUT, NULL))
		event_add(http->tick, &period);
}

static void pause_accepting(struct http *http)
{
	http->paused = true;
	evconnlistener_disable(http->listener);
	start_tick(http);
}

/* Forgets the connections that have ended and returns a place that is free, or NULL. */
static struct connection *sweep(struct http *http)
{
	struct connection *free_one = NULL;

	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &http->connections[i];

		if (connection->used && !connection->fresh &&
		    socket_cookie(connection->fd) != connection->cookie)
			connection->used = false;
		if (!connection->used)
			free_one = connection;
	}
	return free_one;
}

static struct connection *free_connection(struct http *http)
{
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (!http->connections[i].used)
			return &http->connections[i];
	return sweep(http);
}

/* Makes the bufferevent of a connection that evhttp has just accepted; evhttp owns it. */
static struct bufferevent *on_accept(struct event_base *base, void *context)
{
	struct http *http = context;
	struct connection *connection = free_connection(http);
	struct bufferevent *bufferevent;

	bufferevent = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (!bufferevent)
		return NULL;
	if (connection) {
		bufferevent_incref(bufferevent);
		*connection = (struct connection){
			.used = true, .fresh = bufferevent, .fd = -1, .opened_ms = monotonic_ms()};
		event_active(http->adopt, EV_TIMEOUT, 0);
		start_tick(http);
	}
	if (!free_connection(http))
		pause_accepting(http);
	return bufferevent;
}

static void on_adopt(evutil_socket_t fd, short events, void *context)
{
	struct http *http = context;

	(void)fd;
	(void)events;
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &http->connections[i];

		if (!connection->fresh)
			continue;
		connection->fd = bufferevent_getfd(connection->fresh);
		connection->cookie = socket_cookie(connection->fd);
		connection->used = connection->cookie != 0;
		bufferevent_decref(connection->fresh);
		connection->fresh = NULL;
	}
}

static void on_tick(evutil_socket_t fd, short events, void *context)
{
	struct http *http = context;
	bool room = sweep(http) != NULL;
	uint64_t now = monotonic_ms();
	bool any = false;

	(void)fd;
	(void)events;
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++) {
		struct connection *connection = &http->connections[i];

		any |= connection->used;
		/* evhttp sees an end of file, and frees what belongs to the connection. */
		if (connection->used && !connection->fresh &&
		    now - connection->opened_ms >= http->life_ms)
			shutdown(connection->fd, SHUT_RDWR);
	}
	if (http->paused && room) {
		http->paused = false;
		evconnlistener_enable(http->listener);
	}
	if (!any && !http->paused)
		event_del(http->tick);
}

/* accept(2) failed, as with EMFILE: the listener stays readable, so asking again at once spins. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	(void)context;
	for (struct http *http = endpoints; http; http = http->next)
		if (http->listener == listener)
			pause_accepting(http);
}

/* Returns a listening socket for the numeric address @host, or a negative errno. */
static int listen_on(const char *host, uint16_t port, struct error *error)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	_cleanup_close_ int fd = -1;
	char service[8];
	int yes = 1, code = 0;

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(host, service, &hints, &address))
		return error_set(error, -EINVAL, "metrics address \"%s\" is not a numeric address",
				 host);
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    bind(fd, address->ai_addr, address->ai_addrlen) || listen(fd, BACKLOG))
		code = -errno;
	freeaddrinfo(address);
	if (code)
		return error_set(error, code, "cannot listen for metrics on %s port %u: %s", host,
				 port, strerror(-code));
	return TAKE_FD(fd);
}

static uint16_t local_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
	} address = {.ipv6 = {.sin6_family = AF_UNSPEC}};
	socklen_t length = sizeof(address);

	getsockname(fd, &address.any, &length);
	return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port
						       : address.ipv4.sin_port);
}

/* Makes the socket that the settings ask for. */
static int open_socket(struct http *http, const struct http_settings *settings, struct error *error)
{
	int code;

	if (settings->host[0] != '/') {
		http->fd = listen_on(settings->host, settings->port, error);
		if (http->fd < 0)
			return http->fd;
		http->port = local_port(http->fd);
		return 0;
	}
	http->fd = -1;
	code = unix_socket_open(&http->file, settings->host, settings->group, error);
	if (code)
		http->file.path[0] = '\0';
	else
		http->fd = http->file.fd;
	return code;
}

/* Has evhttp accept from the listening socket. */
static int accept_from(struct http *http)
{
	http->listener = evconnlistener_new(http->base, NULL, NULL, LEV_OPT_CLOSE_ON_EXEC, 0,
					    http->fd);
	if (!http->listener)
		return -ENOMEM;
	evconnlistener_set_error_cb(http->listener, on_accept_error);
	if (!evhttp_bind_listener(http->server, http->listener)) {
		evconnlistener_free(http->listener);
		return -ENOMEM;
	}
	return 0;
}

static int serve(struct http *http, unsigned idle_ms)
{
	struct timeval idle = interval(idle_ms);

	http->server = evhttp_new(http->base);
	http->adopt = event_new(http->base, -1, 0, on_adopt, http);
	http->tick = event_new(http->base, -1, EV_PERSIST, on_tick, http);
	if (!http->server || !http->adopt || !http->tick)
		return -ENOMEM;
	evhttp_set_timeout_tv(http->server, &idle);
	evhttp_set_max_headers_size(http->server, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(http->server, HTTP_BODY_MAX);
	/* All that it knows, so that on_request() says 405 instead of evhttp 501. */
	evhttp_set_allowed_methods(
		http->server, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD | EVHTTP_REQ_PUT |
				      EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
				      EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_gencb(http->server, http_on_request, http);
	evhttp_set_bevcb(http->server, on_accept, http);
	return accept_from(http);
}

int http_open(struct event_base *base, const struct http_settings *settings, struct http **result,
	      struct error *error)
{
	struct http *http;
	int code;

	http = calloc(1, sizeof(*http));
	if (!http)
		return error_set(error, -ENOMEM, "cannot serve metrics: out of memory");
	http->base = base;
	http->settings = *settings;
	http->life_ms = settings->life_ms ? settings->life_ms : HTTP_LIFE_MS;
	http->next = endpoints;
	endpoints = http;
	code = open_socket(http, settings, error);
	if (code) {
		http_close(http);
		return code;
	}
	code = serve(http, settings->idle_ms ? settings->idle_ms : HTTP_IDLE_MS);
	if (code) {
		http_close(http);
		return error_set(error, code, "cannot serve metrics: out of memory");
	}
	*result = http;
	return 0;
}

uint16_t http_port(const struct http *http)
{
	return http->port;
}

void http_close(struct http *http)
{
	struct http **link = &endpoints;

	if (!http)
		return;
	while (*link != http)
		link = &(*link)->next;
	*link = http->next;
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		if (http->connections[i].fresh)
			bufferevent_decref(http->connections[i].fresh);
	http_forget_waiting(http);
	if (http->adopt)
		event_free(http->adopt);
	if (http->tick)
		event_free(http->tick);
	if (http->server)
		evhttp_free(http->server);
	if (http->file.path[0])
		unix_socket_close(&http->file);
	else if (http->fd >= 0)
		close(http->fd);
	free(http);
}
