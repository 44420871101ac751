// SPDX-License-Identifier: BSD-2-Clause
#include "cli/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/json_text.h"
#include "core/protocol.h"

#define RECEIVE_MIN	65536
#define STREAM_LINE_MAX (1u << 20)

struct text {
	char *bytes;
	size_t length;
	size_t size;
};

struct client_stream {
	int fd;
	struct text input;
	size_t taken; /* bytes of the input that were taken out of it already */
	char *path;
	unsigned timeout_ms;
};

static void cleanup_text(struct text *text)
{
	free(text->bytes);
}

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}

/* Says what @code, from the socket, means for the one who typed the command; returns it. */
static int explain(int code, const char *path, unsigned timeout_ms, struct error *error)
{
	switch (code) {
	case -ENOENT:
	case -ECONNREFUSED:
		return error_set(error, code,
				 "no agent answers on %s: is beamfenced running? "
				 "(systemctl status beamfenced)",
				 path);
	case -EACCES:
	case -EPERM:
		return error_set(error, -EACCES,
				 "permission denied on %s: be root or in the group of that socket",
				 path);
	case -ETIMEDOUT:
		return error_set(error, code,
				 "the agent on %s did not answer within %u s: see its log "
				 "(journalctl -u beamfenced)",
				 path, timeout_ms / 1000);
	case -ECONNRESET:
		return error_set(error, code,
				 "the agent on %s closed the connection without an answer: see its "
				 "log (journalctl -u beamfenced)",
				 path);
	default:
		return error_set(error, code, "cannot talk to the agent on %s: %s", path,
				 strerror(-code));
	}
}

/* A time-out shows as EAGAIN on a socket that waits. */
static int socket_error(void)
{
	return errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
}

/* Returns a connected socket or a negative errno. */
static int connect_to(const char *path, unsigned timeout_ms)
{
	const struct timeval patience = {.tv_sec = timeout_ms / 1000,
					 .tv_usec = (suseconds_t)(timeout_ms % 1000) * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return socket_error();
	return TAKE_FD(fd);
}

static int send_all(int fd, const char *bytes, size_t length)
{
	while (length) {
		ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EPIPE)
			return 0; /* it may have said why before it hung up */
		if (sent < 0)
			return socket_error();
		bytes += sent;
		length -= (size_t)sent;
	}
	return 0;
}

static int make_room(struct text *text)
{
	size_t size = text->size * 2 + RECEIVE_MIN;
	char *bytes;

	if (text->size - text->length >= RECEIVE_MIN)
		return 0;
	bytes = realloc(text->bytes, size);
	if (!bytes)
		return -ENOMEM;
	text->bytes = bytes;
	text->size = size;
	return 0;
}

/* Receives up to a newline, which is left out; what came behind it stays, past the length. */
static int receive_line(int fd, struct text *line, size_t *behind)
{
	for (;;) {
		const char *end;
		ssize_t got;

		if (make_room(line))
			return -ENOMEM;
		got = recv(fd, line->bytes + line->length, line->size - line->length, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? socket_error() : -ECONNRESET;
		end = memchr(line->bytes + line->length, '\n', (size_t)got);
		if (end) {
			*behind = line->length + (size_t)got - (size_t)(end - line->bytes) - 1;
			line->length = (size_t)(end - line->bytes);
			return 0;
		}
		line->length += (size_t)got;
	}
}

static size_t line_max(const char *command)
{
	return strcmp(command, "try") && strcmp(command, "check") ? PROTOCOL_LINE_MAX
								  : PROTOCOL_LONG_LINE_MAX;
}

/* Makes the line of a request in *@line, which the caller frees. */
static int make_request(const char *command, json_t *arguments, char **line, struct error *error)
{
	_cleanup_(cleanup_json) json_t *request = json_pack("{s:i, s:s, s:o*}", "version",
							    PROTOCOL_VERSION, "command", command,
							    "arguments", json_incref(arguments));
	size_t length;

	*line = request ? json_text(request, JSON_COMPACT) : NULL;
	if (!*line)
		return error_set(error, -EINVAL, "cannot make a request of these arguments");
	length = strlen(*line);
	if (length + 1 > line_max(command)) {
		free(TAKE_POINTER(*line));
		return error_set(error, -E2BIG,
				 "the arguments are too long: %zu bytes as a request", length + 1);
	}
	(*line)[length] = '\n'; /* in place of the terminating NUL */
	return (int)length + 1;
}

static int read_reply(const struct text *line, const char *path, json_t **result,
		      struct error *error)
{
	_cleanup_(cleanup_json) json_t *reply = json_loadb(line->bytes, line->length, 0, NULL);
	const char *refusal = json_string_value(json_object_get(reply, "error"));
	const json_t *ok = json_object_get(reply, "ok");
	json_t *content = json_object_get(reply, "result");

	if (json_integer_value(json_object_get(reply, "version")) == PROTOCOL_VERSION) {
		if (json_is_false(ok) && refusal) {
			*result = json_incref(content);
			return error_set(error, -EREMOTEIO, "%s", refusal);
		}
		if (json_is_true(ok) && content) {
			*result = json_incref(content);
			return 0;
		}
	}
	return error_set(error, -EPROTO,
			 "the agent on %s sent a reply that makes no sense: are beamfence and "
			 "beamfenced of the same version?",
			 path);
}

/* Sends the request and reads its reply. Returns the connection, or a negative errno. */
static int ask(const char *socket_path, unsigned timeout_ms, const char *command, json_t *arguments,
	       struct text *reply, size_t *behind, json_t **result, struct error *error)
{
	_cleanup_free_ char *request = NULL;
	_cleanup_close_ int fd = -1;
	int length, code;

	length = make_request(command, arguments, &request, error);
	if (length < 0)
		return length;
	fd = connect_to(socket_path, timeout_ms);
	code = fd < 0 ? fd : send_all(fd, request, (size_t)length);
	if (!code)
		code = receive_line(fd, reply, behind);
	if (code)
		return explain(code, socket_path, timeout_ms, error);
	code = read_reply(reply, socket_path, result, error);
	return code ? code : TAKE_FD(fd);
}

int client_request(const char *socket_path, unsigned timeout_ms, const char *command,
		   json_t *arguments, json_t **result, struct error *error)
{
	_cleanup_(cleanup_text) struct text reply = {.bytes = NULL};
	size_t behind;
	const int fd = ask(socket_path, timeout_ms, command, arguments, &reply, &behind, result,
			   error);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

int client_stream_open(const char *socket_path, unsigned timeout_ms, const char *command,
		       json_t *arguments, struct client_stream **result_stream, json_t **result,
		       struct error *error)
{
	struct client_stream *stream = calloc(1, sizeof(*stream));
	size_t behind = 0;

	if (!stream)
		return error_set(error, -ENOMEM, "out of memory");
	stream->path = strdup(socket_path);
	stream->timeout_ms = timeout_ms;
	stream->fd = ask(socket_path, timeout_ms, command, arguments, &stream->input, &behind,
			 result, error);
	if (stream->fd < 0 || !stream->path) {
		const int code = stream->fd < 0 ? stream->fd : -ENOMEM;

		client_stream_close(stream);
		return code;
	}
	stream->taken = stream->input.length + 1;
	stream->input.length += 1 + behind;
	*result_stream = stream;
	return 0;
}

int client_stream_fd(const struct client_stream *stream)
{
	return stream->fd;
}

/* What the socket has, behind what is there. */
static int receive_more(struct client_stream *stream)
{
	struct text *input = &stream->input;
	ssize_t got;

	if (stream->taken) {
		input->length -= stream->taken;
		memmove(input->bytes, input->bytes + stream->taken, input->length);
		stream->taken = 0;
	}
	if (input->length > STREAM_LINE_MAX)
		return -EPROTO;
	if (make_room(input))
		return -ENOMEM;
	got = recv(stream->fd, input->bytes + input->length, input->size - input->length,
		   MSG_DONTWAIT);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	input->length += (size_t)got;
	return got ? 1 : -ECONNRESET;
}

int client_stream_next(struct client_stream *stream, json_t **line, struct error *error)
{
	for (;;) {
		const struct text *input = &stream->input;
		const char *start = input->bytes + stream->taken;
		const char *end = memchr(start, '\n', input->length - stream->taken);
		int code;

		if (end) {
			*line = json_loadb(start, (size_t)(end - start), 0, NULL);
			stream->taken += (size_t)(end - start) + 1;
			return *line ? 1
				     : error_set(error, -EPROTO,
						 "the agent on %s sent a line that is no JSON",
						 stream->path);
		}
		code = receive_more(stream);
		if (code == -ECONNRESET)
			return error_set(error, code, "the agent on %s has ended the connection",
					 stream->path);
		if (code < 0)
			return explain(code, stream->path, stream->timeout_ms, error);
		if (!code)
			return 0;
	}
}

void client_stream_finish(struct client_stream *stream)
{
	shutdown(stream->fd, SHUT_WR);
}

void client_stream_close(struct client_stream *stream)
{
	if (!stream)
		return;
	if (stream->fd >= 0)
		close(stream->fd);
	free(stream->input.bytes);
	free(stream->path);
	free(stream);
}
