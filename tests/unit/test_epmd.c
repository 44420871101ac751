// SPDX-License-Identifier: BSD-2-Clause
#include "core/epmd.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/text.h"
#include "tests/seed.h"

#define DEADLINE_S 120
#define PORT	   "\x00\x00\x11\x11" /* 4369, before the lines */

static struct epmd_nodes nodes;
static struct error error;

static void start(void)
{
	alarm(DEADLINE_S);
}

static void stop(void)
{
	epmd_nodes_free(&nodes);
}

TestSuite(epmd, .init = start, .fini = stop);

/* Parses a copy of exactly @size bytes, so that the sanitizer sees a byte read beyond. */
static int parse(const char *reply, size_t size)
{
	char *copy = malloc(size + !size);
	int code;

	memcpy(copy, reply, size);
	epmd_nodes_free(&nodes);
	code = epmd_parse_names(copy, size, &nodes, &error);
	free(copy);
	return code;
}

/* Parses @lines after epmd's port and expects them to be read. */
static void parse_lines(const char *lines)
{
	size_t size = strlen(lines);
	char *reply = malloc(4 + size);

	memcpy(reply, PORT, 4);
	memcpy(reply + 4, lines, size);
	cr_assert_eq(parse(reply, 4 + size), 0, "%s", error.text);
	free(reply);
}

static void expect_node(size_t index, const char *name, uint16_t port)
{
	cr_assert_lt(index, nodes.count);
	cr_expect_str_eq(nodes.items[index].name, name);
	cr_expect_eq(nodes.items[index].port, port);
}

static void expect_refused(const char *lines, size_t refused)
{
	parse_lines(lines);
	cr_expect_eq(nodes.count, 0, "accepted: %s", lines);
	cr_expect_eq(nodes.refused, refused, "%zu refused: %s", nodes.refused, lines);
}

Test(epmd, names_and_ports_are_read_in_order)
{
	parse_lines("name app at port 9100\nname rabbit at port 25672\nname x at port 1\n"
		    "name nœud-ホスト at port 65535\n");
	cr_assert_eq(nodes.count, 4);
	cr_expect_eq(nodes.refused, 0);
	expect_node(0, "app", 9100);
	expect_node(1, "rabbit", 25672);
	expect_node(2, "x", 1);
	expect_node(3, "nœud-ホスト", 65535);
}

Test(epmd, an_epmd_without_nodes_has_an_empty_list)
{
	parse_lines("");
	cr_expect_eq(nodes.count, 0);
	cr_expect_eq(nodes.refused, 0);
}

Test(epmd, a_reply_without_the_port_is_a_protocol_error)
{
	for (size_t size = 0; size < 4; size++) {
		cr_expect_eq(parse(PORT, size), -EPROTO);
		cr_expect_neq(error.text[0], '\0');
		cr_expect_null(nodes.items);
		cr_expect_eq(nodes.count, 0);
	}
	cr_expect_eq(epmd_parse_names("", 0, &nodes, NULL), -EPROTO);
}

Test(epmd, lines_that_are_no_registration_are_refused_one_by_one)
{
	parse_lines("name a at port 1\nnonsense\n\nname b at port 2\nname c\nname d at port \n"
		    "Name e at port 3\n name f at port 4\nname g at port 5\n");
	cr_assert_eq(nodes.count, 3);
	cr_expect_eq(nodes.refused, 6);
	expect_node(0, "a", 1);
	expect_node(1, "b", 2);
	expect_node(2, "g", 5);
}

Test(epmd, ports_that_cannot_be_are_refused)
{
	static const char *const ports[] = {"0",   "65536",	 "65535x", "-1",      "+1",   " 1",
					    "1 ",  "99999",	 "00001",  "1\r",     "0x1f", "1.0",
					    "1e3", "4294967297", "100000", "\xd9\xa1"};
	char line[64];

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		snprintf(line, sizeof(line), "name a at port %s\n", ports[i]);
		expect_refused(line, 1);
	}
}

Test(epmd, names_that_would_harm_a_terminal_are_refused)
{
	static const char *const names[] = {
		"",	 "\x1b[2J",	 "a\rb",	 "a\tb",	 "\x7f",	 "\xc2\x9b",
		"a\x01", "\xe2\x80\xae", "\xe2\x80\x8b", "\xe2\x81\xa6", "\xef\xbb\xbf",
	};
	char line[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "name %s at port 9100\n", names[i]);
		expect_refused(line, 1);
	}
}

Test(epmd, names_that_are_not_utf8_are_refused)
{
	static const char *const names[] = {"\xff", "a\xc3", "\xc0\xaf", "\xed\xa0\x80",
					    "\xf4\x90\x80\x80"};
	char line[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(line, sizeof(line), "name %s at port 9100\n", names[i]);
		expect_refused(line, 1);
	}
}

Test(epmd, a_nul_in_a_name_is_refused_and_hides_nothing)
{
	static const char reply[] = PORT "name a\0b at port 1\nname c at port 2\n";

	cr_assert_eq(parse(reply, sizeof(reply) - 1), 0);
	cr_assert_eq(nodes.count, 1);
	cr_expect_eq(nodes.refused, 1);
	expect_node(0, "c", 2);
}

Test(epmd, a_name_cannot_pretend_another_port_or_line)
{
	expect_refused("name a at port 22 at port 9100\n", 1);
	expect_refused("name  at port 22 at port 9100\n", 1);
	expect_refused("name a b at port 9100\n", 1);
	expect_refused("name a at port  at port 22\n", 1);
	/* A newline in a name cannot be told from two lines: epmd's own clients read it so, too. */
	parse_lines("name a\nname b at port 22\n");
	cr_expect_eq(nodes.refused, 1);
	expect_node(0, "b", 22);
}

Test(epmd, a_name_may_look_like_the_words_around_it)
{
	parse_lines("name name at port 1\nname atport at port 2\n");
	expect_node(0, "name", 1);
	expect_node(1, "atport", 2);
}

/* A line whose name is @count times @character. */
static const char *long_line(const char *character, size_t count)
{
	static char line[4096];

	strcpy(line, "name ");
	for (size_t i = 0; i < count; i++)
		strcat(line, character);
	strcat(line, " at port 9100\n");
	return line;
}

Test(epmd, names_of_255_characters_are_read_whatever_their_bytes)
{
	static const char *const characters[] = {"a", "é", "ホ", "\xf0\x9f\x90\x87"};

	for (size_t i = 0; i < 4; i++) {
		parse_lines(long_line(characters[i], 255));
		cr_assert_eq(nodes.count, 1);
		cr_expect_eq(strlen(nodes.items[0].name), 255 * (i + 1));
		cr_expect_lt(strlen(nodes.items[0].name), EPMD_NAME_SIZE);
		cr_expect_eq(nodes.items[0].port, 9100);
		expect_refused(long_line(characters[i], 256), 1);
	}
}

Test(epmd, a_cut_reply_keeps_the_whole_lines_before_the_cut)
{
	static const char reply[] = PORT "name first at port 9100\nname second at port 25672\n";
	const size_t first = 4 + strlen("name first at port 9100\n");

	for (size_t size = 4; size < sizeof(reply); size++) {
		bool whole = size == 4 || size == first || size == sizeof(reply) - 1;

		cr_assert_eq(parse(reply, size), 0);
		cr_expect_eq(nodes.count, (size_t)(size >= first) + (size == sizeof(reply) - 1),
			     "cut at %zu", size);
		cr_expect_eq(nodes.refused, !whole, "cut at %zu", size);
	}
}

/* A reply of @count registrations, for free(). */
static char *many(size_t count, size_t *size)
{
	char *reply = malloc(4 + count * 40);

	memcpy(reply, PORT, 4);
	*size = 4;
	for (size_t i = 0; i < count; i++)
		*size += (size_t)sprintf(reply + *size, "name node%zu at port %zu\n", i,
					 1 + i % 65535);
	return reply;
}

Test(epmd, ten_thousand_names_are_all_read)
{
	size_t size;
	char *reply = many(10000, &size);

	cr_assert_eq(parse(reply, size), 0);
	free(reply);
	cr_assert_eq(nodes.count, 10000);
	cr_expect_eq(nodes.refused, 0);
	expect_node(0, "node0", 1);
	expect_node(9999, "node9999", 10000);
}

Test(epmd, what_is_beyond_the_limit_is_counted_as_refused)
{
	size_t size;
	char *reply = many(EPMD_NODES_MAX + 3, &size);

	cr_assert_eq(parse(reply, size), 0);
	free(reply);
	cr_expect_eq(nodes.count, EPMD_NODES_MAX);
	cr_expect_eq(nodes.refused, 3);
	expect_node(EPMD_NODES_MAX - 1, "node16383", EPMD_NODES_MAX);
}

Test(epmd, lines_that_are_refused_take_no_place_of_others)
{
	const size_t empty = EPMD_NODES_MAX + 10, size = 4 + empty + strlen("name a at port 1\n");
	char *reply = malloc(size + 1);

	memcpy(reply, PORT, 4);
	memset(reply + 4, '\n', empty);
	strcpy(reply + 4 + empty, "name a at port 1\n");
	cr_assert_eq(parse(reply, size), 0);
	free(reply);
	cr_expect_eq(nodes.refused, empty);
	cr_assert_eq(nodes.count, 1);
	expect_node(0, "a", 1);
}

Test(epmd, the_largest_reply_is_read_without_delay)
{
	char *reply = malloc(EPMD_REPLY_MAX);
	clock_t before = clock();

	/* One line that holds " at port " as often as it can. */
	memcpy(reply, PORT "name ", 9);
	for (size_t i = 9; i < EPMD_REPLY_MAX; i++)
		reply[i] = " at port "[(i - 9) % 9];
	reply[EPMD_REPLY_MAX - 1] = '\n';
	cr_assert_eq(parse(reply, EPMD_REPLY_MAX), 0);
	cr_expect_eq(nodes.refused, 1);
	memset(reply + 4, '\n', EPMD_REPLY_MAX - 4);
	cr_assert_eq(parse(reply, EPMD_REPLY_MAX), 0);
	cr_expect_eq(nodes.refused, EPMD_REPLY_MAX - 4);
	free(reply);
	cr_expect_lt(clock() - before, 5 * CLOCKS_PER_SEC);
}

static void expect_sound(unsigned int seed, unsigned int round)
{
	for (size_t i = 0; i < nodes.count; i++) {
		const char *c = nodes.items[i].name;

		cr_assert_neq(nodes.items[i].port, 0, "seed %u, round %u", seed, round);
		cr_assert(*c && strlen(c) < EPMD_NAME_SIZE, "seed %u, round %u", seed, round);
		while (*c) {
			uint32_t character = 0;
			size_t taken = text_decode(c, strlen(c), &character);

			cr_assert(taken && character != ' ' && text_is_harmless(character),
				  "seed %u, round %u: %s", seed, round, nodes.items[i].name);
			c += taken;
		}
	}
}

Test(epmd, mutated_replies_never_yield_a_harmful_name)
{
	static const char origin[] = PORT "name app at port 9100\nname nœud at port 25672\n"
					  "name x at port at port 22\nname ホスト at port 65535\n";
	static const char *const pieces[] = {" at port ", "\n", "name ", "\x1b", "\xc3", "65536"};
	const unsigned int seed = test_seed();
	size_t accepted = 0;

	srand(seed);
	for (unsigned int round = 0; round < 20000; round++) {
		char reply[sizeof(origin) + 64];
		size_t size = sizeof(origin) - 1;

		memcpy(reply, origin, size);
		for (int i = rand() % 6; i >= 0; i--) {
			size_t at = (size_t)rand() % size;
			const char *piece = pieces[(size_t)rand() % 6];

			if (rand() % 2)
				reply[at] = (char)rand();
			else if (at + strlen(piece) < size)
				memcpy(reply + at, piece, strlen(piece));
			if (rand() % 8 == 0)
				size = at + 1;
		}
		cr_assert_eq(parse(reply, size), size < 4 ? -EPROTO : 0, "seed %u, round %u", seed,
			     round);
		expect_sound(seed, round);
		accepted += nodes.count;
	}
	cr_assert_gt(accepted, 10000, "seed %u: too few names to prove anything", seed);
}
