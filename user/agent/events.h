/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What happens, as it happens: frames that the filter reports and what the agent itself does, each
 * a JSON object on a line of its own (core/protocol.h). The last ones are remembered; followers are
 * given each as it comes.
 */
#ifndef BEAMFENCE_EVENTS_H
#define BEAMFENCE_EVENTS_H

#include <event2/event.h>
#include <jansson.h>

#include "agent/agent.h"
#include "agent/event_memory.h"

struct events;

/* Takes an interest; the one who does owns it, and takes it back before it goes. */
struct event_follower {
	/* @line ends with a newline, which @length includes. Must not change the followers. */
	void (*deliver)(void *context, const char *line, size_t length);
	void *context;
	struct event_follower *next;
};

/*
 * Reads the filter's events from now on. @agent must outlive the events. Returns 0 or -ENOMEM;
 * where the kernel refuses, frames are not told of, and events_problem() says so.
 */
int events_open(struct event_base *base, struct agent *agent, struct events **events,
		struct error *error);

/* Why frames are not told of, or "". */
const char *events_problem(const struct events *events);

/* Tries again to read them. True when they are read now and were not. */
bool events_retry(struct events *events);

/* All followers must be gone. NULL is allowed. */
void events_close(struct events *events);

/*
 * Makes an event known: {"time": now, "event": @kind, …}, with the members that @format and what
 * follows make an object of, as for json_pack(): "{s:s}". With @events NULL nothing happens.
 */
void event_emit(struct events *events, const char *kind, const char *format, ...);

/* Makes known which interfaces have the filter now that had not, and the other way round. */
void events_look_at_interfaces(struct events *events);

/* The last @limit events, oldest first, as a list; NULL: out of memory. */
json_t *events_last(const struct events *events, size_t limit);

void events_follow(struct events *events, struct event_follower *follower);
void events_unfollow(struct events *events, struct event_follower *follower);

/*
 * The same for whole frames: a line for each frame that is dropped (in audit mode: would be),
 * within EVENTS_ALL_PER_SECOND. The limit for each source is off while somebody captures.
 */
int events_capture(struct events *events, struct event_follower *follower, struct error *error);
void events_uncapture(struct events *events, struct event_follower *follower);

/* Events that were due and could not be told of. */
uint64_t events_lost(struct events *events);

#endif
