// SPDX-License-Identifier: BSD-2-Clause
#include "net/orders.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "net/call.h"

struct orders {
	struct event_base *base;
	struct orders_settings settings;
	struct bufferevent *connection; /* NULL: the next try is due */
	struct event *retry;
	unsigned delay_ms;   /* before the next try when this connection ends soon */
	uint64_t replied_ms; /* when it began to be one */
	bool replied;	     /* to "serve": orders follow */
	bool told;	     /* that the agent is not there */
};

static void try_later(struct orders *orders, unsigned delay_ms)
{
	const struct timeval delay = {.tv_sec = delay_ms / 1000,
				      .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	if (event_add(orders->retry, &delay))
		event_base_loopbreak(orders->base); /* out of memory: to begin anew is best */
}

static unsigned next_delay_ms(struct orders *orders)
{
	const unsigned delay_ms = orders->delay_ms;

	if (!orders->replied) /* nobody is there, or is not ready yet */
		return ORDERS_RETRY_MS;
	if (monotonic_ms() - orders->replied_ms >= ORDERS_STEADY_MS) {
		orders->delay_ms = ORDERS_RETRY_MS;
		return ORDERS_RETRY_MS;
	}
	if (delay_ms < ORDERS_RETRY_MAX_MS)
		orders->delay_ms = 2 * delay_ms;
	return delay_ms;
}

static void lose(struct orders *orders, int code, const char *text)
{
	struct error error;

	if (orders->connection)
		bufferevent_free(orders->connection);
	orders->connection = NULL;
	try_later(orders, next_delay_ms(orders));
	orders->replied = false;
	if (orders->told)
		return;
	orders->told = true;
	error_set(&error, code, "%s", text);
	orders->settings.agent(orders->settings.context, &error);
}

static bool obey_probe(struct orders *orders, uint64_t id, const json_t *probe)
{
	const char *address = json_string_value(json_object_get(probe, "address"));
	const json_int_t port = json_integer_value(json_object_get(probe, "port"));
	const json_int_t timeout_ms = json_integer_value(json_object_get(probe, "timeout_ms"));
	struct prefix place;

	if (!address || address_parse(address, &place, NULL) || port < 1 || port > UINT16_MAX ||
	    timeout_ms < 1 || timeout_ms > ORDER_TIMEOUT_MAX_MS)
		return false;
	orders->settings.probe(orders->settings.context, id, place.address, (uint16_t)port,
			       (unsigned)timeout_ms);
	return true;
}

/* Carries out one order. False: it makes no sense. */
static bool obey(struct orders *orders, const json_t *order)
{
	const struct orders_settings *settings = &orders->settings;
	const json_int_t id = json_integer_value(json_object_get(order, "id"));
	const json_t *place = json_object_get(order, "listen");
	const json_t *asked = json_object_get(order, "ask");
	const json_t *probe = json_object_get(order, "probe");
	const char *host = json_string_value(json_object_get(place, "host"));
	const json_int_t port = json_integer_value(asked ? asked : json_object_get(place, "port"));

	if (id <= 0 || port < 0 || port > UINT16_MAX)
		return false;
	if (probe)
		return obey_probe(orders, (uint64_t)id, probe);
	if (asked && port)
		settings->ask(settings->context, (uint64_t)id, (uint16_t)port);
	else if (json_is_null(place) || host)
		settings->listen(settings->context, (uint64_t)id, host, (uint16_t)port);
	else
		return false;
	return true;
}

/* The reply to "serve" comes first. False: this is no agent that gives orders. */
static bool take_reply(struct orders *orders, const json_t *reply, struct error *error)
{
	const char *text = json_string_value(json_object_get(reply, "error"));

	if (!json_is_true(json_object_get(reply, "ok"))) {
		error_set(error, 0, "%s", text ? text : "the agent's reply makes no sense");
		return false;
	}
	orders->replied = true;
	orders->replied_ms = monotonic_ms();
	orders->told = false;
	orders->settings.agent(orders->settings.context, NULL);
	return true;
}

static void on_read(struct bufferevent *connection, void *context)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	struct orders *orders = context;
	struct error error = {"an order of the agent's makes no sense"};
	bool good = true;
	char *line;

	while (good && (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF))) {
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		good = orders->replied ? obey(orders, object) : take_reply(orders, object, &error);
		json_decref(object);
		free(line);
	}
	if (!good || evbuffer_get_length(input) > ORDER_LINE_MAX)
		lose(orders, -EPROTO, error.text);
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	(void)connection, (void)events;
	lose(context, -ECONNRESET, "the agent has ended the connection");
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	struct orders *orders = context;
	size_t length = 0;
	_cleanup_free_ char *line = call_line("serve", NULL, &length);
	const int connected = line ? call_connect(orders->settings.path) : -ENOMEM;

	(void)fd, (void)events;
	if (connected < 0) {
		lose(orders, connected, strerror(-connected));
		return;
	}
	orders->connection = bufferevent_socket_new(orders->base, connected, BEV_OPT_CLOSE_ON_FREE);
	if (!orders->connection) {
		close(connected);
		lose(orders, -ENOMEM, "out of memory");
		return;
	}
	bufferevent_setcb(orders->connection, on_read, NULL, on_event, orders);
	if (bufferevent_write(orders->connection, line, length) ||
	    bufferevent_enable(orders->connection, EV_READ))
		lose(orders, -ENOMEM, "out of memory");
}

int orders_open(struct event_base *base, const struct orders_settings *settings,
		struct orders **result)
{
	struct orders *orders = calloc(1, sizeof(*orders));

	if (!orders)
		return -ENOMEM;
	orders->base = base;
	orders->settings = *settings;
	orders->delay_ms = ORDERS_RETRY_MS;
	orders->retry = evtimer_new(base, on_retry, orders);
	if (!orders->retry) {
		free(orders);
		return -ENOMEM;
	}
	try_later(orders, 0);
	*result = orders;
	return 0;
}

void orders_close(struct orders *orders)
{
	if (!orders)
		return;
	if (orders->connection)
		bufferevent_free(orders->connection);
	event_free(orders->retry);
	free(orders);
}
