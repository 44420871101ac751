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
	event_free(client->timer);
	bufferevent_free(client->stream);
	free(client);
}

/* Ends one connection while the server goes on. */
static void client_end(struct client *client)
{
	struct control *control = client->control;

	client_free(client);
	control_update_accepting(control);
}

/* Queues @reply as a line. Returns 0, or a negative errno with nothing queued. */
static int queue_reply(struct client *client, json_t *reply)
{
	struct control *control = client->control;
	_cleanup_free_ char *line = json_dumps(reply, JSON_COMPACT);
	size_t pending = 0, length;

	if (!line)
		return -ENOMEM;
	length = strlen(line);
	for (const struct client *other = control->clients; other; other = other->next)
		pending += client_pending(other);
	if (length > CONTROL_REPLY_SMALL && pending + length > CONTROL_PENDING_MAX)
		return -E2BIG;
	line[length] = '\n'; /* in place of the terminating NUL */
	return bufferevent_write(client->stream, line, length + 1) ? -ENOMEM : 0;
}

/* Text as JSON, even when it is not UTF-8, as the rest of a line that was cut may be. */
static json_t *text_to_json(const char *text)
{
	json_t *string = json_string(text);
	char ascii[sizeof(((struct error *)NULL)->text)];
	size_t i;

	if (string)
		return string;
	for (i = 0; text[i] && i < sizeof(ascii) - 1; i++)
		ascii[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	ascii[i] = '\0';
	return json_string(ascii);
}

static void reply_error(struct client *client, const char *text)
{
	json_t *reply = json_pack("{s:i, s:b, s:o}", "version", PROTOCOL_VERSION, "ok", 0, "error",
				  text_to_json(text));

	if (!reply || queue_reply(client, reply))
		client->last_reply = true;
	json_decref(reply);
}

/* Sends @result, and takes it over. */
static void reply_result(struct client *client, json_t *result)
{
	json_t *reply = json_pack("{s:i, s:b, s:o}", "version", PROTOCOL_VERSION, "ok", 1, "result",
				  result ? result : json_null());
	int code = reply ? queue_reply(client, reply) : -ENOMEM;

	json_decref(reply);
	if (code == -E2BIG)
		reply_error(client, "the reply is too large while others wait: try again later");
	else if (code)
		reply_error(client, "the agent is out of memory");
}

/* Says what is wrong with @request, or NULL. */
static const char *request_fault(const json_t *request)
{
	const json_t *version = json_object_get(request, "version");
	const json_t *arguments = json_object_get(request, "arguments");

	if (!json_is_object(request))
		return "a request is a JSON object";
	if (!json_is_integer(version))
		return "the request has no version";
	if (json_integer_value(version) != PROTOCOL_VERSION)
		return "this agent speaks another version of the control protocol";
	if (!json_is_string(json_object_get(request, "command")))
		return "the request names no command";
	if (arguments && !json_is_object(arguments))
		return "the arguments of a request are a JSON object";
	return NULL;
}

static void handle_request(struct client *client, json_t *request)
{
	const struct control_settings *settings = &client->control->settings;
	json_t *arguments, *result = NULL;
	struct error error = {""};
	const char *fault = request_fault(request);
	int code;

	if (fault) {
		reply_error(client, fault);
		return;
	}
	arguments = json_object_get(request, "arguments");
	arguments = arguments ? json_incref(arguments) : json_object();
	code = settings->handler(settings->context, &client->peer,
				 json_string_value(json_object_get(request, "command")), arguments,
				 &result, &error);
	json_decref(arguments);
	if (!code) {
		reply_result(client, result);
		return;
	}
	json_decref(result);
	reply_error(client, error.text[0] ? error.text : strerror(-code));
}

static void handle_line(struct client *client, const char *line, size_t length)
{
	json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);

	if (request) {
		handle_request(client, request);
	} else {
		reply_error(client, "the request is not valid JSON");
		client->last_reply = true;
	}
	json_decref(request);
}

/* Takes the next whole line out of the input. Returns false when there is none. */
static bool take_line(struct client *client)
{
	struct evbuffer *input = bufferevent_get_input(client->stream);
	char line[PROTOCOL_LINE_MAX];
	struct evbuffer_ptr end;

	end = evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_LF);
	if (end.pos < 0 || end.pos >= PROTOCOL_LINE_MAX)
		return false;
	evbuffer_remove(input, line, (size_t)end.pos + 1);
	client_unlink(client);
	client_put_first(client);
	handle_line(client, line, (size_t)end.pos);
	return true;
}

/* Waits for what the client does next, with the time that it has for that. */
static void client_wait(struct client *client, bool progress)
{
	const struct control_settings *settings = &client->control->settings;
	bool half_line = evbuffer_get_length(bufferevent_get_input(client->stream)) > 0;
	struct timeval patience;

	if (client->half_line && half_line && !progress)
		return; /* the time for a line runs from its first byte */
	patience = control_interval(half_line ? settings->half_line_ms : settings->idle_ms);
	client->half_line = half_line;
	event_add(client->timer, &patience);
}

/* Looks at the input as far as it goes, one reply at a time. May free the client. */
void client_advance(struct client *client)
{
	bool progress = false;

	while (!client->last_reply && !client_pending(client) && take_line(client))
		progress = true;
	if (!client->last_reply && !client_pending(client) &&
	    evbuffer_get_length(bufferevent_get_input(client->stream)) >= PROTOCOL_LINE_MAX) {
		reply_error(client, "the request is too long");
		client->last_reply = true;
	}
	control_update_accepting(client->control);
	if (client_pending(client)) {
		/* Now the stream's own time limit for writing runs. */
		event_del(client->timer);
		client->half_line = false;
		bufferevent_disable(client->stream, EV_READ);
	} else if (client->last_reply || client->input_ended) {
		client_end(client);
	} else {
		bufferevent_enable(client->stream, EV_READ);
		client_wait(client, progress);
	}
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
		reply_error(client, "the request did not end in time");
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
	client->peer = (struct control_peer){.uid = credentials.uid, .pid = credentials.pid};
	bufferevent_setcb(client->stream, on_read, on_written, on_event, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, PROTOCOL_LINE_MAX);
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
