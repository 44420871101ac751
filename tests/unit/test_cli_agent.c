// SPDX-License-Identifier: BSD-2-Clause
/* Agents that are not there, not willing, or that make no sense. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cli/client.h"
#include "tests/unit/cli_run.h"

TestSuite(cli_agent, .init = start, .fini = stop);

Test(cli_agent, without_an_agent_the_status_is_3)
{
	cr_assert_eq(ASK("status"), 3);
	expect_error_line("is beamfenced running?");
	cr_assert(strstr(errors, path));
	listen_here();
	close(agent.listener); /* leaves a socket that nobody listens on */
	cr_assert_eq(ASK("reload"), 3);
	expect_error_line("is beamfenced running?");
}

Test(cli_agent, an_agent_that_hangs_up_is_status_3)
{
	answer(NULL);
	cr_assert_eq(ASK("status"), 3);
	expect_error_line("without an answer");
}

Test(cli_agent, an_agent_that_says_nothing_is_given_up)
{
	struct error error;
	json_t *result;

	listen_here();
	cr_assert_eq(client_request(path, 50, "status", NULL, &result, &error), -ETIMEDOUT);
	cr_assert(strstr(error.text, "did not answer"));
}

Test(cli_agent, an_agent_that_takes_nobody_in_is_given_up)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error error;
	json_t *result;
	int code;

	listen_here();
	strcpy(address.sun_path, path);
	do /* fill its queue */
		code = connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
			       (struct sockaddr *)&address, sizeof(address));
	while (!code);
	cr_assert_eq(client_request(path, 50, "status", NULL, &result, &error), -ETIMEDOUT);
}

Test(cli_agent, no_permission_is_status_1_and_says_who_may)
{
	if (getuid() == 0) {
		cr_assert_eq(chmod(directory, 0755), 0);
		listen_here();
		cr_assert_eq(chmod(path, 0600), 0);
		cr_assert_eq(seteuid(65534), 0);
	} else {
		listen_here();
		cr_assert_eq(chmod(path, 0), 0);
	}
	cr_assert_eq(ASK("status"), 1);
	expect_error_line("be root or in the group");
	seteuid(getuid());
}

Test(cli_agent, a_refusal_is_status_1_with_the_agents_line_made_harmless)
{
	answer("{\"version\":1,\"ok\":false,\"error\":\"no cluster \\u001b[31m\xc2\x9b"
	       "\xe2\x80\xae app\"}\n");
	cr_assert_eq(ASK("peers", "add", "app", "10.0.1.9"), 1);
	cr_assert_str_eq(errors, "beamfence: no cluster ?[31m\\xc2\\x9b\\xe2\\x80\\xae app\n");
}

Test(cli_agent, a_reply_that_makes_no_sense_is_status_1)
{
	static const char *const replies[] = {
		"nonsense\n",
		"[]\n",
		"{\"version\":2,\"ok\":true,\"result\":1}\n",
		"{\"version\":1,\"ok\":true}\n",
		"{\"version\":1,\"ok\":false}\n",
		"{\"ok\":true,\"result\":1}\n",
		"\n",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		answer(replies[i]);
		cr_assert_eq(ASK("status"), 1, "%s", replies[i]);
		expect_error_line("makes no sense");
		asked();
		dismiss();
	}
}

Test(cli_agent, a_result_of_any_size_is_read)
{
	const size_t size = 5000000;
	char *reply = malloc(size + 64);
	json_t *result = NULL;
	struct error error;
	int start = sprintf(reply, "{\"version\":1,\"ok\":true,\"result\":\"");

	memset(reply + start, 'x', size);
	strcpy(reply + (size_t)start + size, "\"}\n");
	answer(reply);
	cr_assert_eq(client_request(path, 10000, "x", NULL, &result, &error), 0, "%s", error.text);
	cr_assert_eq(json_string_length(result), size);
	json_decref(result);
	asked();
	free(reply);
}

Test(cli_agent, results_that_lack_everything_print_without_harm)
{
	static char *const names[] = {"status", "ports",  "peers",   "counters",
				      "reload", "detach", "confirm", "revert"};
	static const char *const results[] = {"null", "{}", "[1,null,{}]", "\"x\""};
	char reply[128];

	for (size_t i = 0; i < 4 * sizeof(names) / sizeof(names[0]); i++) {
		snprintf(reply, sizeof(reply), "{\"version\":1,\"ok\":true,\"result\":%s}\n",
			 results[i % 4]);
		answer(reply);
		cr_assert_eq(ASK(names[i / 4]), 0, "%s %s: %s", names[i / 4], reply, errors);
		asked();
		dismiss();
	}
}
