// SPDX-License-Identifier: BSD-2-Clause
/* Queries that epmd answers. Those that it fails: test_epmd_query_failures.c. */
#include "tests/seed.h"
#include "tests/unit/fake_epmd.h"

TestSuite(epmd_query, .init = start, .fini = stop);

static void expect_reply(const char *lines, size_t count, size_t refused)
{
	size_t size = 4 + strlen(lines);
	char *reply = malloc(size + 1);

	memcpy(reply, REPLY_PORT, 4);
	strcpy(reply + 4, lines);
	reply_with(accept_query(), reply, size);
	free(reply);
	expect_outcome(0, count, refused);
}

Test(epmd_query, names_are_asked_for_and_told)
{
	expect_reply("name app at port 9100\nname rabbit at port 25672\n", 2, 0);
	cr_expect_str_eq(outcome.first, "app");
	cr_expect_eq(outcome.first_port, 9100);
	expect_reply("", 0, 0);
}

Test(epmd_query, a_reply_in_single_bytes_is_read_whole)
{
	static const char reply[] = REPLY_PORT "name app at port 9100\nname x at port 9101\n";
	int fd = accept_query();

	for (size_t i = 0; i < sizeof(reply) - 1; i++) {
		tell_all(fd, reply + i, 1);
		turn(-1);
	}
	cr_assert_eq(outcome.answers, 0, "it did not wait for the end");
	close(fd);
	await_answer();
	expect_outcome(0, 2, 0);
}

Test(epmd_query, the_bound_itself_is_still_read)
{
	char *reply = malloc(EPMD_REPLY_MAX + 1);

	memset(reply, '\n', EPMD_REPLY_MAX + 1);
	reply_with(accept_query(), reply, EPMD_REPLY_MAX);
	expect_outcome(0, 0, EPMD_REPLY_MAX - 4);
	reply_with(accept_query(), reply, EPMD_REPLY_MAX + 1);
	expect_outcome(-EMSGSIZE, 0, 0);
	free(reply);
}

Test(epmd_query, ten_thousand_names_are_told)
{
	char *lines = malloc(10000 * 40), *at = lines;

	for (int i = 0; i < 10000; i++)
		at += sprintf(at, "name node%d at port %d\n", i, 1 + i);
	expect_reply(lines, 10000, 0);
	free(lines);
}

Test(epmd_query, names_of_255_multibyte_characters_are_told)
{
	char lines[2048] = "name ";

	for (int i = 0; i < 255; i++)
		strcat(lines, "\xf0\x9f\x90\x87");
	strcat(lines, " at port 9100\n");
	expect_reply(lines, 1, 0);
	cr_expect_eq(strlen(outcome.first), 1020);
}

Test(epmd_query, harmful_and_lying_names_are_refused)
{
	expect_reply("name \x1b[2J at port 1\nname a\rb at port 2\nname x at port 22 at port 3\n"
		     "name good at port 4\nname cut at po",
		     1, 4);
	cr_expect_str_eq(outcome.first, "good");
}

Test(epmd_query, what_is_no_epmd_has_no_names)
{
	static const char *const banners[] = {"SSH-2.0-OpenSSH_9.2\r\n",
					      "HTTP/1.1 400 Bad Request\r\n\r\n",
					      "220 mail ESMTP\r\n"};

	for (size_t i = 0; i < 3; i++) {
		reply_with(accept_query(), banners[i], strlen(banners[i]));
		cr_expect_eq(outcome.code, 0);
		cr_expect_eq(outcome.count, 0);
		cr_expect_gt(outcome.refused, 0);
	}
}

Test(epmd_query, a_reply_too_short_for_a_port_is_a_protocol_error)
{
	for (size_t size = 0; size < 4; size++) {
		reply_with(accept_query(), REPLY_PORT, size);
		expect_outcome(-EPROTO, 0, 0);
	}
}

Test(epmd_query, an_epmd_on_ipv6_alone_is_found)
{
	static const char reply[] = REPLY_PORT "name six at port 9100\n";
	int ipv4 = -1;

	for (int tries = 0; ipv4 < 0; tries++) {
		cr_assert_lt(tries, 1000);
		close(listener);
		listener = bind_tcp(AF_INET6, 0, &port);
		if (listener < 0)
			cr_skip_test("this host has no IPv6");
		ipv4 = bind_tcp(AF_INET, port, &port); /* kept, so that nobody listens there */
	}
	cr_assert_eq(listen(listener, 16), 0);
	reply_with(accept_query(), reply, sizeof(reply) - 1);
	expect_outcome(0, 1, 0);
	cr_expect_str_eq(outcome.first, "six");
	close(ipv4);
}

Test(epmd_query, a_cancelled_query_does_not_answer)
{
	unsigned int before = descriptors();
	struct pollfd waits;
	int fd;

	epmd_query_cancel(NULL);
	ask_within(SHORT_MS);
	epmd_query_cancel(query); /* while it connects */
	cr_assert_null(query);
	fd = accept4(listener, NULL, NULL, 0);
	close(fd);
	fd = accept_query();
	tell_all(fd, REPLY_PORT, 4);
	epmd_query_cancel(query);  /* with half a reply */
	event_base_dispatch(base); /* returns, as nothing is left to wait for */
	waits = (struct pollfd){.fd = fd, .events = POLLRDHUP};
	cr_expect_eq(poll(&waits, 1, DEADLINE_MS), 1, "still connected");
	close(fd);
	cr_expect_eq(outcome.answers, 0);
	cr_expect_eq(descriptors(), before);
}

Test(epmd_query, an_owner_has_one_query_at_a_time)
{
	struct epmd_query *first;

	ask_within(DEADLINE_MS);
	first = query;
	cr_expect_eq(epmd_query_start(base, port, 1, answer, &outcome, &query), -EALREADY);
	cr_expect_eq(query, first);
}

static void ask_again(void *context, uint16_t asked, int code, const struct epmd_nodes *nodes)
{
	(void)nodes;
	cr_assert_eq(code, 0);
	cr_assert_eq(epmd_query_start(base, asked, DEADLINE_MS, answer, context, &query), 0);
}

Test(epmd_query, the_next_query_may_start_from_an_answer)
{
	int fd;

	cr_assert_eq(epmd_query_start(base, port, DEADLINE_MS, ask_again, &outcome, &query), 0);
	fd = accept_request();
	tell_all(fd, REPLY_PORT, 4);
	close(fd);
	reply_with(accept_request(), REPLY_PORT, 4);
	expect_outcome(0, 0, 0);
}

Test(epmd_query, mutated_replies_do_no_harm_and_leave_nothing_behind)
{
	static const char origin[] = REPLY_PORT "name app at port 9100\nname nœud at port 25672\n";
	const unsigned int seed = test_seed();
	unsigned int before = descriptors();
	size_t names = 0;

	srand(seed);
	for (int round = 0; round < 500; round++) {
		size_t size = (size_t)rand() % 4 ? sizeof(origin) - 1
						 : (size_t)rand() % sizeof(origin);
		char reply[sizeof(origin)];

		memcpy(reply, origin, sizeof(origin));
		for (int i = rand() % 4; i > 0; i--)
			reply[(size_t)rand() % sizeof(origin)] = (char)rand();
		reply_with(accept_query(), reply, size);
		cr_assert_eq(outcome.code, size < 4 ? -EPROTO : 0, "seed %u, round %d", seed,
			     round);
		names += outcome.count;
	}
	cr_expect_gt(names, 100, "seed %u: too few names to prove anything", seed);
	cr_expect_eq(descriptors(), before, "seed %u", seed);
}
