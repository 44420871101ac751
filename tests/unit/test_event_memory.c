// SPDX-License-Identifier: BSD-2-Clause
/* Which events are remembered when there are more than there is room for. */
#include "agent/event_memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct event_memory memory;

static void keep(const char *kind, int number)
{
	char *text;
	const int length = asprintf(&text, "{\"event\":\"%s\",\"n\":%d}\n", kind, number);

	cr_assert(length > 0);
	event_memory_keep(&memory, event_room_of(kind), text, (size_t)length);
}

static int number_at(const json_t *list, size_t index)
{
	return (int)json_integer_value(json_object_get(json_array_get(list, index), "n"));
}

TestSuite(event_memory);

Test(event_memory, the_last_come_in_their_order_whatever_their_kind)
{
	json_t *list;

	for (int i = 0; i < 4; i++)
		keep(i % 2 ? "drop" : i ? "agent" : "node", i);
	list = event_memory_last(&memory, EVENTS_REMEMBERED);
	cr_assert_eq(json_array_size(list), 4);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(number_at(list, (size_t)i), i);
	json_decref(list);
	list = event_memory_last(&memory, 2);
	cr_assert_eq(json_array_size(list), 2);
	cr_expect_eq(number_at(list, 0), 2);
	json_decref(list);
	event_memory_clear(&memory);
}

Test(event_memory, no_kind_drives_out_another)
{
	json_t *list;

	keep("agent", 0);
	keep("drop", 1);
	for (int i = 0; i < 3 * EVENT_ROOM_NODES_SIZE; i++)
		keep(i % 3 ? "listener" : "node", 2);
	list = event_memory_last(&memory, EVENTS_REMEMBERED);
	cr_assert_eq(json_array_size(list), EVENT_ROOM_NODES_SIZE + 2);
	cr_expect_eq(number_at(list, 0), 0);
	cr_expect_eq(number_at(list, 1), 1);
	json_decref(list);
	for (int i = 0; i < 2 * EVENT_ROOM_DROPS_SIZE; i++)
		keep("drop", i);
	list = event_memory_last(&memory, EVENT_ROOM_DROPS_SIZE);
	cr_expect_eq(number_at(list, 0), EVENT_ROOM_DROPS_SIZE);
	cr_expect_eq(number_at(list, EVENT_ROOM_DROPS_SIZE - 1), 2 * EVENT_ROOM_DROPS_SIZE - 1);
	json_decref(list);
	event_memory_clear(&memory);
}
