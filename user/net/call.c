// SPDX-License-Identifier: BSD-2-Clause
#include "net/call.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/json_text.h"
#include "core/protocol.h"

struct call {
	struct bufferevent *connection;
	struct event *deadline;
	struct call **owner; /* the pointer to this */
	call_done done;
	void *context;
	size_t searched; /* bytes of the reply in which there is no end of a line */
};

static void free_call(struct call *call)
{
	if (call->connection)
		bufferevent_free(call->connection);
	if (call->deadline)
		event_free(call->deadline);
	free(call);
}

static void finish(struct call *call, int code, const json_t *result, const struct error *error)
{
	const struct call ended = *call;

	*call->owner = NULL;
	free_call(call);
	if (ended.done)
		ended.done(ended.context, code, result, error);
}

static void fail(struct call *call, int code, const char *text)
{
	struct error error;

	error_set(&error, code, "%s", text);
	finish(call, code, NULL, &error);
}

static void on_line(struct call *call, const char *line, size_t length)
{
	json_t *reply = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(reply, "error"));
	const json_t *ok = json_object_get(reply, "ok");

	if (json_is_true(ok))
		finish(call, 0, json_object_get(reply, "result"), NULL);
	else if (json_is_false(ok) && text)
		fail(call, -EREMOTEIO, text);
	else
		fail(call, -EPROTO, "the agent's reply makes no sense");
	json_decref(reply);
}

static void on_read(struct bufferevent *connection, void *context)
{
	struct evbuffer *input = bufferevent_get_input(connection);
	const size_t length = evbuffer_get_length(input);
	struct call *call = context;
	struct evbuffer_ptr start, end;
	const char *line;

	evbuffer_ptr_set(input, &start, call->searched, EVBUFFER_PTR_SET);
	end = evbuffer_search_eol(input, &start, NULL, EVBUFFER_EOL_LF);
	call->searched = length;
	if (end.pos < 0) {
		if (length > CALL_REPLY_MAX)
			fail(call, -EMSGSIZE, "the agent's reply is too long");
		return;
	}
	line = (const char *)evbuffer_pullup(input, end.pos);
	if (line || !end.pos)
		on_line(call, line, (size_t)end.pos);
	else
		fail(call, -ENOMEM, "out of memory");
}

static void on_event(struct bufferevent *connection, short events, void *context)
{
	(void)connection, (void)events;
	fail(context, -ECONNRESET, "the agent has ended the connection");
}

static void on_deadline(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	fail(context, -ETIMEDOUT, "the agent does not answer");
}

int call_connect(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return TAKE_FD(fd);
}

char *call_line(const char *command, json_t *arguments, size_t *length)
{
	json_t *request = json_pack("{s:i, s:s, s:o}", "version", PROTOCOL_VERSION, "command",
				    command, "arguments", arguments ? arguments : json_object());
	char *line = request ? json_text(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!line)
		return NULL;
	*length = strlen(line) + 1;
	line[*length - 1] = '\n'; /* in place of the terminating NUL */
	return line;
}

/* Connects, and queues the request. */
static int send_line(struct call *call, struct event_base *base, const char *path, const char *line,
		     size_t length)
{
	_cleanup_close_ int fd = call_connect(path);

	if (fd < 0)
		return fd;
	call->connection = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!call->connection)
		return -ENOMEM;
	TAKE_FD(fd);
	bufferevent_setcb(call->connection, on_read, NULL, on_event, call);
	return bufferevent_write(call->connection, line, length) ||
			       bufferevent_enable(call->connection, EV_READ)
		       ? -ENOMEM
		       : 0;
}

int call_start(struct event_base *base, const char *path, const char *command, json_t *arguments,
	       unsigned timeout_ms, call_done done, void *context, struct call **result)
{
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
					.tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	size_t length = 0;
	_cleanup_free_ char *line = call_line(command, arguments, &length);
	struct call *call;
	int code;

	if (!line)
		return -ENOMEM;
	if (length > PROTOCOL_LONG_LINE_MAX)
		return -E2BIG;
	call = calloc(1, sizeof(*call));
	if (!call)
		return -ENOMEM;
	*call = (struct call){.owner = result, .done = done, .context = context};
	call->deadline = evtimer_new(base, on_deadline, call);
	code = call->deadline && !evtimer_add(call->deadline, &timeout)
		       ? send_line(call, base, path, line, length)
		       : -ENOMEM;
	if (code) {
		free_call(call);
		return code;
	}
	*result = call;
	return 0;
}

void call_cancel(struct call *call)
{
	if (!call)
		return;
	*call->owner = NULL;
	free_call(call);
}
