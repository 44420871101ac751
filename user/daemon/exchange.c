// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/exchange.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"

struct exchange {
	struct event_base *base;
	struct exchange_settings settings;
	struct bufferevent *connection;
	struct event *deadline;
	bool second; /* of the places */
	uint8_t request[];
};

static void finish(struct exchange *exchange, int code)
{
	struct evbuffer *input = bufferevent_get_input(exchange->connection);
	const size_t size = evbuffer_get_length(input);
	const uint8_t *reply = size ? evbuffer_pullup(input, -1) : (const uint8_t *)"";

	bufferevent_disable(exchange->connection, EV_READ | EV_WRITE);
	event_del(exchange->deadline);
	exchange->settings.done(exchange->settings.context, reply ? code : -ENOMEM, reply,
				reply ? size : 0);
}

/* Returns a socket that is connecting, or a negative errno. */
static int connect_to(const uint8_t place[static 16], uint16_t port)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const void *address = &ipv6;
	socklen_t size = sizeof(ipv6);
	_cleanup_close_ int fd = -1;

	memcpy(&ipv6.sin6_addr, place, sizeof(ipv6.sin6_addr));
	if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
		memcpy(&ipv4.sin_addr, place + 12, sizeof(ipv4.sin_addr));
		address = &ipv4;
		size = sizeof(ipv4);
	}
	fd = socket(size == sizeof(ipv4) ? AF_INET : AF_INET6,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (connect(fd, address, size) && errno != EINPROGRESS))
		return -errno;
	return TAKE_FD(fd);
}

static void on_read(struct bufferevent *connection, void *context)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct exchange *exchange = context;
	const struct exchange_settings *settings = &exchange->settings;
	const size_t size = evbuffer_get_length(input);
	const uint8_t *reply = settings->is_whole ? evbuffer_pullup(input, -1) : NULL;

	if (settings->is_whole && (!reply || settings->is_whole(reply, size)))
		finish(exchange, 0);
	else if (size > settings->reply_max)
		finish(exchange, -EMSGSIZE);
}

static void on_event(struct bufferevent *connection, short events, void *context);

/* Connects, and queues the request. Nothing is left behind on failure. */
static int ask(struct exchange *exchange)
{
	const struct exchange_settings *settings = &exchange->settings;
	_cleanup_close_ int fd = connect_to(settings->places[exchange->second], settings->port);
	struct bufferevent *connection;

	if (fd < 0)
		return fd;
	connection = bufferevent_socket_new(exchange->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!connection)
		return -ENOMEM;
	TAKE_FD(fd);
	bufferevent_setcb(connection, on_read, NULL, on_event, exchange);
	/* Reads only once it is connected: what connect(2) says of a refusal, a read would take. */
	if (bufferevent_write(connection, exchange->request, settings->request_size) ||
	    bufferevent_socket_connect(connection, NULL, 0)) {
		bufferevent_free(connection);
		return -ENOMEM;
	}
	if (exchange->connection)
		bufferevent_free(exchange->connection);
	exchange->connection = connection;
	return 0;
}

/* Whether somebody may be there at the second place, after the first ended so. Tried once. */
static bool try_second(struct exchange *exchange, int code)
{
	static const uint8_t none[16];
	const bool unreachable = code == -ECONNREFUSED || code == -EADDRNOTAVAIL ||
				 code == -ENETUNREACH || code == -EAFNOSUPPORT;

	if (!unreachable || exchange->second || !memcmp(exchange->settings.places[1], none, 16))
		return false;
	exchange->second = true;
	return ask(exchange) == 0;
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	const int code = -errno; /* of the call that failed: libevent leaves it so */
	struct exchange *exchange = context;

	if (events & BEV_EVENT_CONNECTED) {
		if (bufferevent_enable(connection, EV_READ))
			finish(exchange, -ENOMEM);
	} else if (events & BEV_EVENT_EOF) {
		finish(exchange, 0);
	} else if (!try_second(exchange, code)) {
		finish(exchange, code ? code : -EIO);
	}
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	finish(context, -ETIMEDOUT);
}

int exchange_start(struct event_base *base, const struct exchange_settings *settings,
		   struct exchange **result)
{
	const struct timeval timeout = {.tv_sec = settings->timeout_ms / 1000,
					.tv_usec = (suseconds_t)(settings->timeout_ms % 1000) *
						   1000};
	struct exchange *exchange = calloc(1, sizeof(*exchange) + settings->request_size);
	int code;

	if (!exchange)
		return -ENOMEM;
	exchange->base = base;
	exchange->settings = *settings;
	memcpy(exchange->request, settings->request, settings->request_size);
	exchange->deadline = evtimer_new(base, on_deadline, exchange);
	code = exchange->deadline && !evtimer_add(exchange->deadline, &timeout) ? ask(exchange)
										: -ENOMEM;
	if (code && !try_second(exchange, code)) {
		exchange_end(exchange);
		return code;
	}
	*result = exchange;
	return 0;
}

void exchange_end(struct exchange *exchange)
{
	if (!exchange)
		return;
	if (exchange->connection)
		bufferevent_free(exchange->connection);
	if (exchange->deadline)
		event_free(exchange->deadline);
	free(exchange);
}
