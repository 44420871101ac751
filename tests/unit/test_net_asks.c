// SPDX-License-Identifier: BSD-2-Clause
#include "net/asks.h"

#include "tests/unit/fake_agent.h"
#include "tests/unit/fake_epmd.h"

static void start_both(void)
{
	start();
	agent_make();
}

static void stop_both(void)
{
	agent_remove();
	stop();
}

TestSuite(net_asks, .init = start_both, .fini = stop_both);

Test(net_asks, what_epmd_says_goes_to_the_agent_under_the_number)
{
	static const char reply[] = REPLY_PORT "name app at port 9100\nname b at port 9101\n";
	struct asks *asks = asks_open(base, path);
	json_int_t id, code, second;
	json_t *nodes;
	int epmd;

	asks_ask(asks, 7, port);
	epmd = accept_request();
	cr_assert_eq(tell_all(epmd, reply, sizeof(reply) - 1), sizeof(reply) - 1);
	close(epmd);
	loop_until(told);
	cr_assert_eq(
		json_unpack(told, "{s:I, s:I, s:o}", "id", &id, "code", &code, "nodes", &nodes), 0);
	cr_assert_eq(id, 7);
	cr_assert_eq(code, 0);
	cr_assert_eq(json_array_size(nodes), 2);
	second = json_integer_value(json_array_get(json_array_get(nodes, 1), 1));
	cr_assert_eq(second, 9101);
	close(listener);
	listener = bind_tcp(AF_INET, 0, &port); /* and nobody listens */
	asks_ask(asks, 8, port);
	loop_until(requests == 2);
	cr_assert_eq(json_integer_value(json_object_get(told, "code")), -ECONNREFUSED);
	asks_close(asks);
}

static void expect_probed(unsigned count, int wanted_code, const char *wanted_outcome,
			  const char *wanted_name)
{
	const char *outcome_word, *name;
	json_int_t id, code;

	loop_until(requests == count);
	cr_assert_eq(json_unpack(told, "{s:I, s:I, s:s}", "id", &id, "code", &code, "name", &name),
		     0);
	outcome_word = json_string_value(json_object_get(told, "outcome"));
	cr_assert_eq(id, (json_int_t)count);
	cr_assert_eq(code, wanted_code);
	cr_assert_str_eq(outcome_word ?: "", wanted_outcome);
	cr_assert_str_eq(name, wanted_name);
}

Test(net_asks, what_a_port_says_goes_to_the_agent_under_the_number)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, 0xff}, nowhere[16] = {0xff, 0x01};
	static const char reply[] = "\x00\x03sok\x00\x1bN\x00\x00\x00\x0d\x07\xdf\x7f\xbd"
				    "12341234\x00\x08short@vm";
	struct asks *asks = asks_open(base, path);
	int fd;

	asks_probe(asks, 1, any_ipv4, port, DEADLINE_MS);
	fd = accept_on(listener);
	cr_assert_eq(tell_all(fd, reply, sizeof(reply) - 1), sizeof(reply) - 1);
	expect_probed(1, 0, "distribution", "short@vm");
	close(fd);
	asks_probe(asks, 2, any_ipv4, port, DEADLINE_MS);
	close(accept_on(listener));
	expect_probed(2, 0, "closed", "");
	asks_probe(asks, 3, any_ipv4, port, 50);
	expect_probed(3, -ETIMEDOUT, "", "");
	asks_probe(asks, 4, nowhere, port, DEADLINE_MS); /* multicast: connect(2) fails at once */
	expect_probed(4, -ENETUNREACH, "", "");
	asks_close(asks);
}

Test(net_asks, no_more_ports_are_asked_at_once_than_may_be)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, 0xff};
	struct asks *asks = asks_open(base, path);
	int nodes[ASKS_MAX];

	for (uint64_t id = 1; id <= ASKS_MAX + 5; id++)
		asks_probe(asks, id, any_ipv4, port, DEADLINE_MS);
	for (unsigned i = 0; i < ASKS_MAX; i++)
		nodes[i] = accept_on(listener);
	for (unsigned i = 0; i < 20; i++)
		turn(-1);
	cr_assert_lt(accept(listener, NULL, NULL), 0);
	for (unsigned i = 0; i < ASKS_MAX; i++)
		close(nodes[i]);
	loop_until(requests == ASKS_MAX);
	asks_close(asks);
}

Test(net_asks, no_more_questions_are_under_way_than_may_be)
{
	struct asks *asks = asks_open(base, path);

	for (uint64_t id = 1; id <= ASKS_MAX + 5; id++)
		asks_ask(asks, id, port);
	asks_probe(asks, 98, (uint8_t[16]){[10] = 0xff, 0xff, 127, 0, 0, 1}, port, DEADLINE_MS);
	for (unsigned i = 0; i < ASKS_MAX; i++)
		close(accept_request());
	loop_until(requests == ASKS_MAX);
	cr_assert_lt(accept(listener, NULL, NULL), 0);
	loop_until(json_integer_value(json_object_get(told, "code")) == -EPROTO);
	for (unsigned i = 0; i < 20; i++)
		turn(-1);
	asks_ask(asks, 99, port);
	asks_probe(asks, 100, (uint8_t[16]){[15] = 1}, port, DEADLINE_MS);
	asks_cancel(asks);
	asks_close(asks);
}
