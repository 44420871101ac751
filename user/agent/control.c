// SPDX-License-Identifier: BSD-2-Clause
#include "agent/control.h"

#include <errno.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/control_internal.h"

/* The client that has gone longest without a request, of those that owe the next step. */
static struct client *longest_silent(const struct control *control)
{
	struct client *silent = NULL;

	for (struct client *client = control->clients; client; client = client->next)
		if (!client_pending(client) && !client->waiting && !client->lines)
			silent = client;
	return silent;
}

/* When full, a newcomer takes the place of a silent client, and waits while there is none. */
void control_update_accepting(struct control *control)
{
	if ((control->client_count < CONTROL_CLIENTS_MAX || longest_silent(control)) &&
	    !event_pending(control->retry, EV_TIMEOUT, NULL))
		evconnlistener_enable(control->listener);
	else
		evconnlistener_disable(control->listener);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	struct control *control = context;
	struct client *silent = longest_silent(control);
	struct client *client = client_new(control, fd);

	(void)listener;
	(void)address;
	(void)length;
	if (!client) {
		close(fd);
		return;
	}
	if (control->client_count > CONTROL_CLIENTS_MAX && silent)
		client_free(silent);
	control_update_accepting(control);
	client_advance(client);
}

/* As with EMFILE: the listener stays readable, so asking again at once spins. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	struct timeval pause = control_interval(CONTROL_ACCEPT_RETRY_MS);
	struct control *control = context;

	(void)listener;
	event_add(control->retry, &pause);
	control_update_accepting(control);
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	(void)fd;
	(void)events;
	control_update_accepting(context);
}

static void apply_defaults(struct control_settings *settings)
{
	if (!settings->idle_ms)
		settings->idle_ms = CONTROL_IDLE_MS;
	if (!settings->half_line_ms)
		settings->half_line_ms = CONTROL_HALF_LINE_MS;
	if (!settings->stall_ms)
		settings->stall_ms = CONTROL_STALL_MS;
	settings->path = NULL; /* the socket has its copy */
}

int control_open(struct event_base *base, const struct control_settings *settings,
		 struct control **result, struct error *error)
{
	struct control *control = calloc(1, sizeof(*control));
	int code;

	if (!control)
		return error_set(error, -ENOMEM, "cannot serve the control socket: out of memory");
	control->base = base;
	control->settings = *settings;
	apply_defaults(&control->settings);
	code = unix_socket_open(&control->socket, settings->path, settings->group, error);
	if (code) {
		free(control);
		return code;
	}
	control->retry = evtimer_new(base, on_retry, control);
	control->listener = evconnlistener_new(base, on_accept, control, LEV_OPT_CLOSE_ON_EXEC, 0,
					       control->socket.fd);
	if (!control->retry || !control->listener) {
		control_close(control);
		return error_set(error, -ENOMEM, "cannot serve the control socket: out of memory");
	}
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	*result = control;
	return 0;
}

void control_reply(struct control *control, uint64_t number, int code, json_t *result,
		   const struct error *error)
{
	struct client *client = control->clients;

	while (client && client->peer.client != number)
		client = client->next;
	if (client && client->waiting)
		client_reply(client, code, result, error);
	else
		json_decref(result);
}

void control_close(struct control *control)
{
	if (!control)
		return;
	for (struct client *client = control->clients, *next; client; client = next) {
		next = client->next;
		client_flush(client);
		client_free(client);
	}
	if (control->listener)
		evconnlistener_free(control->listener);
	if (control->retry)
		event_free(control->retry);
	unix_socket_close(&control->socket);
	free(control);
}
