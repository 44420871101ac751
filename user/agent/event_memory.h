/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last events, as lines. Each kind has a room of its own: what is frequent and dull does not
 * drive out what is not.
 */
#ifndef BEAMFENCE_EVENT_MEMORY_H
#define BEAMFENCE_EVENT_MEMORY_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum event_room {
	EVENT_ROOM_DROPS, /* frames */
	EVENT_ROOM_NODES, /* nodes and listeners: a product's command line makes one at each call */
	EVENT_ROOM_REST,
	EVENT_ROOMS,
};

#define EVENT_ROOM_DROPS_SIZE 1024
#define EVENT_ROOM_NODES_SIZE 256
#define EVENT_ROOM_REST_SIZE  256

/* Of all rooms together. */
#define EVENTS_REMEMBERED     (EVENT_ROOM_DROPS_SIZE + EVENT_ROOM_NODES_SIZE + EVENT_ROOM_REST_SIZE)

struct event_line {
	char *text; /* ends with a newline, and no NUL */
	size_t length;
	uint64_t number; /* in the order in which they came; 0: none */
};

/* Zeroed: empty. */
struct event_memory {
	struct event_line lines[EVENTS_REMEMBERED]; /* a ring for each room */
	size_t next[EVENT_ROOMS];
	uint64_t number; /* of the last */
};

/* The room for events of a kind. */
enum event_room event_room_of(const char *kind);

/* Keeps a line, whose @text is taken over, and forgets the oldest of its room. */
void event_memory_keep(struct event_memory *memory, enum event_room room, char *text,
		       size_t length);

/* The last @limit events of all rooms, oldest first, as a list; NULL: out of memory. */
json_t *event_memory_last(const struct event_memory *memory, size_t limit);

void event_memory_clear(struct event_memory *memory);

#endif
