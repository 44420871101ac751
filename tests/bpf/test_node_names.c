// SPDX-License-Identifier: BSD-2-Clause
/* Which names that an epmd tells of are believed, and what becomes of the ports meanwhile. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/bpf/judging.h"

#define FIRST  21001
#define SECOND 21002
#define THIRD  21003

TestSuite(node_names, .init = judging_open, .fini = judging_close);

static bool is_closed(uint16_t port)
{
	return syn_to(port) == REASON_CLIENT_NEW;
}

static void expect_node(uint16_t port, const char *name)
{
	const struct known_listener *known = known_on(port);

	cr_expect_geq(known->evidence, EVIDENCE_REGISTERED, "port %u", port);
	cr_expect(known->node && !strcmp(known->node, name), "port %u is %s's, not %s's", port,
		  known->node ?: "nobody", name);
	cr_expect(is_closed(port), "port %u", port);
}

static void expect_doubt(uint16_t port, bool closed)
{
	const struct known_listener *known = known_on(port);
	const enum evidence evidence = closed ? EVIDENCE_DOUBT : EVIDENCE_NONE;

	cr_expect_eq(known->evidence, evidence, "port %u", port);
	cr_expect(known->wants_name, "port %u", port);
	cr_expect_null(known->node, "port %u", port);
	cr_expect_eq(is_closed(port), closed, "port %u", port);
	cr_expect(node_is_in_doubt(&judge, known, NULL, 0, false), "it is asked");
}

Test(node_names, a_name_for_a_process_with_a_connection_is_believed)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}, .connections = 1};
	struct heard heard;

	process_start(&node);
	heard = hear_names({"app", FIRST});
	cr_expect_eq(heard.doubted, 0);
	cr_expect_eq(heard.stray, 0);
	expect_node(FIRST, "app");
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_REGISTERED);
	cr_expect_eq(fence_cluster(&watching.fence, &known_on(FIRST)->kernel), 0, "by its name");
	process_end(&node);
}

Test(node_names, a_name_for_a_process_without_a_connection_is_stray)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}};
	struct process other = {.name = "beam.smp", .ports = {SECOND}, .connections = 1};
	struct heard heard;

	process_start(&node);
	process_start(&other);
	heard = hear_names({"app", FIRST}, {"none", THIRD});
	cr_expect_eq(heard.stray, 2);
	cr_expect_str_eq(heard.strange->name, "none");
	cr_expect_eq(known_on(FIRST)->evidence, EVIDENCE_NONE);
	cr_expect_not(is_closed(FIRST));
	process_end(&node);
	process_end(&other);
}

Test(node_names, a_connection_counts_that_was_there_before_the_question_and_is_still)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}, .connections = 1};
	struct fence_registration *rows;
	int count;

	process_start(&node);
	rows = registrations_now(&count);
	cr_assert_eq(count, 1);
	cr_expect_eq(
		hear_between((struct told[]){{"app", FIRST}, {NULL, 0}}, rows, 0, rows, 1).stray, 1,
		"it came after");
	cr_expect_eq(
		hear_between((struct told[]){{"app", FIRST}, {NULL, 0}}, rows, 1, rows, 0).stray, 1,
		"it is gone");
	rows[0].registration.epmd_port++;
	cr_expect_eq(
		hear_between((struct told[]){{"app", FIRST}, {NULL, 0}}, rows, 1, rows, 1).stray, 1,
		"it is to another epmd");
	cr_expect_not(is_closed(FIRST));
	free(rows);
	process_end(&node);
}

Test(node_names, with_more_names_than_connections_each_is_in_doubt_and_closed)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	process_start(&node);
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", SECOND}).doubted, 2);
	expect_doubt(FIRST, true);
	expect_doubt(SECOND, true);
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_NONE,
		     "a lie is not remembered");
	cr_expect(nodes_are_unsettled(&judge, NULL, 0));
	process_end(&node);
}

Test(node_names, what_one_process_is_told_to_be_does_not_touch_another)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}, .connections = 1};
	struct process other = {.name = "beam.smp", .ports = {SECOND, THIRD}, .connections = 1};

	process_start(&node);
	process_start(&other);
	cr_expect_eq(hear_names({"app", FIRST}, {"b", SECOND}, {"c", THIRD}).doubted, 2);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, true);
	process_end(&node);
	process_end(&other);
}

Test(node_names, two_names_for_one_port_are_both_in_doubt)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}, .connections = 1};

	process_start(&node);
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", FIRST}).doubted, 2);
	expect_doubt(FIRST, true);
	process_end(&node);
}

Test(node_names, a_name_that_was_there_before_the_process_is_not_its_own)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	early_name = "liar";
	process_start(&node);
	cr_expect_eq(hear_names({"liar", SECOND}, {"app", FIRST}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, false);
	process_end(&node);
}

/* A node that restarts between two questions, or whose epmd did, was named before it came. */
Test(node_names, a_name_from_before_is_asked_about_and_the_node_found)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	early_name = "app";
	process_start(&node);
	hear_names({"app", FIRST}, {"liar", SECOND});
	expect_doubt(FIRST, false);
	answer(FIRST, HANDSHAKE_DISTRIBUTION, "app@host");
	expect_node(FIRST, "app");
	process_end(&node);
}

Test(node_names, two_names_of_its_own_are_in_doubt_whatever_was_there_before)
{
	struct process node = {
		.name = "beam.smp", .ports = {FIRST, SECOND, THIRD}, .connections = 1};

	early_name = "old";
	process_start(&node);
	hear_names({"old", THIRD}, {"app", FIRST}, {"liar", SECOND});
	expect_doubt(FIRST, true);
	expect_doubt(SECOND, true);
	process_end(&node);
}

Test(node_names, a_beam_is_one_node_whatever_connections_it_has)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 2};

	process_start(&node);
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", SECOND}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, false);
	process_end(&node);
}

Test(node_names, where_a_node_s_port_is_known_another_is_asked_but_not_closed)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	process_start(&node);
	hear_names({"app", FIRST});
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", SECOND}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, false);
	/* Nor when the name that was true is gone. */
	cr_expect_eq(hear_names({"liar", SECOND}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, false);
	process_end(&node);
}

Test(node_names, a_port_that_is_known_under_a_name_is_given_no_other)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST}, .connections = 1};

	process_start(&node);
	hear_names({"app", FIRST});
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", FIRST}).doubted, 1);
	expect_node(FIRST, "app");
	cr_expect_not(known_on(FIRST)->wants_name);
	process_end(&node);
}

Test(node_names, the_name_in_the_command_line_wins_in_whichever_order_names_come)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	process_start(&node);
	look();
	known_on(FIRST)->said_node = strdup("app");
	known_on(SECOND)->said_node = strdup("app");
	cr_expect_eq(hear_names({"liar", SECOND}, {"app", FIRST}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, true);
	process_end(&node);
}

Test(node_names, the_name_in_the_command_line_leaves_the_other_port_open)
{
	struct process node = {.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};

	process_start(&node);
	look();
	known_on(FIRST)->said_node = strdup("app");
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", SECOND}).doubted, 1);
	expect_node(FIRST, "app");
	expect_doubt(SECOND, false);
	process_end(&node);
}

/* Processes that are no BEAM by their names: C nodes, or such as Java has. */

static int list_others(uint64_t since_ns, const char *name, uint16_t port)
{
	struct epmd_node item = {.name = (char *)name, .port = port};
	const struct epmd_nodes nodes = {.items = &item, .count = 1};
	struct hearing hearing = {.epmd_port = EPMD_PORT, .nodes = &nodes};
	struct fence_registration *rows = registrations_now(&hearing.now_count);
	int code;

	for (int i = 0; i < hearing.now_count; i++)
		rows[i].registration.since_ns = since_ns;
	hearing.now = hearing.before = rows;
	hearing.before_count = hearing.now_count;
	code = nodes_list_others(&judge, &hearing, NULL);
	if (code > 0)
		hear_between((struct told[]){{name, port}, {NULL, 0}}, rows, hearing.now_count,
			     rows, hearing.now_count);
	free(rows);
	return code;
}

Test(node_names, a_process_that_is_no_beam_is_a_node_by_a_connection_that_lasts)
{
	struct process node = {.name = "java", .ports = {FIRST, SECOND}, .connections = 1};
	struct fence_listener unknown;

	process_start(&node);
	cr_expect_eq(hear_names({"app", FIRST}).stray, 1);
	cr_expect_not(find_listener(FIRST, &unknown));
	cr_expect_eq(list_others(UINT64_MAX / 2, "app", FIRST), 0, "it may only be asking");
	cr_expect_not(find_listener(FIRST, &unknown));
	cr_expect_eq(list_others(1, "app", FIRST), 1);
	expect_node(FIRST, "app");
	cr_expect_eq(known_on(FIRST)->kernel.beam, 0);
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_REGISTERED);
	cr_expect_not(find_listener(SECOND, &unknown), "a port that nobody names");
	process_end(&node);
}

Test(node_names, a_process_that_is_no_beam_may_be_several_nodes)
{
	struct process node = {.name = "java", .ports = {FIRST, SECOND}, .connections = 2};
	struct fence_registration *rows;
	int count;

	process_start(&node);
	cr_expect_eq(list_others(0, "app", FIRST), 1);
	cr_expect_eq(list_others(0, "other", SECOND), 1);
	rows = registrations_now(&count);
	for (int i = 0; i < count; i++)
		rows[i].registration.since_ns = 0;
	cr_expect_eq(hear_between((struct told[]){{"app", FIRST}, {"other", SECOND}, {NULL, 0}},
				  rows, count, rows, count)
			     .doubted,
		     0);
	expect_node(FIRST, "app");
	expect_node(SECOND, "other");
	free(rows);
	process_end(&node);
}

Test(node_names, a_process_that_is_not_connected_is_not_listed)
{
	struct process node = {.name = "java", .ports = {FIRST}};
	struct fence_listener unknown;

	process_start(&node);
	cr_expect_eq(list_others(0, "app", FIRST), 0);
	cr_expect_not(find_listener(FIRST, &unknown));
	process_end(&node);
}
