// SPDX-License-Identifier: BSD-2-Clause
#include "agent/http.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "agent/control_socket.h"
#include "core/cleanup.h"

#define BACKLOG 128

/*
 * evhttp of libevent 2.1 bounds neither the number of connections nor their life, and tells nobody
 * when one ends. So each is noted here by descriptor and socket cookie: while the descriptor still
 * has that cookie the connection lives.
 */
struct connection {
	bool used;
	struct bufferevent *fresh; /* referenced, until evhttp has given it its descriptor */
	int fd;
	uint64_t cookie;
	uint64_t opened_ms;
};

struct http {
	struct event_base *base;
	struct evhttp *server;
	struct evconnlistener *listener; /* belongs to the server */
	int fd;				 /* that it listens on, or -1; that of the file, if any */
	struct control_socket file;	 /* of a unix socket; path "": none */
	struct event *adopt;		 /* notes the descriptors of fresh connections */
	struct event *tick;		 /* while connections are open, or accepting is paused */
	struct connection connections[HTTP_CONNECTIONS_MAX];
	http_metrics metrics;
	http_health health;
	void *context;
	struct http *next; /* in endpoints */
	unsigned life_ms;
	uint16_t port;
	bool paused;
};

/* All that are open: evhttp leaves no argument for the callback of an accept error. */
static struct http *endpoints;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

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
			.used = true, .fresh = bufferevent, .fd = -1, .opened_ms = now_ms()};
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
	uint64_t now = now_ms();
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

static void reply(struct evhttp_request *request, int status, const char *reason, const char *type,
		  struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char length[32];

	/* One request a connection, whatever the client asked for. */
	evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
	evhttp_add_header(headers, "Connection", "close");
	evhttp_add_header(headers, "Content-Type", type);
	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	evhttp_add_header(headers, "Content-Length", length);
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
		evbuffer_drain(body, evbuffer_get_length(body));
	evhttp_send_reply(request, status, reason, body);
}

static void reply_error(struct evhttp_request *request, int status, const char *reason,
			struct evbuffer *body)
{
	evbuffer_drain(body, evbuffer_get_length(body));
	evbuffer_add_printf(body, "%s\n", reason);
	reply(request, status, reason, "text/plain; charset=utf-8", body);
}

static void reply_health(struct evhttp_request *request, struct http *http, struct evbuffer *body)
{
	struct error reason = {""};
	const int code = http->health(http->context, &reason);

	evbuffer_add_printf(body, "%s\n", code ? reason.text : "ok");
	reply(request, code ? HTTP_SERVUNAVAIL : HTTP_OK, code ? "Service Unavailable" : "OK",
	      "text/plain; charset=utf-8", body);
}

static void cleanup_evbuffer(struct evbuffer **buffer)
{
	if (*buffer)
		evbuffer_free(*buffer);
}

static void on_request(struct evhttp_request *request, void *context)
{
	_cleanup_(cleanup_evbuffer) struct evbuffer *body = evbuffer_new();
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	bool metrics = path && strcmp(path, "/metrics") == 0;
	bool health = path && strcmp(path, "/healthz") == 0;
	struct http *http = context;

	if (!body) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else if (!metrics && !health) {
		reply_error(request, HTTP_NOTFOUND, "Not Found", body);
	} else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
		reply_error(request, HTTP_BADMETHOD, "Method Not Allowed", body);
	} else if (health) {
		reply_health(request, http, body);
	} else if (http->metrics(http->context, body)) {
		reply_error(request, HTTP_INTERNAL, "Internal Server Error", body);
	} else {
		reply(request, HTTP_OK, "OK", "text/plain; version=0.0.4; charset=utf-8", body);
	}
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
	code = control_socket_open(&http->file, settings->host, settings->group, error);
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
	evhttp_set_gencb(http->server, on_request, http);
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
	http->metrics = settings->metrics;
	http->health = settings->health;
	http->context = settings->context;
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
	if (http->adopt)
		event_free(http->adopt);
	if (http->tick)
		event_free(http->tick);
	if (http->server)
		evhttp_free(http->server);
	if (http->file.path[0])
		control_socket_close(&http->file);
	else if (http->fd >= 0)
		close(http->fd);
	free(http);
}
