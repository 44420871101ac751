// SPDX-License-Identifier: BSD-2-Clause
/* What the network side may do at its socket, and what it may take. */
#include "agent/net_side.h"

#include <stdlib.h>

#include "tests/unit/fake_net_side.h"

#define PATIENCE_MS 150

TestSuite(net_side, .init = start, .fini = stop);

Test(net_side, errors_and_nonsense_are_answers_without_names)
{
	static const struct {
		const char *arguments;
		int code;
	} cases[] = {
		{"\"code\":-111", -ECONNREFUSED},
		{"\"code\":7", -EPROTO},
		{"\"code\":-9999999", -EPROTO},
		{"\"nodes\":{}", -EPROTO},
		{"\"code\":0", -EPROTO},
		{"\"code\":-111,\"nodes\":[[\"app\",9100]]", -111},
	};
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int id = ordered_ask(side);

		cr_assert(succeeds(
			request(ARGUMENTS("names", "\"id\":%d,%s"), id, cases[i].arguments)));
		cr_assert_eq(answers, i + 1);
		cr_assert_eq(answer_code, cases[i].code, "%s", cases[i].arguments);
		cr_assert_eq(answer_count, 0);
	}
	close(side);
}

Test(net_side, what_is_said_of_a_port_is_checked)
{
	static const struct {
		const char *arguments;
		int code;
		enum handshake_outcome outcome;
		const char *name;
	} cases[] = {
		{"\"code\":0,\"outcome\":\"distribution\",\"name\":\"app@host\"", 0,
		 HANDSHAKE_DISTRIBUTION, "app@host"},
		{"\"outcome\":\"distribution\",\"name\":\"\"", 0, HANDSHAKE_DISTRIBUTION, ""},
		{"\"outcome\":\"distribution\"", 0, HANDSHAKE_DISTRIBUTION, ""},
		{"\"outcome\":\"distribution\",\"name\":\"a b@host\"", 0, HANDSHAKE_DISTRIBUTION,
		 ""},
		{"\"outcome\":\"distribution\",\"name\":7", 0, HANDSHAKE_DISTRIBUTION, ""},
		{"\"outcome\":\"tls\",\"name\":\"app@host\"", 0, HANDSHAKE_TLS, ""},
		{"\"outcome\":\"other\",\"name\":\"\"", 0, HANDSHAKE_OTHER, ""},
		{"\"outcome\":\"closed\",\"name\":\"\"", 0, HANDSHAKE_CLOSED, ""},
		{"\"code\":-111,\"outcome\":\"distribution\",\"name\":\"app@host\"", -ECONNREFUSED,
		 HANDSHAKE_UNKNOWN, ""},
		{"\"code\":7,\"outcome\":\"other\"", -EPROTO, HANDSHAKE_UNKNOWN, ""},
		{"\"outcome\":\"Distribution\"", -EPROTO, HANDSHAKE_UNKNOWN, ""},
		{"\"outcome\":1", -EPROTO, HANDSHAKE_UNKNOWN, ""},
		{"\"code\":0", -EPROTO, HANDSHAKE_UNKNOWN, ""},
	};
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int id = ordered_probe(side);

		cr_assert(succeeds(
			request(ARGUMENTS("probed", "\"id\":%d,%s"), id, cases[i].arguments)));
		cr_assert_eq(probed, i + 1);
		cr_assert_eq(probed_code, cases[i].code, "%s", cases[i].arguments);
		cr_assert_eq(probed_answer.outcome, cases[i].outcome, "%s", cases[i].arguments);
		cr_assert_str_eq(probed_answer.name, cases[i].name);
	}
	close(side);
}

Test(net_side, names_are_checked_and_bounded)
{
	json_t *list = json_pack("[[s, i], [s, i], [s, i], [s, i], [i, i], [s], s, n, {}]", "app",
				 9100, "a b", 9101, "\xe2\x80\xae", 9102, "", 9103, 1, 2, "alone",
				 "text");
	struct epmd_nodes nodes;

	cr_assert_eq(net_side_parse_names(list, &nodes), 0);
	cr_assert_eq(nodes.count, 1);
	cr_assert_eq(nodes.refused, 8);
	cr_assert_str_eq(nodes.items[0].name, "app");
	cr_assert_eq(nodes.items[0].port, 9100);
	epmd_nodes_free(&nodes);
	json_array_clear(list);
	for (unsigned i = 0; i < EPMD_NODES_MAX + 10; i++)
		json_array_append_new(list, json_pack("[s, i]", "app", 9100));
	cr_assert_eq(net_side_parse_names(list, &nodes), 0);
	cr_assert_eq(nodes.count, EPMD_NODES_MAX);
	cr_assert_eq(nodes.refused, 10);
	epmd_nodes_free(&nodes);
	json_decref(list);
	cr_assert_eq(net_side_parse_names(NULL, &nodes), -EPROTO);
}

Test(net_side, metrics_and_health_are_those_of_this_process)
{
	json_t *reply;

	open_network(true, 0);
	reply = request(ARGUMENTS("metrics", ""));
	cr_assert_str_eq(json_string_value(json_object_get(reply, "result")),
			 "beamfence_enforcing 1\n");
	json_decref(reply);
	cr_assert(succeeds(request(ARGUMENTS("health", ""))));
	sick = true;
	cr_assert_not(succeeds(request(ARGUMENTS("metrics", ""))));
	reply = request(ARGUMENTS("health", ""));
	cr_assert_str_eq(json_string_value(json_object_get(reply, "error")), "eth0 is open");
	json_decref(reply);
	cr_assert_not(succeeds(request(ARGUMENTS("reload", ""))));
}

Test(net_side, a_newcomer_takes_the_place_of_the_former)
{
	char text[256];
	int former, newcomer;

	open_network(true, 0);
	former = connect_side(NULL);
	cr_assert_eq(ask(ASK_MS), 0);
	newcomer = connect_side(NULL);
	cr_assert_eq(answers, 1, "the former's answers are not waited for");
	cr_assert_eq(calls_to_ask, 2);
	json_decref(hear(former)); /* what it was asked */
	cr_assert_eq(loop_read(former, text, sizeof(text), false), 0);
	ordered_ask(newcomer);
	close(former);
	close(newcomer);
}

Test(net_side, newcomers_by_the_hundred_are_not_given_orders_each)
{
	char text[256];

	open_network(true, 0);
	for (unsigned i = 0; i < 100; i++) {
		const int fd = connect_unix(path);

		tell(fd, "{\"version\":1,\"command\":\"serve\"}\n");
		loop_read(fd, text, sizeof(text), true);
		close(fd);
	}
	cr_assert_leq(calls_to_ask, 5);
	close(connect_side(NULL)); /* the last one is */
}

Test(net_side, a_request_that_would_take_much_memory_is_refused)
{
	const size_t count = 1 << 20;
	char *line = malloc(3 * count + 1);
	json_t *reply;
	int fd;

	open_network(true, 0);
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"names\",\"arguments\":{\"id\":1,\"nodes\":[{}");
	for (size_t i = 0; i < count; i++)
		memcpy(line + 3 * i, ",{}", 4);
	cr_assert_eq(tell_all(fd, line, 3 * count), 3 * count);
	free(line);
	cr_assert_eq(tell_all(fd, "]}}\n", 4), 4);
	reply = hear(fd);
	cr_assert_str_eq(json_string_value(json_object_get(reply, "code")), "limit");
	json_decref(reply);
	close(fd);
}

Test(net_side, one_that_reads_nothing_is_cut_off)
{
	unsigned orders = 0;
	char text[4096];
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	while (!ask(ASK_MS)) {
		network_ask_cancel(query);
		turn(-1);
		cr_assert_lt(++orders, 10000, "it is still there");
	}
	loop_until(!recv(side, text, sizeof(text), MSG_DONTWAIT)); /* after what was on its way */
	close(side);
	side = connect_side(NULL);
	ordered_ask(side);
	close(side);
}

Test(net_side, one_that_is_away_for_long_is_a_problem_until_it_is_back)
{
	int side;

	open_network(true, PATIENCE_MS);
	cr_assert_str_eq(network_problem(network)->text, "");
	loop_until(network_problem(network)->text[0]);
	cr_assert(strstr(network_problem(network)->text, "does not connect"));
	cr_assert_eq(changes, 1);
	side = connect_side(NULL);
	cr_assert_str_eq(network_problem(network)->text, "");
	close(side);
	loop_until(network_problem(network)->text[0]);
}
