// SPDX-License-Identifier: BSD-2-Clause
/* One connection: its lines in, its replies out, and the time it has for both. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/control_internal.h"
#include "core/cleanup.h"
#include "core/protocol.h"

struct timeval control_interval(unsigned ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
}

size_t client_pending(const struct client *client)
{
	return evbuffer_get_length(bufferevent_get_output(client->stream));
}

static void client_unlink(struct client *client)
{
	struct client **link = &client->control->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
}

/* The list is in order of the last request, latest first. */
static void client_put_first(struct client *client)
{
	client->next = client->control->clients;
	client->control->clients = client;
}

void client_free(struct client *client)
{
	client_unlink(client);
	client->control->client_count--;
	control_stream_free(client->lines);
	event_free(client->timer);
	bufferevent_free(client->stream);
	free(client);
}

void client_end(struct client *client)
{
	struct control *control = client->control;

	client_free(client);
	control_update_accepting(control);
}

static bool may_be_long(const struct client *client, const char *command)
{
	const char *const *names = client->control->settings.long_commands;

	while (names && *names && strcmp(*names, command) != 0)
		names++;
	return names && *names;
}

/* 0, or a negative errno with what is wrong with @request. */
static int request_fault(const struct client *client, const json_t *request, struct error *error)
{
	const json_t *version = json_object_get(request, "version");
	const json_t *arguments = json_object_get(request, "arguments");
	const char *command = json_string_value(json_object_get(request, "command"));

	if (!json_is_object(request))
		return error_set(error, -EINVAL, "a request is a JSON object");
	if (!json_is_integer(version))
		return error_set(error, -EINVAL, "the request has no version");
	if (json_integer_value(version) != PROTOCOL_VERSION)
		return error_set(error, -EPROTONOSUPPORT,
				 "this agent speaks version %d of the control protocol",
				 PROTOCOL_VERSION);
	if (!command)
		return error_set(error, -EINVAL, "the request names no command");
	if (arguments && !json_is_object(arguments))
		return error_set(error, -EINVAL, "the arguments of a request are a JSON object");
	if (client->long_line && !may_be_long(client, command))
		return error_set(error, -EMSGSIZE, "the request is too long");
	return 0;
}

static void handle_request(struct client *client, json_t *request)
{
	const struct control_settings *settings = &client->control->settings;
	json_t *arguments, *result = NULL;
	struct error error = {""};
	const char *command;
	int code = request_fault(client, request, &error);

	if (code) {
		client_error(client, code, error.text);
		return;
	}
	command = json_string_value(json_object_get(request, "command"));
	arguments = json_object_get(request, "arguments");
	arguments = arguments ? json_incref(arguments) : json_object();
	code = settings->handler(settings->context, &client->peer, command, arguments, &result,
				 &error);
	json_decref(arguments);
	client->waiting = code == CONTROL_LATER;
	if (!client->waiting)
		client_outcome(client, code, result, &error);
}

/* At least as many as the values in a line of JSON: each follows one of these, or is the first. */
static size_t count_values(const char *line, size_t length)
{
	bool in_string = false;
	size_t count = 1;

	for (size_t i = 0; i < length; i++) {
		const char c = line[i];

		if (c == '"')
			in_string = !in_string;
		else if (c == '\\' && in_string)
			i++;
		else if (!in_string && (c == ',' || c == '[' || c == '{'))
			count++;
	}
	return count;
}

static void handle_line(struct client *client, const char *line, size_t length)
{
	json_t *request;

	if (count_values(line, length) > PROTOCOL_VALUES_MAX) {
		client_error(client, -E2BIG, "the request has too many values");
		client->last_reply = true;
		return;
	}
	request = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	if (request) {
		handle_request(client, request);
	} else {
		client_error(client, -EINVAL, "the request is not valid JSON");
		client->last_reply = true;
	}
	json_decref(request);
}

static size_t line_max(const struct control *control)
{
	return control->settings.long_commands ? PROTOCOL_LONG_LINE_MAX : PROTOCOL_LINE_MAX;
}

/* Takes the next whole line out of the input. Returns false when there is none. */
static bool take_line(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	_cleanup_free_ char *long_line = NULL;
	char line[PROTOCOL_LINE_MAX];
	struct evbuffer_ptr start, end;
	size_t length;

	evbuffer_ptr_set(input, &start, client->searched, EVBUFFER_PTR_SET);
	end = evbuffer_search_eol(input, &start, NULL, EVBUFFER_EOL_LF);
	client->searched = end.pos < 0 ? evbuffer_get_length(input) : 0;
	if (end.pos < 0 || (size_t)end.pos >= line_max(client->control))
		return false;
	length = (size_t)end.pos;
	client->long_line = length >= sizeof(line);
	if (client->long_line)
		long_line = malloc(length + 1);
	if (client->long_line && !long_line)
		return false;
	evbuffer_remove(input, long_line ? long_line : line, length + 1);
	client_unlink(client);
	client_put_first(client);
	handle_line(client, long_line ? long_line : line, length);
	client->long_line = false;
	return true;
}

/* Whether another client is sending a long line: there is memory for one of them. */
static bool long_line_taken(const struct client *client)
{
	for (const struct client *other = client->control->clients; other; other = other->next)
		if (other != client && other->long_line)
			return true;
	return false;
}

/* Looks at the part of a line that has no end yet, and ends those that grow too long. */
static void check_length(struct client *client)
{
	const size_t length = evbuffer_get_length(bufferevent_get_input(client->stream));

	if (length < PROTOCOL_LINE_MAX)
		return;
	client->last_reply = length >= line_max(client->control) || long_line_taken(client);
	if (length >= line_max(client->control))
		client_error(client, -EMSGSIZE, "the request is too long");
	else if (client->last_reply)
		client_error(client, -EBUSY,
			     "another long request is being sent: try again in a moment");
	client->long_line = !client->last_reply;
}

/* Waits for what the client does next, with the time that it has for that. -1: it cannot. */
static int client_wait(struct client *client, bool progress)
{
	const struct control_settings *settings = &client->control->settings;
	bool half_line = evbuffer_get_length(bufferevent_get_input(client->stream)) > 0;
	struct timeval patience;

	if (client->half_line && half_line && !progress)
		return 0; /* the time for a line runs from its first byte */
	patience = control_interval(half_line ? settings->half_line_ms : settings->idle_ms);
	client->half_line = half_line;
	return event_add(client->timer, &patience);
}

static bool owes_line(const struct client *client)
{
	return !client->last_reply && !client->waiting && !client_pending(client);
}

void client_advance(struct client *client)
{
	bool progress = false;

	while (!client->lines && owes_line(client) && take_line(client))
		progress = true;
	if (client->lines) {
		control_stream_advance(client->lines);
		return;
	}
	if (owes_line(client))
		check_length(client);
	control_update_accepting(client->control);
	if (client_pending(client) || client->waiting) {
		/* Now the stream's own time limit for writing runs. */
		event_del(client->timer);
		client->half_line = false;
		bufferevent_disable(client->stream, EV_READ);
		/* libevent has done so, and does not tell where it could not. */
		if (client_pending(client) && bufferevent_enable(client->stream, EV_WRITE))
			client_end(client);
	} else if (client->last_reply || client->input_ended ||
		   bufferevent_enable(client->stream, EV_READ) || client_wait(client, progress)) {
		client_end(client);
	}
}

void client_reply(struct client *client, int code, json_t *result, const struct error *error)
{
	client->waiting = false;
	client_outcome(client, code, result, error);
	client_advance(client);
}

static void on_read(struct bufferevent *stream, void *context)
{
	(void)stream;
	client_advance(context);
}

/* The output is gone. */
static void on_written(struct bufferevent *stream, void *context)
{
	(void)stream;
	client_advance(context);
}

static void on_event(struct bufferevent *stream, short events, void *context)
{
	struct client *client = context;

	(void)stream;
	if (events & BEV_EVENT_EOF) {
		client->input_ended = true;
		client_advance(client);
	} else {
		client_end(client); /* an error, or it did not read for too long */
	}
}

static void on_timer(evutil_socket_t fd, short events, void *context)
{
	struct client *client = context;

	(void)fd;
	(void)events;
	if (client->half_line) {
		client_error(client, -EINVAL, "the request did not end in time");
		client->last_reply = true;
		client_advance(client);
	} else {
		client_end(client);
	}
}

struct client *client_new(struct control *control, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	struct ucred credentials;
	socklen_t length = sizeof(credentials);
	struct timeval stall = control_interval(control->settings.stall_ms);

	if (!client)
		return NULL;
	client->control = control;
	client->timer = evtimer_new(control->base, on_timer, client);
	client->stream = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!client->timer || !client->stream ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length)) {
		if (client->timer)
			event_free(client->timer);
		if (client->stream) {
			bufferevent_setfd(client->stream, -1); /* the caller closes it */
			bufferevent_free(client->stream);
		}
		free(client);
		return NULL;
	}
	client->peer = (struct control_peer){
		.uid = credentials.uid,
		.pid = credentials.pid,
		.read_only = control->settings.read_only,
		.client = ++control->last_client,
		.connection = client,
	};
	bufferevent_setcb(client->stream, on_read, on_written, on_event, client);
	/* No watermark bounds the input, which libevent 2.1 needs memory for and does not check:
	 * each read brings 16 KiB at most, and then check_length() looks. */
	bufferevent_set_timeouts(client->stream, NULL, &stall);
	client_put_first(client);
	control->client_count++;
	return client;
}

/* What the socket takes without waiting. */
void client_flush(struct client *client)
{
	struct evbuffer *output = bufferevent_get_output(client->stream);

	/* A stream keeps the front of its output frozen, against writes past its back. */
	evbuffer_unfreeze(output, 1);
	while (evbuffer_get_length(output) > 0 &&
	       evbuffer_write(output, bufferevent_getfd(client->stream)) > 0)
		;
	evbuffer_freeze(output, 1);
}
