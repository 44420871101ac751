// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <string.h>

#include "kernel/internal.h"
#include "kernel/pins.h"

#include "gate.skel.h"

#define OBJECTS 3

static struct filter *filter;
static struct listeners *watch;
static struct gate *gate;
static const struct bpf_object *objects[OBJECTS];

static void open_objects(void)
{
	filter = filter__open();
	watch = listeners__open();
	gate = gate__open();
	cr_assert(filter && watch && gate);
	objects[0] = filter->obj;
	objects[1] = watch->obj;
	objects[2] = gate->obj;
}

static void close_objects(void)
{
	filter__destroy(filter);
	listeners__destroy(watch);
	gate__destroy(gate);
}

TestSuite(maps, .init = open_objects, .fini = close_objects);

static const struct map_row *row_of(const char *name)
{
	for (size_t i = 0; i < map_row_count; i++)
		if (!strcmp(map_rows[i].name, name))
			return &map_rows[i];
	return NULL;
}

Test(maps, each_row_is_of_a_map_and_has_a_pin_of_its_own)
{
	for (size_t i = 0; i < map_row_count; i++) {
		size_t holders = 0;

		for (size_t object = 0; object < OBJECTS; object++)
			holders += map_find(objects[object], &map_rows[i]) != NULL;
		cr_assert_gt(holders, 0, "no program has a map %s", map_rows[i].name);
		cr_assert_eq(row_of(map_rows[i].name), &map_rows[i]);
		for (size_t other = 0; other < i; other++)
			cr_assert_str_neq(map_rows[i].pin, map_rows[other].pin);
	}
}

Test(maps, what_two_programs_have_by_one_name_has_a_row)
{
	for (size_t object = 0; object < OBJECTS; object++) {
		const struct bpf_map *map;

		bpf_object__for_each_map(map, objects[object])
		{
			const struct map_row row = {.name = bpf_map__name(map)};
			size_t holders = 0;

			if (bpf_map__is_internal(map))
				continue; /* constants, and the tables */
			for (size_t other = 0; other < OBJECTS; other++)
				holders += map_find(objects[other], &row) != NULL;
			cr_assert(holders == 1 || row_of(row.name), "%s is shared, or is it?",
				  row.name);
		}
	}
}

Test(maps, the_watch_defines_what_it_adopts_and_the_filter_the_rest)
{
	for (size_t i = 0; i < map_row_count; i++)
		cr_assert(map_find(map_rows[i].adoption == ADOPTED_BY_WATCH ? watch->obj
									    : filter->obj,
				   &map_rows[i]),
			  "%s", map_rows[i].pin);
}

Test(maps, the_tables_come_last_so_that_where_they_are_pinned_all_is)
{
	cr_assert_str_eq(map_rows[map_row_count - 1].pin, PIN_TABLES);
}

Test(maps, a_pin_is_known_by_its_row_and_so_is_what_is_to_take_its_place)
{
	char next[64];

	for (size_t i = 0; i < map_row_count; i++) {
		snprintf(next, sizeof(next), "%s-next", map_rows[i].pin);
		cr_assert(pin_is_map(map_rows[i].pin) && pin_is_map(next));
		cr_assert(!pin_is_link(map_rows[i].pin) && !pin_is_link(next));
	}
	cr_assert(!pin_is_ours("tables-nex") && !pin_is_ours("table") && !pin_is_ours(""));
}
