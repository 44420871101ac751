// SPDX-License-Identifier: BSD-2-Clause
#include "agent/net_side.h"

#include <errno.h>
#include <event2/buffer.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>

#include "agent/control.h"
#include "agent/control_stream.h"
#include "core/cleanup.h"
#include "core/json_text.h"

#define PENDING_MAX (16u << 10) /* bytes of orders that it has not read */

struct net_side {
	struct net_side_settings settings;
	struct control *control;
	struct control_stream *stream; /* NULL: nobody is there */
	struct event *greet;	       /* when the reply to "serve" is on its way; then a pause */
	struct event *absence;	       /* runs while nobody is there */
	struct timeval patience;
	bool missing;
	bool greeted; /* who is there knows what is to be done */
};

static void cleanup_nodes(struct epmd_nodes *nodes)
{
	epmd_nodes_free(nodes);
}

static void cleanup_evbuffer(struct evbuffer **buffer)
{
	if (*buffer)
		evbuffer_free(*buffer);
}

static void on_greet(evutil_socket_t fd, short events, void *context)
{
	const struct timeval pause = {.tv_sec = NET_SIDE_PAUSE_MS / 1000,
				      .tv_usec = NET_SIDE_PAUSE_MS % 1000 * 1000};
	struct net_side *side = context;

	(void)fd, (void)events;
	if (!side->stream || side->greeted)
		return;
	side->greeted = true;
	event_add(side->greet, &pause);
	if (side->missing)
		side->settings.missing(side->settings.context, false);
	side->missing = false;
	side->settings.came(side->settings.context);
}

static void on_absence(evutil_socket_t fd, short events, void *context)
{
	struct net_side *side = context;

	(void)fd, (void)events;
	side->missing = true;
	side->settings.missing(side->settings.context, true);
}

static void on_ending(void *context, struct control_stream *stream)
{
	(void)context, (void)stream;
}

static void on_closed(void *context)
{
	struct net_side *side = context;

	side->stream = NULL;
	if (!side->missing)
		event_add(side->absence, &side->patience);
	side->settings.gone(side->settings.context);
}

static int command_serve(struct net_side *side, const struct control_peer *peer, json_t *arguments,
			 json_t **result, struct error *error)
{
	const struct control_stream_settings settings = {
		.pending_max = PENDING_MAX,
		.ending = on_ending,
		.closed = on_closed,
		.context = side,
	};
	int code;

	(void)arguments, (void)result;
	if (side->stream)
		control_stream_end(side->stream);
	code = control_stream_begin(peer, &settings, &side->stream, error);
	if (code)
		return code;
	event_del(side->absence);
	side->greeted = false;
	if (!event_pending(side->greet, EV_TIMEOUT, NULL))
		event_active(side->greet, EV_TIMEOUT, 0);
	return 0;
}

static int command_metrics(struct net_side *side, const struct control_peer *peer,
			   json_t *arguments, json_t **result, struct error *error)
{
	_cleanup_(cleanup_evbuffer) struct evbuffer *page = evbuffer_new();
	const char *text;
	size_t size;
	int code;

	(void)peer, (void)arguments;
	code = page ? side->settings.metrics(side->settings.context, page) : -ENOMEM;
	if (code)
		return error_set(error, code, "cannot gather the metrics: %s", strerror(-code));
	size = evbuffer_get_length(page);
	text = (const char *)evbuffer_pullup(page, -1);
	*result = json_stringn(text ? text : "", text ? size : 0);
	return *result ? 0 : error_set(error, -ENOMEM, "cannot send the metrics: out of memory");
}

static int command_health(struct net_side *side, const struct control_peer *peer, json_t *arguments,
			  json_t **result, struct error *error)
{
	(void)peer, (void)arguments, (void)result;
	return side->settings.health(side->settings.context, error);
}

/* Fetches the number of the order that a command is about. */
static int get_id(json_t *arguments, uint64_t *id, struct error *error)
{
	const json_t *value = json_object_get(arguments, "id");

	if (json_integer_value(value) <= 0)
		return error_set(error, -EINVAL, "argument \"id\" is not the number of an order");
	*id = (uint64_t)json_integer_value(value);
	return 0;
}

static int command_listening(struct net_side *side, const struct control_peer *peer,
			     json_t *arguments, json_t **result, struct error *error)
{
	const char *problem = json_string_value(json_object_get(arguments, "error"));
	uint64_t id = 0;
	const int code = get_id(arguments, &id, error);

	(void)peer, (void)result;
	if (!code)
		side->settings.listening(side->settings.context, id, problem);
	return code;
}

/* What became of a question: 0, or a negative errno. */
static int get_code(const json_t *arguments)
{
	const json_int_t code = json_integer_value(json_object_get(arguments, "code"));

	return code <= 0 && code > -4096 ? (int)code : -EPROTO;
}

static int command_names(struct net_side *side, const struct control_peer *peer, json_t *arguments,
			 json_t **result, struct error *error)
{
	_cleanup_(cleanup_nodes) struct epmd_nodes nodes = {};
	uint64_t id = 0;
	int code = get_id(arguments, &id, error);

	(void)peer, (void)result;
	if (code)
		return code;
	code = get_code(arguments);
	if (!code)
		code = net_side_parse_names(json_object_get(arguments, "nodes"), &nodes);
	side->settings.names(side->settings.context, id, code, &nodes);
	return 0;
}

static int command_probed(struct net_side *side, const struct control_peer *peer, json_t *arguments,
			  json_t **result, struct error *error)
{
	struct handshake_answer answer;
	uint64_t id = 0;
	int code = get_id(arguments, &id, error);

	(void)peer, (void)result;
	if (code)
		return code;
	code = net_side_parse_probed(arguments, &answer);
	side->settings.probed(side->settings.context, id, code, &answer);
	return 0;
}

static const struct net_command {
	const char *name;
	int (*function)(struct net_side *side, const struct control_peer *peer, json_t *arguments,
			json_t **result, struct error *error);
} table[] = {
	{"serve", command_serve},   {"listening", command_listening}, {"names", command_names},
	{"probed", command_probed}, {"health", command_health},	      {"metrics", command_metrics},
};

static int handle(void *context, const struct control_peer *peer, const char *name,
		  json_t *arguments, json_t **result, struct error *error)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(name, table[i].name))
			return table[i].function(context, peer, arguments, result, error);
	return error_set(error, -ENOSYS, "there is no command \"%.64s\" on this socket", name);
}

int net_side_parse_names(const json_t *list, struct epmd_nodes *nodes)
{
	const size_t count = json_array_size(list);

	*nodes = (struct epmd_nodes){};
	if (!json_is_array(list))
		return -EPROTO;
	nodes->items = calloc((count < EPMD_NODES_MAX ? count : EPMD_NODES_MAX) + 1,
			      sizeof(*nodes->items));
	if (!nodes->items)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const json_t *pair = json_array_get(list, i);
		const json_t *name = json_array_get(pair, 0);
		const json_int_t port = json_integer_value(json_array_get(pair, 1));

		if (nodes->count == EPMD_NODES_MAX || port < 1 || port > UINT16_MAX ||
		    !json_is_string(name) ||
		    !epmd_name_is_acceptable(json_string_value(name), json_string_length(name))) {
			nodes->refused++;
			continue;
		}
		nodes->items[nodes->count].name = strdup(json_string_value(name));
		if (!nodes->items[nodes->count].name) {
			epmd_nodes_free(nodes);
			return -ENOMEM;
		}
		nodes->items[nodes->count++].port = (uint16_t)port;
	}
	return 0;
}

int net_side_parse_probed(const json_t *arguments, struct handshake_answer *answer)
{
	const json_t *name = json_object_get(arguments, "name");
	const size_t length = json_string_length(name);
	const int code = get_code(arguments);

	*answer = (struct handshake_answer){.outcome = HANDSHAKE_UNKNOWN};
	if (code)
		return code;
	answer->outcome =
		handshake_outcome_of(json_string_value(json_object_get(arguments, "outcome")));
	if (answer->outcome == HANDSHAKE_UNKNOWN)
		return -EPROTO;
	if (answer->outcome == HANDSHAKE_DISTRIBUTION && length &&
	    handshake_name_is_acceptable(json_string_value(name), length))
		memcpy(answer->name, json_string_value(name), length);
	return 0;
}

bool net_side_send(struct net_side *side, json_t *order)
{
	_cleanup_free_ char *line = side->stream && order ? json_text(order, JSON_COMPACT) : NULL;
	const size_t length = line ? strlen(line) : 0;
	bool sent = false;

	json_decref(order);
	if (!line)
		return false;
	line[length] = '\n'; /* in place of the terminating NUL */
	sent = control_stream_send(side->stream, line, length + 1);
	if (!sent) /* it reads nothing: another may do better */
		control_stream_end(side->stream);
	return sent;
}

int net_side_open(struct event_base *base, const struct net_side_settings *settings,
		  struct net_side **result, struct error *error)
{
	static const char *const long_commands[] = {"names", NULL}; /* is not copied */
	const unsigned patience_ms = settings->patience_ms ?: NET_SIDE_PATIENCE_MS;
	struct net_side *side = calloc(1, sizeof(*side));
	const struct group *group = getgrnam(NET_SIDE_GROUP);
	const struct control_settings control = {
		.path = settings->path,
		.group = group ? group->gr_gid : (gid_t)-1,
		.handler = handle,
		.context = side,
		.long_commands = long_commands,
	};
	int code = -ENOMEM;

	if (side) {
		side->settings = *settings;
		side->patience.tv_sec = patience_ms / 1000;
		side->patience.tv_usec = (suseconds_t)(patience_ms % 1000) * 1000;
		side->greet = event_new(base, -1, 0, on_greet, side);
		side->absence = evtimer_new(base, on_absence, side);
	}
	if (!side || !side->greet || !side->absence || event_add(side->absence, &side->patience))
		error_set(error, code, "cannot serve the network side: out of memory");
	else
		code = control_open(base, &control, &side->control, error);
	if (code)
		net_side_close(side);
	else
		*result = side;
	return code;
}

void net_side_close(struct net_side *side)
{
	if (!side)
		return;
	control_close(side->control);
	if (side->greet)
		event_free(side->greet);
	if (side->absence)
		event_free(side->absence);
	free(side);
}
