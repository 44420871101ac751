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

Test(net_asks, no_more_questions_are_under_way_than_may_be)
{
	struct asks *asks = asks_open(base, path);

	for (uint64_t id = 1; id <= ASKS_MAX + 5; id++)
		asks_ask(asks, id, port);
	for (unsigned i = 0; i < ASKS_MAX; i++)
		close(accept_request());
	loop_until(requests == ASKS_MAX);
	cr_assert_lt(accept(listener, NULL, NULL), 0);
	loop_until(json_integer_value(json_object_get(told, "code")) == -EPROTO);
	for (unsigned i = 0; i < 20; i++)
		turn(-1);
	asks_ask(asks, 99, port);
	asks_cancel(asks);
	asks_close(asks);
}
