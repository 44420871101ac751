// SPDX-License-Identifier: BSD-2-Clause
/* What comes of an epmd that is silent, slow, endless or gone. */
#include "tests/unit/fake_epmd.h"

TestSuite(epmd_query_failures, .init = start, .fini = stop);

/* What all that never ends comes to, and that it neither takes too long nor gives up too early. */
static void expect_timeout(long started)
{
	long took;

	await_answer();
	took = now_ms() - started;
	expect_outcome(-ETIMEDOUT, 0, 0);
	cr_expect_geq(took, SHORT_MS * 9 / 10, "%ld ms", took); /* libevent's clock is coarse */
	cr_expect_lt(took, DEADLINE_MS / 2, "%ld ms", took);
}

Test(epmd_query_failures, an_epmd_that_never_answers_times_out)
{
	long started = now_ms();
	int fd;

	ask_within(SHORT_MS);
	fd = accept_request();
	expect_timeout(started);
	cr_expect_eq(recv(fd, &(char){0}, 1, 0), 0, "still connected");
	close(fd);
}

Test(epmd_query_failures, an_epmd_that_drips_times_out)
{
	long started = now_ms();
	int fd;

	ask_within(SHORT_MS);
	fd = accept_request();
	while (!outcome.answers) {
		cr_assert_lt(now_ms(), started + DEADLINE_MS, "it still listens");
		send(fd, "x", 1, 0);
		turn(-1);
	}
	expect_timeout(started);
	close(fd);
}

Test(epmd_query_failures, an_epmd_that_never_closes_times_out)
{
	static const char reply[] = REPLY_PORT "name app at port 9100\n";
	long started = now_ms();
	int fd;

	ask_within(SHORT_MS);
	fd = accept_request();
	tell_all(fd, reply, sizeof(reply) - 1);
	expect_timeout(started);
	close(fd);
}

Test(epmd_query_failures, an_epmd_that_never_accepts_times_out)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd full = {.events = POLLOUT};
	long started;

	/* With a full queue the kernel leaves a SYN without an answer. */
	listen(listener, 0);
	do {
		full.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		connect(full.fd, (struct sockaddr *)&address, sizeof(address));
	} while (poll(&full, 1, 50) == 1);
	started = now_ms();
	ask_within(SHORT_MS);
	expect_timeout(started);
}

Test(epmd_query_failures, an_endless_reply_is_given_up_at_the_bound)
{
	static char lines[1 << 16];
	size_t sent = 0;
	int fd = accept_query();

	memset(lines, 'x', sizeof(lines));
	while (!outcome.answers)
		sent += tell_all(fd, lines, sizeof(lines));
	await_answer();
	expect_outcome(-EMSGSIZE, 0, 0);
	cr_expect_gt(sent, EPMD_REPLY_MAX);
	cr_expect_lt(sent, 8 * EPMD_REPLY_MAX, "%zu bytes", sent); /* socket buffers */
	close(fd);
}

Test(epmd_query_failures, a_connection_that_is_reset_is_an_error)
{
	const struct linger reset = {.l_onoff = 1};
	int fd = accept_query();

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	reply_with(fd, REPLY_PORT "name app at port 9100\n", 26);
	expect_outcome(-ECONNRESET, 0, 0);
}

Test(epmd_query_failures, without_an_epmd_it_is_refused)
{
	unsigned int before = descriptors();

	close(listener);
	listener = bind_tcp(AF_INET, 0, &port); /* and nobody listens */
	ask_within(DEADLINE_MS);
	await_answer();
	expect_outcome(-ECONNREFUSED, 0, 0);
	cr_expect_eq(descriptors(), before);
}

Test(epmd_query_failures, without_descriptors_nothing_is_started)
{
	struct rlimit limit = without_descriptors();

	cr_expect_eq(epmd_query_start(base, port, SHORT_MS, answer, &outcome, &query), -EMFILE);
	with_descriptors(limit);
	cr_expect_null(query);
	event_base_dispatch(base); /* returns, as nothing is left to wait for */
	cr_expect_eq(outcome.answers, 0);
}
