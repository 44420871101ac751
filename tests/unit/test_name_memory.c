// SPDX-License-Identifier: BSD-2-Clause
#include "agent/name_memory.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"

#define EPMD	   4369
#define OTHER_EPMD 4370
#define EPMDS_MAX  32

static struct name_memory *memory;

static void start(void)
{
	memory = name_memory_open();
	cr_assert_not_null(memory);
}

static void stop(void)
{
	name_memory_close(memory);
}

TestSuite(name_memory, .init = start, .fini = stop);

/* Since when the last of these was named. */
static uint64_t note(uint16_t epmd_port, struct epmd_node *items, size_t count)
{
	const struct epmd_nodes nodes = {.items = items, .count = count};
	uint64_t *since = name_memory_note(memory, epmd_port, &nodes), last;
	uint64_t before;

	cr_assert_not_null(since);
	last = count ? since[count - 1] : 0;
	free(since);
	/* So that what is named from now on is named later, by a clock however coarse. */
	before = boottime_ns();
	while (boottime_ns() == before)
		;
	return last;
}

static uint64_t note_one(uint16_t epmd_port, const char *name, uint16_t port)
{
	return note(epmd_port, &(struct epmd_node){.name = (char *)name, .port = port}, 1);
}

Test(name_memory, a_name_is_as_old_as_when_it_was_named_first)
{
	const uint64_t first = note_one(EPMD, "a", 9100);
	struct epmd_node both[] = {{"b", 9101}, {"a", 9100}}, turned[] = {{"a", 9100}, {"b", 9101}};

	cr_expect_gt(first, 0);
	cr_expect_eq(note_one(EPMD, "a", 9100), first);
	cr_expect_eq(note(EPMD, both, 2), first, "with others, in any order");
	cr_expect_gt(note(EPMD, turned, 2), first);
}

Test(name_memory, a_name_that_is_named_no_more_is_forgotten)
{
	const uint64_t first = note_one(EPMD, "a", 9100);

	note(EPMD, NULL, 0);
	cr_expect_gt(note_one(EPMD, "a", 9100), first);
}

Test(name_memory, the_same_name_at_another_port_is_another)
{
	const uint64_t first = note_one(EPMD, "a", 9100);

	cr_expect_gt(note_one(EPMD, "a", 9101), first);
}

Test(name_memory, epmds_are_told_apart)
{
	const uint64_t first = note_one(EPMD, "a", 9100);

	cr_expect_gt(note_one(OTHER_EPMD, "a", 9100), first);
	cr_expect_eq(note_one(EPMD, "a", 9100), first);
}

Test(name_memory, of_too_many_epmds_the_one_that_was_asked_longest_ago_is_forgotten)
{
	const uint64_t first = note_one(1, "a", 9100), second = note_one(2, "a", 9100);

	for (uint16_t port = 3; port <= EPMDS_MAX; port++)
		note_one(port, "a", 9100);
	cr_expect_eq(note_one(1, "a", 9100), first);
	note_one(EPMDS_MAX + 1, "a", 9100); /* takes the place of the second */
	cr_expect_eq(note_one(1, "a", 9100), first);
	cr_expect_gt(note_one(2, "a", 9100), second);
}

Test(name_memory, a_long_list_is_remembered_whole)
{
	enum { COUNT = 1000 };
	static char names[COUNT][8];
	static struct epmd_node items[COUNT];
	const struct epmd_nodes nodes = {.items = items, .count = COUNT};
	uint64_t *first, *second;

	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "n%zu", i);
		items[i] = (struct epmd_node){.name = names[i], .port = (uint16_t)(20000 + i)};
	}
	first = name_memory_note(memory, EPMD, &nodes);
	second = name_memory_note(memory, EPMD, &nodes);
	for (size_t i = 0; i < COUNT; i++)
		cr_expect_eq(first[i], second[i], "name %zu", i);
	free(first);
	free(second);
}
