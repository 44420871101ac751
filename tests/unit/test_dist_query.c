// SPDX-License-Identifier: BSD-2-Clause
/* Ports that are asked whether they are the distribution. */
#include "daemon/dist_query.h"

#include <stdlib.h>

#include "tests/unit/loop_sockets.h"

#define SHORT_MS 200
#define OK	 "\x00\x03sok"
#define CHALLENGE                                   \
	"\x00\x1bN\x00\x00\x00\x0d\x07\xdf\x7f\xbd" \
	"12341234\x00\x08short@vm"

static const uint8_t localhost[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};

static struct {
	unsigned int answers;
	int code;
	struct handshake_answer answer;
} outcome;

static struct dist_query *query;
static int listener;
static uint16_t port;

static void on_answer(void *context, int code, const struct handshake_answer *answer)
{
	cr_assert_eq(context, &outcome);
	cr_assert_null(query, "the query is still there");
	outcome.answers++;
	outcome.code = code;
	outcome.answer = *answer;
}

static void start(void)
{
	loop_start();
	listener = listen_tcp(&port);
}

static void stop(void)
{
	dist_query_cancel(query);
	close(listener);
	loop_stop();
}

TestSuite(dist_query, .init = start, .fini = stop);

static void ask_within(const uint8_t address[static 16], unsigned int timeout_ms)
{
	memset(&outcome, 0, sizeof(outcome));
	cr_assert_eq(dist_query_start(base, address, port, timeout_ms, on_answer, &outcome, &query),
		     0);
	cr_assert(query);
}

/* Waits for the query's connection and request. Returns the connection. */
static int accept_request(void)
{
	const int fd = accept_on(listener);
	uint8_t request[HANDSHAKE_REQUEST_SIZE + 16], expected[HANDSHAKE_REQUEST_SIZE];
	ssize_t size;

	handshake_write(expected);
	loop_until((size = recv(fd, request, sizeof(request), 0)) >= 0);
	cr_assert_eq((size_t)size, sizeof(expected));
	cr_assert_arr_eq(request, expected, sizeof(expected));
	return fd;
}

static void expect(int code, enum handshake_outcome expected, const char *name)
{
	loop_until(outcome.answers);
	event_base_loop(base, EVLOOP_NONBLOCK); /* frees what libevent frees late */
	cr_assert_eq(outcome.answers, 1);
	cr_assert_eq(outcome.code, code, "%s", strerror(-outcome.code));
	cr_assert_eq(outcome.answer.outcome, expected, "outcome %d", (int)outcome.answer.outcome);
	cr_assert_str_eq(outcome.answer.name, name);
}

/* That the query said nothing more, and has ended the connection. */
static void expect_closed(int fd)
{
	char byte;
	ssize_t size;

	loop_until((size = recv(fd, &byte, 1, MSG_DONTWAIT)) >= 0 || errno != EAGAIN);
	cr_assert_leq(size, 0, "it answered");
	close(fd);
}

Test(dist_query, a_node_tells_its_name_and_is_not_answered)
{
	static const char reply[] = OK CHALLENGE;
	const unsigned int before = descriptors();
	int fd;

	ask_within(localhost, DEADLINE_MS);
	fd = accept_request();
	for (size_t i = 0; i < sizeof(reply) - 1; i++) {
		cr_assert_eq(outcome.answers, 0, "after %zu bytes", i);
		cr_assert_eq(send(fd, reply + i, 1, 0), 1);
		turn(-1);
	}
	expect(0, HANDSHAKE_DISTRIBUTION, "short@vm");
	expect_closed(fd);
	cr_assert_eq(descriptors(), before);
}

Test(dist_query, what_is_no_node_is_told_from_one)
{
	static const struct {
		const char *reply;
		size_t size;
		enum handshake_outcome outcome;
	} cases[] = {
		{"\x00\x0csnot_allowed", 14, HANDSHAKE_DISTRIBUTION},
		{"HTTP/1.1 400 Bad Request\r\n\r\n", 28, HANDSHAKE_OTHER},
		{"AMQP\x00\x00\x09\x01", 8, HANDSHAKE_OTHER},
		{"\x15\x03\x03\x00\x02\x02\x0a", 7, HANDSHAKE_TLS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd;

		ask_within(localhost, DEADLINE_MS);
		fd = accept_request();
		tell_all(fd, cases[i].reply, cases[i].size);
		expect(0, cases[i].outcome, "");
		expect_closed(fd);
	}
}

Test(dist_query, an_endless_reply_is_not_read)
{
	static char lines[1 << 16];
	int fd;

	ask_within(localhost, DEADLINE_MS);
	fd = accept_request();
	tell_all(fd, lines, sizeof(lines));
	expect(0, HANDSHAKE_OTHER, "");
	expect_closed(fd);
}

Test(dist_query, who_ends_the_connection_at_once_is_closed)
{
	const struct linger reset = {.l_onoff = 1};
	int fd;

	ask_within(localhost, DEADLINE_MS);
	close(accept_request());
	expect(0, HANDSHAKE_CLOSED, "");
	ask_within(localhost, DEADLINE_MS);
	fd = accept_on(listener); /* which does not read */
	close(fd);
	expect(0, HANDSHAKE_CLOSED, "");
	ask_within(localhost, DEADLINE_MS);
	fd = accept_request();
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	expect(0, HANDSHAKE_CLOSED, "");
}

Test(dist_query, who_says_nothing_has_a_deadline)
{
	const long started = now_ms();
	int fd;

	ask_within(localhost, SHORT_MS); /* and nobody accepts */
	expect(-ETIMEDOUT, HANDSHAKE_UNKNOWN, "");
	close(accept_request());
	ask_within(localhost, SHORT_MS);
	fd = accept_request();
	tell_all(fd, "\x00\x03so", 4);
	expect(-ETIMEDOUT, HANDSHAKE_UNKNOWN, "");
	expect_closed(fd);
	cr_assert_geq(now_ms() - started, 2 * SHORT_MS * 9 / 10); /* libevent's clock is coarse */
}

Test(dist_query, a_node_that_is_slow_with_its_challenge_is_one_without_a_name)
{
	int fd;

	ask_within(localhost, SHORT_MS);
	fd = accept_request();
	tell_all(fd, OK "\x00\x1bN", 8);
	expect(0, HANDSHAKE_DISTRIBUTION, "");
	expect_closed(fd);
}

Test(dist_query, a_port_without_a_listener_is_refused)
{
	close(listener);
	listener = bind_tcp(AF_INET, 0, &port); /* and nobody listens */
	ask_within(localhost, DEADLINE_MS);
	expect(-ECONNREFUSED, HANDSHAKE_UNKNOWN, "");
}

Test(dist_query, wildcards_are_reached_at_loopback)
{
	static const uint8_t any_ipv4[16] = {[10] = 0xff, 0xff}, any_ipv6[16];

	ask_within(any_ipv4, DEADLINE_MS);
	tell_all(accept_request(), OK CHALLENGE, sizeof(OK CHALLENGE) - 1);
	expect(0, HANDSHAKE_DISTRIBUTION, "short@vm");
	ask_within(any_ipv6, DEADLINE_MS); /* ::1 refuses, as on a host without IPv6 */
	tell_all(accept_request(), OK CHALLENGE, sizeof(OK CHALLENGE) - 1);
	expect(0, HANDSHAKE_DISTRIBUTION, "short@vm");
	close(listener);
	listener = bind_tcp(AF_INET6, 0, &port);
	if (listener < 0)
		cr_skip_test("this host has no IPv6");
	cr_assert_eq(listen(listener, 16), 0);
	ask_within(any_ipv6, DEADLINE_MS);
	tell_all(accept_request(), OK CHALLENGE, sizeof(OK CHALLENGE) - 1);
	expect(0, HANDSHAKE_DISTRIBUTION, "short@vm");
}

Test(dist_query, a_cancelled_query_does_not_answer)
{
	struct dist_query *first;
	int fd;

	dist_query_cancel(NULL);
	ask_within(localhost, SHORT_MS);
	first = query;
	cr_assert_eq(dist_query_start(base, localhost, port, 1, on_answer, &outcome, &query),
		     -EALREADY);
	cr_assert_eq(query, first);
	fd = accept_request();
	tell_all(fd, OK, 5);
	dist_query_cancel(query);
	cr_assert_null(query);
	event_base_dispatch(base); /* returns, as nothing is left to wait for */
	expect_closed(fd);
	cr_assert_eq(outcome.answers, 0);
}

Test(dist_query, without_descriptors_nothing_is_started)
{
	struct rlimit limit = without_descriptors();

	cr_expect_eq(dist_query_start(base, localhost, port, 1, on_answer, &outcome, &query),
		     -EMFILE);
	with_descriptors(limit);
	cr_expect_null(query);
	event_base_dispatch(base);
	cr_expect_eq(outcome.answers, 0);
}
