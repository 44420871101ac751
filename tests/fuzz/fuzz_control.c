// SPDX-License-Identifier: BSD-2-Clause
/* Bytes on the control socket: lines are taken apart and answered, each reply is one JSON object.
 */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/commands_internal.h"
#include "agent/control_internal.h"
#include "core/protocol.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 2000

static struct event_base *base;
static struct control *control;
static uint64_t waiting;

/* Stands for the commands: reads arguments as they do. */
static int handle(void *context, const struct control_peer *peer, const char *command,
		  json_t *arguments, json_t **result, struct error *error)
{
	const char *cluster, *text;
	struct prefix prefix;
	json_int_t number;
	int code = argument_string(arguments, "cluster", "", &cluster, error);

	(void)context;
	if (!strcmp(command, "confirm")) {
		waiting = peer->client;
		return CONTROL_LATER;
	}
	if (!code)
		code = argument_string(arguments, "prefix", NULL, &text, error);
	if (!code)
		code = argument_number(arguments, "ttl_s", 0, 0, 86400, &number, error);
	if (!code)
		code = prefix_parse(text, &prefix, error);
	if (code)
		return error_set(error, code, "%s: %s", cluster, error->text);
	*result = json_pack("{s:s, s:I}", "command", command, "number", number);
	return 0;
}

static void start(void)
{
	char directory[] = "/tmp/beamfence-fuzz-XXXXXX", path[64];
	struct control_settings settings = {
		.path = path, .group = (gid_t)-1, .handler = handle, .long_command = "try"};
	struct error error;

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

		DEMAND(json_is_object(reply) && json_object_get(reply, "ok"));
		json_decref(reply);
		size -= (size_t)(end - line) + 1;
	}
	DEMAND(size == 0);
}

static void turn(int fd, char **replies, size_t *size)
{
	char buffer[65536];
	ssize_t got;

	event_base_loop(base, EVLOOP_NONBLOCK);
	if (waiting)
		control_reply(control, waiting, 0, json_true(), NULL);
	waiting = 0;
	while ((got = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0) {
		*replies = realloc(*replies, *size + (size_t)got);
		DEMAND(*replies);
		memcpy(*replies + *size, buffer, (size_t)got);
		*size += (size_t)got;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *replies = NULL;
	size_t replied = 0, sent = 0;
	struct client *client;
	int pair[2];

	if (!base)
		start();
	DEMAND(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	client = client_new(control, pair[0]);
	DEMAND(client);
	client_advance(client);
	for (int i = 0; i < TURNS && control->clients; i++) {
		const ssize_t done = send(pair[1], data + sent, size - sent, MSG_NOSIGNAL);

		sent += done > 0 ? (size_t)done : 0;
		if (sent == size)
			shutdown(pair[1], SHUT_WR);
		turn(pair[1], &replies, &replied);
	}
	DEMAND(!control->clients && !control->client_count);
	turn(pair[1], &replies, &replied);
	close(pair[1]);
	if (replied)
		check_replies(replies, replied);
	free(replies);
	return 0;
}
