// SPDX-License-Identifier: BSD-2-Clause
#include "net/call.h"

#include "tests/unit/fake_agent.h"

static struct call *call;
static unsigned outcomes;
static int outcome_code;
static char outcome_text[512];

static void stop(void)
{
	call_cancel(call);
	stop_with_agent();
}

TestSuite(net_call, .init = start_with_agent, .fini = stop);

static void on_done(void *context, int code, const json_t *result, const struct error *error)
{
	cr_assert_eq(context, &outcomes);
	cr_assert_null(call, "the call is still there");
	outcomes++;
	outcome_code = code;
	strcpy(outcome_text, code ? error->text
				  : json_string_value(json_object_get(result, "text"))
					    ?: "no text");
}

static int begin(const char *command, json_t *arguments, unsigned timeout_ms)
{
	outcomes = 0;
	return call_start(base, path, command, arguments, timeout_ms, on_done, &outcomes, &call);
}

static void expect_outcome(int code, const char *text)
{
	loop_until(outcomes);
	cr_assert_eq(outcome_code, code, "%d", outcome_code);
	cr_assert_str_eq(outcome_text, text);
}

Test(net_call, a_call_brings_what_the_agent_says)
{
	cr_assert_eq(begin("echo", json_pack("{s:s}", "text", "hello"), DEADLINE_MS), 0);
	expect_outcome(0, "hello");
	cr_assert_eq(begin("refuse", NULL, DEADLINE_MS), 0);
	expect_outcome(-EREMOTEIO, "not now");
}

Test(net_call, a_call_ends_in_time_or_with_the_agent)
{
	cr_assert_eq(begin("later", NULL, 50), 0);
	expect_outcome(-ETIMEDOUT, "the agent does not answer");
	cr_assert_eq(begin("later", NULL, DEADLINE_MS), 0);
	loop_until(requests == 2);
	agent_close();
	expect_outcome(-ECONNRESET, "the agent has ended the connection");
	cr_assert_eq(begin("later", NULL, DEADLINE_MS), -ENOENT);
	cr_assert_null(call);
	agent_open();
}

Test(net_call, a_request_beyond_what_the_agent_takes_is_not_sent)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 500000; i++)
		json_array_append_new(list, json_string("0123456789"));
	cr_assert_eq(begin("names", json_pack("{s:o}", "nodes", list), DEADLINE_MS), -E2BIG);
}

Test(net_call, a_reply_that_makes_no_sense_is_an_error)
{
	static const char *const replies[] = {
		"\n",		"nonsense\n",	    "[1]\n",
		"{\"ok\":1}\n", "{\"ok\":false}\n", "{\"ok\":true,\"ok\":false}\n",
	};
	const int listener = listen_as_agent();

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		int fd;

		cr_assert_eq(begin("metrics", NULL, DEADLINE_MS), 0);
		fd = accept_on(listener);
		tell(fd, replies[i]);
		expect_outcome(-EPROTO, "the agent's reply makes no sense");
		close(fd);
	}
	close(listener);
	unlink(path);
}
