// SPDX-License-Identifier: BSD-2-Clause
/* Events, captured frames, and the sources of late. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "agent/commands_internal.h"
#include "agent/control_stream.h"
#include "agent/events.h"
#include "core/cleanup.h"

#define FOLLOW_PENDING_MAX  (128u << 10)
#define CAPTURE_PENDING_MAX (2u << 20)
#define SOURCES_MAX	    512 /* in a reply */

/* A client that follows or captures. */
struct reader {
	struct events *events;
	struct control_stream *stream;
	struct event_follower follower;
	uint64_t lost_before; /* events, when it began */
	bool captures;
};

static void deliver(void *context, const char *line, size_t length)
{
	const struct reader *reader = context;

	control_stream_send(reader->stream, line, length);
}

/* The last line of a capture says what is missing from it. */
static void on_ending(void *context, struct control_stream *stream)
{
	const struct reader *reader = context;
	const uint64_t lost = control_stream_lost(stream) +
			      (reader->captures ? events_lost(reader->events) - reader->lost_before
						: 0);
	char line[64];
	const int length = snprintf(line, sizeof(line),
				    "{\"event\":\"end\",\"lost\":%" PRIu64 "}\n", lost);

	control_stream_send_last(stream, line, (size_t)length);
}

static void on_closed(void *context)
{
	struct reader *reader = context;

	if (reader->captures)
		events_uncapture(reader->events, &reader->follower);
	else
		events_unfollow(reader->events, &reader->follower);
	free(reader);
}

static int begin(struct events *events, const struct control_peer *peer, bool captures,
		 struct error *error)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	const struct control_stream_settings settings = {
		.pending_max = captures ? CAPTURE_PENDING_MAX : FOLLOW_PENDING_MAX,
		.ending = on_ending,
		.closed = on_closed,
		.context = reader,
	};
	int code;

	if (!reader)
		return error_set(error, -ENOMEM, "the agent is out of memory");
	*reader = (struct reader){
		.events = events,
		.follower = {.deliver = deliver, .context = reader},
		.lost_before = events_lost(events),
		.captures = captures,
	};
	code = captures ? events_capture(events, &reader->follower, error) : 0;
	if (!code)
		code = control_stream_begin(peer, &settings, &reader->stream, error);
	if (code) {
		on_closed(reader);
		return code;
	}
	if (!captures)
		events_follow(events, &reader->follower);
	return 0;
}

int command_events(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		   json_t **result, struct error *error)
{
	struct events *events = commands->agent->events;
	json_int_t last;
	int code = argument_number(arguments, "last", EVENTS_REMEMBERED, 0, EVENTS_REMEMBERED,
				   &last, error);

	if (!code && json_is_true(json_object_get(arguments, "follow")))
		code = begin(events, peer, false, error);
	if (!code)
		*result = events_last(events, (size_t)last);
	return code;
}

int command_capture(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		    json_t **result, struct error *error)
{
	const int code = begin(commands->agent->events, peer, true, error);
	const struct interface_state *states;
	size_t count;
	json_t *names;

	(void)arguments;
	if (code)
		return code;
	names = json_array();
	count = fence_interfaces(commands->agent->fence, &states);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(states[i].name));
	*result = json_pack("{s:i, s:o}", "frame_size", EVENT_FRAME_SIZE, "interfaces", names);
	return 0;
}

static int compare_accounts(const void *left, const void *right)
{
	const struct event_source *a = left, *b = right;
	int order = memcmp(a->source, b->source, sizeof(a->source));

	order = order ?: a->port - b->port;
	order = order ?: a->slot - b->slot;
	order = order ?: a->reason - b->reason;
	return order ?: a->mode - b->mode;
}

static int compare_frames(const void *left, const void *right)
{
	const struct event_source *a = left, *b = right;

	return a->frames < b->frames ? 1 : a->frames > b->frames ? -1 : 0;
}

/* Adds up what the CPUs tell of one and the same. Returns how many are left. */
static size_t merge(struct event_source *list, size_t count)
{
	size_t kept = 0;

	if (!count)
		return 0; /* and no list */
	qsort(list, count, sizeof(*list), compare_accounts);
	for (size_t i = 0; i < count; i++)
		if (kept && !compare_accounts(&list[kept - 1], &list[i]))
			list[kept - 1].frames += list[i].frames;
		else
			list[kept++] = list[i];
	qsort(list, kept, sizeof(*list), compare_frames);
	return kept;
}

static json_t *source_json(const struct agent *agent, const struct event_source *source)
{
	struct prefix prefix = {.length = 128};
	char text[PREFIX_TEXT_SIZE], interface[ENTRY_NAME_SIZE];

	memcpy(prefix.address, source->source, sizeof(prefix.address));
	prefix_format(&prefix, text);
	text[strcspn(text, "/")] = '\0';
	fence_slot_name(agent->fence, source->slot, interface);
	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:I}", "source", text, "port",
			 (int)source->port, "interface", interface, "reason",
			 reason_name(source->reason), "verdict",
			 verdict_name(source->mode == MODE_AUDIT ? VERDICT_PASS : VERDICT_DROP),
			 "packets", (json_int_t)source->frames);
}

int command_sources(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		    json_t **result, struct error *error)
{
	_cleanup_free_ struct event_source *list = NULL;
	const int read = fence_event_sources(commands->agent->fence, &list);
	size_t count;

	(void)peer, (void)arguments;
	if (read < 0)
		return error_set(error, read, "cannot read the sources: %s", strerror(-read));
	*result = json_array();
	count = merge(list, (size_t)read);
	for (size_t i = 0; i < count && i < SOURCES_MAX; i++)
		json_array_append_new(*result, source_json(commands->agent, &list[i]));
	return 0;
}
