// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/control_client.h"

TestSuite(control, .init = start, .fini = stop);

Test(control, a_request_gets_the_handlers_result)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\": 1, \"command\": \"echo\", \"arguments\": {\"a\": [1, null]}}\n");
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":{\"a\":[1,null]}}");
	tell(fd, "{\"version\": 1, \"command\": \"echo\"}\n");
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":{}}");
	close(fd);
}

Test(control, the_handler_learns_who_asks)
{
	SERVE();
	expect_service();
	cr_assert_eq(last_peer.uid, getuid());
	cr_assert_eq(last_peer.pid, getpid());
}

Test(control, a_refusal_carries_the_handlers_text)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"bogus\"}\n");
	expect(fd,
	       "{\"version\":1,\"ok\":false,\"error\":\"unknown command\",\"code\":\"invalid\"}");
	tell(fd, "{\"version\":1,\"command\":\"silent failure\"}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"Device or resource "
		   "busy\",\"code\":\"busy\"}");
	tell(fd, "{\"version\":1,\"command\":\"not UTF-8\"}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"cut ?\",\"code\":\"invalid\"}");
	close(fd);
}

Test(control, another_version_is_answered_with_the_one_that_is_spoken)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":2,\"command\":\"nothing\"}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"this agent speaks version 1 of the "
		   "control protocol\",\"code\":\"version\"}");
	close(fd);
}

Test(control, a_request_may_come_in_pieces)
{
	const char *request = NOTHING;
	int fd;

	SERVE();
	fd = connect_unix(path);
	for (const char *c = request; *c; c++) {
		cr_assert_eq(send(fd, c, 1, 0), 1);
		turn(fd);
	}
	expect(fd, DONE);
	close(fd);
}

Test(control, requests_sent_together_are_answered_in_order)
{
	char want[64];
	int fd;

	SERVE();
	fd = connect_unix(path);
	for (int i = 0; i < 100; i++) {
		char line[128];

		snprintf(line, sizeof(line),
			 "{\"version\":1,\"command\":\"echo\",\"arguments\":{\"n\":%d}}\n", i);
		tell(fd, line);
	}
	for (int i = 0; i < 100; i++) {
		char line[64];

		loop_read(fd, line, sizeof(line), true);
		snprintf(want, sizeof(want), "{\"version\":1,\"ok\":true,\"result\":{\"n\":%d}}\n",
			 i);
		cr_assert_str_eq(line, want);
	}
	close(fd);
}

Test(control, a_client_that_has_shut_its_side_gets_its_reply)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, NOTHING "half");
	shutdown(fd, SHUT_WR);
	expect(fd, DONE);
	expect_end(fd);
}

Test(control, what_is_not_json_gets_an_error_and_the_connection_ends)
{
	static const char *const garbage[] = {
		"\n",
		"GET / HTTP/1.1\r\n",
		"{\"version\":1,\"command\":\"nothing\"} {}\n",
		"{\"version\":1,\"version\":1,\"command\":\"nothing\"}\n",
		"{\"version\":1,\"command\":\"no\\u0000thing\"}\n",
		"{\"version\":1,\"command\":\"\xff\"}\n",
		"\x80\x01\x02\n",
	};

	SERVE();
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		int fd = connect_unix(path);

		tell(fd, garbage[i]);
		expect_error(fd);
		expect_end(fd);
	}
	cr_assert_eq(calls, 0);
	expect_service();
}

Test(control, a_deeply_nested_request_does_no_harm)
{
	static const char *const openings[] = {"[", "{\"a\":"};

	SERVE();
	for (size_t i = 0; i < 2; i++) {
		char line[PROTOCOL_LINE_MAX] = "";
		int fd = connect_unix(path);

		while (strlen(line) + 8 < sizeof(line))
			strcat(line, openings[i]);
		strcat(line, "\n");
		tell(fd, line);
		expect_error(fd);
		expect_end(fd);
	}
	expect_service();
}

Test(control, json_that_is_no_request_gets_an_error_and_may_try_again)
{
	static const char *const wrong[] = {
		"[]\n",
		"{}\n",
		"{\"version\":2,\"command\":\"nothing\"}\n",
		"{\"version\":\"1\",\"command\":\"nothing\"}\n",
		"{\"version\":1}\n",
		"{\"version\":1,\"command\":7}\n",
		"{\"version\":1,\"command\":\"nothing\",\"arguments\":[]}\n",
	};
	int fd;

	SERVE();
	fd = connect_unix(path);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tell(fd, wrong[i]);
		expect_error(fd);
	}
	cr_assert_eq(calls, 0);
	tell(fd, NOTHING);
	expect(fd, DONE);
	close(fd);
}

Test(control, a_large_reply_arrives_whole)
{
	char *reply;
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"big\",\"arguments\":{\"size\":20000000}}\n");
	reply = hear(fd);
	cr_assert_eq(strlen(reply),
		     20000000 + strlen("{\"version\":1,\"ok\":true,\"result\":\"\"}"));
	free(reply);
	close(fd);
}

Test(control, a_reply_may_come_later_and_the_next_request_waits_for_it)
{
	const struct error error = {"no disk"};
	uint64_t first;
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"later\"}\n{\"version\":1,\"command\":\"later\"}\n");
	loop_until(calls >= 1);
	first = last_peer.client;
	turn(fd);
	cr_assert_eq(calls, 1);
	expect_service();
	control_reply(control, first, 0, json_integer(7), NULL);
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":7}");
	loop_until(calls >= 3);
	control_reply(control, first, -EIO, json_integer(7), &error);
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"no disk\",\"code\":\"failed\"}");
	/* It waits for nothing any more, and nobody has that number. */
	control_reply(control, first, 0, json_integer(8), NULL);
	control_reply(control, first + 100, 0, json_integer(8), NULL);
	tell(fd, NOTHING);
	expect(fd, DONE);
	close(fd);
}

Test(control, a_late_reply_to_one_that_has_gone_harms_nobody)
{
	uint64_t gone;
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"later\"}\n");
	loop_until(calls >= 1);
	gone = last_peer.client;
	close(fd);
	expect_service();
	control_reply(control, gone, 0, json_integer(7), NULL);
	control_reply(control, gone, 0, json_integer(7), NULL);
	expect_service();
}

Test(control, closing_sends_the_replies_that_wait)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, NOTHING);
	while (!calls)
		event_base_loop(base, EVLOOP_ONCE);
	control_close(control);
	control = NULL;
	expect(fd, DONE);
	expect_end(fd);
}
