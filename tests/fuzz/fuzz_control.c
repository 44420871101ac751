// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bytes on the control socket: lines are taken apart and answered, each reply is one JSON object.
 * Bytes that no text has are stage directions: the next connection's bytes begin, the time that
 * this one has is over, it stops or goes on reading its replies.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/commands_internal.h"
#include "agent/control_internal.h"
#include "agent/control_stream.h"
#include "core/protocol.h"
#include "tests/fuzz/fuzz.h"

#define TURNS	     2000
#define CONNECTIONS  3
#define SEND_BUFFER  4608 /* so that replies go out in pieces */
#define STREAM_MAX   2000 /* bytes that wait for a reader of events */
#define STREAM_LINES 300

enum direction { NEXT_CONNECTION = 0xff, TIME_IS_OVER = 0xfe, READ_OR_NOT = 0xfd };

struct connection {
	const uint8_t *data, *end;
	int fd;		 /* the client's */
	uint64_t number; /* in the server */
	bool deaf;	 /* does not read */
	char *replies;
	size_t replied;
};

static struct event_base *base;
static struct control *control;
static struct control_stream *streams[CONNECTIONS];
static unsigned int lines_sent;
static char filler[86400];

static void ending(void *context, struct control_stream *stream)
{
	(void)context;
	control_stream_send_last(stream, "{\"ok\":true,\"event\":\"end\"}\n", 26);
}

static void closed(void *context)
{
	*(struct control_stream **)context = NULL;
}

static int begin_stream(const struct control_peer *peer, struct error *error)
{
	size_t i = 0;

	while (streams[i])
		DEMAND(++i < CONNECTIONS);
	return control_stream_begin(peer,
				    &(struct control_stream_settings){.pending_max = STREAM_MAX,
								      .ending = ending,
								      .closed = closed,
								      .context = &streams[i]},
				    &streams[i], error);
}

/* Stands for the commands: reads arguments as they do, and fails in every way. */
static int handle(void *context, const struct control_peer *peer, const char *command,
		  json_t *arguments, json_t **result, struct error *error)
{
	const char *cluster, *text;
	struct prefix prefix;
	json_int_t number, failure;
	int code = argument_string(arguments, "cluster", "", &cluster, error);

	(void)context;
	if (!strcmp(command, "confirm"))
		return CONTROL_LATER;
	if (!code)
		code = argument_number(arguments, "code", 0, -133, 0, &failure, error);
	if (!code && failure)
		return error_set(error, (int)failure, "%s", cluster);
	if (!code && !strcmp(command, "events"))
		code = begin_stream(peer, error);
	if (!code)
		code = argument_string(arguments, "prefix", NULL, &text, error);
	if (!code)
		code = argument_number(arguments, "ttl_s", 0, 0, sizeof(filler), &number, error);
	if (!code)
		code = prefix_parse(text, &prefix, error);
	if (code)
		return error_set(error, code, "%s: %s", cluster, error->text);
	*result = json_pack("{s:s, s:o, s:s%}", "command", command, "cluster",
			    json_null_or_string(cluster), "long", filler, (size_t)number);
	return 0;
}

static void start(void)
{
	static const char *const long_commands[] = {"try", NULL};
	char directory[] = "/tmp/beamfence-fuzz-XXXXXX", path[64];
	struct control_settings settings = {.path = path,
					    .group = (gid_t)-1,
					    .handler = handle,
					    .long_commands = long_commands};
	struct error error;

	memset(filler, 'x', sizeof(filler));
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	DEMAND(base && mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	DEMAND(control_open(base, &settings, &control, &error) == 0);
	unlink(path); /* connections are made by hand */
	rmdir(directory);
}

/* Replies that came: whole lines, each an object with "ok". */
static void check_replies(char *text, size_t size)
{
	for (char *line = text, *end; (end = memchr(line, '\n', size)); line = end + 1) {
		json_t *reply = json_loadb(line, (size_t)(end - line), 0, NULL);

		DEMAND(json_is_object(reply));
		DEMAND(json_object_get(reply, "ok") || json_object_get(reply, "event"));
		json_decref(reply);
		size -= (size_t)(end - line) + 1;
	}
	DEMAND(size == 0);
}

static void connection_open(struct connection *connection)
{
	const int room = SEND_BUFFER;
	struct client *client;
	int pair[2];

	DEMAND(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	DEMAND(!setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)));
	connection->fd = pair[1];
	client = client_new(control, pair[0]);
	DEMAND(client);
	connection->number = client->peer.client;
	client_advance(client);
}

static void time_is_over(const struct connection *connection)
{
	for (struct client *client = control->clients; client; client = client->next)
		if (client->peer.client == connection->number &&
		    event_pending(client->timer, EV_TIMEOUT, NULL))
			event_active(client->timer, EV_TIMEOUT, 0);
}

static void act(struct connection *connection)
{
	const uint8_t *stop = connection->data;
	ssize_t done = 0;

	if (stop < connection->end && *stop >= READ_OR_NOT) {
		if (*stop == TIME_IS_OVER)
			time_is_over(connection);
		else
			connection->deaf = !connection->deaf;
		connection->data++;
		return;
	}
	while (stop < connection->end && *stop < READ_OR_NOT)
		stop++;
	if (stop > connection->data)
		done = send(connection->fd, connection->data, (size_t)(stop - connection->data),
			    MSG_NOSIGNAL);
	connection->data += done > 0 ? done : 0;
	if (connection->data < connection->end)
		return;
	shutdown(connection->fd, SHUT_WR);
	connection->deaf = false;
}

static void hear(struct connection *connection)
{
	char buffer[65536];
	ssize_t got;

	while ((got = recv(connection->fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		connection->replies = realloc(connection->replies,
					      connection->replied + (size_t)got);
		DEMAND(connection->replies);
		memcpy(connection->replies + connection->replied, buffer, (size_t)got);
		connection->replied += (size_t)got;
	}
}

/* What the agent does of itself: answers those who wait, and tells events. */
static void serve(void)
{
	static const char line[] = "{\"event\":\"dropped\",\"source\":\"2001:db8:66::66\"}\n";
	static const struct error refused = {"refused"};
	uint64_t waiting = 0;

	event_base_loop(base, EVLOOP_NONBLOCK);
	for (const struct client *client = control->clients; client; client = client->next)
		if (client->waiting)
			waiting = client->peer.client;
	if (waiting)
		control_reply(control, waiting, waiting % 2 ? -EBUSY : 0,
			      waiting % 3 ? json_true() : NULL, &refused);
	for (size_t i = 0; i < CONNECTIONS; i++)
		for (int j = 0; streams[i] && j < 20 && lines_sent < STREAM_LINES; j++) {
			control_stream_send(streams[i], line, sizeof(line) - 1);
			lines_sent++;
		}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection connections[CONNECTIONS] = {};
	size_t count = 0;

	if (!base)
		start();
	lines_sent = 0;
	for (const uint8_t *end = data + size; count < CONNECTIONS && data <= end; count++) {
		const uint8_t *stop = data;

		while (stop < end && *stop != NEXT_CONNECTION)
			stop++;
		connections[count] = (struct connection){.data = data, .end = stop};
		connection_open(&connections[count]);
		data = stop + 1;
	}
	for (int turn = 0; turn < TURNS && control->clients; turn++) {
		for (size_t i = 0; i < count; i++) {
			act(&connections[i]);
			serve();
			if (!connections[i].deaf)
				hear(&connections[i]);
		}
	}
	DEMAND(!control->clients && !control->client_count);
	for (size_t i = 0; i < count; i++) {
		hear(&connections[i]);
		close(connections[i].fd);
		if (connections[i].replied)
			check_replies(connections[i].replies, connections[i].replied);
		free(connections[i].replies);
	}
	return 0;
}
