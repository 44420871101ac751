// SPDX-License-Identifier: BSD-2-Clause
#include "agent/event_memory.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	size_t first;
	size_t size;
} rooms[EVENT_ROOMS] = {
	[EVENT_ROOM_DROPS] = {0, EVENT_ROOM_DROPS_SIZE},
	[EVENT_ROOM_NODES] = {EVENT_ROOM_DROPS_SIZE, EVENT_ROOM_NODES_SIZE},
	[EVENT_ROOM_REST] = {EVENT_ROOM_DROPS_SIZE + EVENT_ROOM_NODES_SIZE, EVENT_ROOM_REST_SIZE},
};

enum event_room event_room_of(const char *kind)
{
	if (!strcmp(kind, "drop"))
		return EVENT_ROOM_DROPS;
	return !strcmp(kind, "listener") || !strcmp(kind, "node") ? EVENT_ROOM_NODES
								  : EVENT_ROOM_REST;
}

void event_memory_keep(struct event_memory *memory, enum event_room room, char *text, size_t length)
{
	struct event_line *line = &memory->lines[rooms[room].first + memory->next[room]];

	free(line->text);
	*line = (struct event_line){.text = text, .length = length, .number = ++memory->number};
	memory->next[room] = (memory->next[room] + 1) % rooms[room].size;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct event_line *const *left = a, *const *right = b;

	return (*left)->number < (*right)->number ? -1 : (*left)->number > (*right)->number;
}

json_t *event_memory_last(const struct event_memory *memory, size_t limit)
{
	const struct event_line *found[EVENTS_REMEMBERED];
	json_t *list = json_array();
	size_t count = 0;

	for (size_t i = 0; i < EVENTS_REMEMBERED; i++)
		if (memory->lines[i].text)
			found[count++] = &memory->lines[i];
	qsort(found, count, sizeof(*found), compare_numbers);
	for (size_t i = count > limit ? count - limit : 0; i < count && list; i++)
		json_array_append_new(list, json_loadb(found[i]->text, found[i]->length, 0, NULL));
	return list;
}

void event_memory_clear(struct event_memory *memory)
{
	for (size_t i = 0; i < EVENTS_REMEMBERED; i++)
		free(memory->lines[i].text);
	*memory = (struct event_memory){};
}
