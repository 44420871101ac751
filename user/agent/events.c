// SPDX-License-Identifier: BSD-2-Clause
#include "agent/events.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drop_log.h"
#include "agent/frame_event.h"
#include "core/clock.h"
#include "core/json_text.h"

#define BATCH 256 /* events between two looks at everything else */

struct line {
	char *text; /* ends with a newline, and no NUL */
	size_t length;
};

struct known_interface {
	char name[ENTRY_NAME_SIZE];
	enum attach_mode attached;
	bool not_run;
};

struct events {
	struct event_base *base;
	struct agent *agent;
	struct error problem; /* why frames are not told of */
	struct event *ready;
	struct event_memory memory;
	struct drop_log drops;
	struct event_follower *followers;
	struct event_follower *captures;
	struct strangers strangers;
	struct known_interface *interfaces;
	size_t interface_count;
	uint64_t second; /* in which so many frames were told of */
	unsigned int in_second;
	uint64_t lost; /* and not yet written where the next agent finds it */
};

static void deliver(struct event_follower *followers, const struct line *line)
{
	for (struct event_follower *one = followers; one; one = one->next)
		one->deliver(one->context, line->text, line->length);
}

/* Takes @object over. A line without text: out of memory. */
static struct line to_line(json_t *object)
{
	struct line line = {
		.text = json_text(object,
				  JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(16)),
	};

	json_decref(object);
	if (line.text) {
		line.length = strlen(line.text) + 1;
		line.text[line.length - 1] = '\n';
	}
	return line;
}

/* Takes @object over. */
static void publish(struct events *events, const char *kind, json_t *object)
{
	const struct line line = to_line(object);

	if (!line.text) {
		events->lost++;
		return;
	}
	deliver(events->followers, &line);
	event_memory_keep(&events->memory, event_room_of(kind), line.text, line.length);
}

static double now(void)
{
	return wall_clock(boottime_ns());
}

void event_emit(struct events *events, const char *kind, const char *format, ...)
{
	json_t *object, *members;
	va_list arguments;

	if (!events)
		return;
	va_start(arguments, format);
	members = json_vpack_ex(NULL, 0, format, arguments);
	va_end(arguments);
	object = json_pack("{s:f, s:s}", "time", now(), "event", kind);
	if (members && object)
		json_object_update(object, members);
	json_decref(members);
	publish(events, kind, object);
}

/* The filter keeps this limit too, unless somebody captures. */
static bool within_limit(struct events *events, uint64_t time_ns)
{
	const uint64_t second = time_ns / 1000000000u;

	if (second != events->second) {
		events->second = second;
		events->in_second = 0;
	}
	return events->in_second++ < 2 * EVENTS_PER_SECOND;
}

static void capture(struct events *events, const struct event *event, const char *interface)
{
	const struct line line = to_line(frame_capture_json(event, interface));

	if (line.text)
		deliver(events->captures, &line);
	else
		events->lost++;
	free(line.text);
}

static void on_frame(void *context, const struct event *event, const char *interface)
{
	struct events *events = context;
	json_t *object;

	if (events->captures)
		capture(events, event, interface);
	if (event->repeated)
		return;
	if (!within_limit(events, event->time_ns)) {
		events->lost++;
		return;
	}
	object = frame_event_json(events->agent, &events->strangers, event, interface);
	if (object && events->agent->config->journal_drops)
		drop_log(&events->drops, object);
	publish(events, "drop", object);
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
	struct events *events = context;

	(void)fd, (void)what;
	fence_events_read(events->agent->fence, BATCH);
}

static int start_reading(struct events *events)
{
	struct fence *fence = events->agent->fence;
	int code = fence_events_start(fence, on_frame, events, &events->problem);

	if (code)
		return code;
	events->ready = event_new(events->base, fence_events_fd(fence), EV_READ | EV_PERSIST,
				  on_ready, events);
	if (!events->ready || event_add(events->ready, NULL))
		return error_set(&events->problem, -ENOMEM, "out of memory");
	return 0;
}

int events_open(struct event_base *base, struct agent *agent, struct events **result,
		struct error *error)
{
	struct events *events = calloc(1, sizeof(*events));

	if (!events)
		return error_set(error, -ENOMEM, "out of memory");
	events->base = base;
	events->agent = agent;
	start_reading(events);
	*result = events;
	return 0;
}

const char *events_problem(const struct events *events)
{
	return events ? events->problem.text : "";
}

bool events_retry(struct events *events)
{
	if (!events_problem(events)[0])
		return false;
	if (events->ready)
		event_free(events->ready);
	events->ready = NULL;
	if (start_reading(events))
		return false;
	events->problem = (struct error){};
	return true;
}

void events_close(struct events *events)
{
	if (!events)
		return;
	events_lost(events);
	if (events->ready)
		event_free(events->ready);
	event_memory_clear(&events->memory);
	free(events->interfaces);
	free(events);
}

static struct known_interface known_before(const struct events *events, const char *name)
{
	for (size_t i = 0; i < events->interface_count; i++)
		if (!strcmp(events->interfaces[i].name, name))
			return events->interfaces[i];
	return (struct known_interface){};
}

static void emit_interface(struct events *events, const char *what, const char *name,
			   const struct interface_state *state)
{
	event_emit(events, "interface", "{s:s, s:s, s:s*, s:s*, s:s*}", "what", what, "interface",
		   name, "zone", state ? zone_name(state->zone) : NULL, "attach_mode",
		   state && state->attached ? attach_mode_name(state->attached) : NULL, "problem",
		   state && state->problem[0] ? state->problem : NULL);
}

static void emit_gone(struct events *events, const struct interface_state *states, size_t count)
{
	for (size_t i = 0; i < events->interface_count; i++) {
		const struct known_interface *known = &events->interfaces[i];
		size_t j = 0;

		while (j < count && strcmp(states[j].name, known->name) != 0)
			j++;
		if (j == count && known->attached != ATTACHED_NOT)
			emit_interface(events, "gone", known->name, NULL);
	}
}

void events_look_at_interfaces(struct events *events)
{
	const struct interface_state *states;
	struct known_interface *list;
	size_t count;

	if (!events)
		return;
	count = fence_interfaces(events->agent->fence, &states);
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		return;
	for (size_t i = 0; i < count; i++) {
		const struct known_interface before = known_before(events, states[i].name);

		memcpy(list[i].name, states[i].name, sizeof(list[i].name));
		list[i].attached = states[i].attached;
		list[i].not_run = states[i].not_run;
		if (states[i].not_run != before.not_run)
			emit_interface(events, states[i].not_run ? "not-run" : "run-again",
				       states[i].name, &states[i]);
		if (states[i].attached != before.attached)
			emit_interface(events,
				       states[i].attached == ATTACHED_NOT ? "detached" : "attached",
				       states[i].name, &states[i]);
	}
	emit_gone(events, states, count);
	free(events->interfaces);
	events->interfaces = list;
	events->interface_count = count;
}

json_t *events_last(const struct events *events, size_t limit)
{
	return event_memory_last(&events->memory, limit);
}

static void link_follower(struct event_follower **list, struct event_follower *follower)
{
	follower->next = *list;
	*list = follower;
}

static void unlink_follower(struct event_follower **list, struct event_follower *follower)
{
	while (*list && *list != follower)
		list = &(*list)->next;
	if (*list)
		*list = follower->next;
}

void events_follow(struct events *events, struct event_follower *follower)
{
	link_follower(&events->followers, follower);
}

void events_unfollow(struct events *events, struct event_follower *follower)
{
	unlink_follower(&events->followers, follower);
}

int events_capture(struct events *events, struct event_follower *follower, struct error *error)
{
	const int code = events->captures
				 ? 0
				 : fence_events_level(events->agent->fence, EVENTS_ALL, error);

	if (!code)
		link_follower(&events->captures, follower);
	return code;
}

void events_uncapture(struct events *events, struct event_follower *follower)
{
	unlink_follower(&events->captures, follower);
	if (!events->captures)
		fence_events_level(events->agent->fence, EVENTS_LIMITED, NULL);
}

uint64_t events_lost(struct events *events)
{
	return events ? fence_events_lost(events->agent->fence, &events->lost) : 0;
}
