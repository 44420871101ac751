// SPDX-License-Identifier: BSD-2-Clause
/* What clients may take: of a line, of time, of room for replies, of connections. */
#include "tests/unit/control_client.h"

TestSuite(control_limits, .init = start, .fini = stop);

/* A request of @length bytes, newline included. */
static char *request_of(size_t length)
{
	const char *request = NOTHING;
	char *line = malloc(length + 1);

	memset(line, ' ', length);
	memcpy(line + length - strlen(request), request, strlen(request) + 1);
	return line;
}

Test(control_limits, a_line_may_be_as_long_as_the_protocol_says_and_no_longer)
{
	char *longest = request_of(PROTOCOL_LINE_MAX);
	char *longer = request_of(PROTOCOL_LINE_MAX + 1);
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, longest);
	expect(fd, DONE);
	tell(fd, longer);
	expect_error(fd);
	expect_end(fd);
	cr_assert_eq(calls, 1);
	free(longest);
	free(longer);
	expect_service();
}

/* Sends a request of that command whose line has @size bytes; serves meanwhile. */
static void tell_long(int fd, const char *command, size_t size)
{
	char *line = malloc(size + 1);
	size_t length = (size_t)sprintf(
		line, "{\"version\":1,\"command\":\"%s\",\"arguments\":{\"text\":\"", command);

	memset(line + length, 'x', size - length);
	strcpy(line + size - 4, "\"}}\n");
	tell_all(fd, line, size);
	free(line);
}

static const char *const long_commands[] = {"try", "size", NULL};

Test(control_limits, one_command_may_have_a_long_line)
{
	char reply[100];
	int fd;

	SERVE(.long_commands = long_commands);
	fd = connect_unix(path);
	tell_long(fd, "size", PROTOCOL_LONG_LINE_MAX);
	snprintf(reply, sizeof(reply), "{\"version\":1,\"ok\":true,\"result\":%zu}",
		 PROTOCOL_LONG_LINE_MAX - strlen("{'version':1,'command':'size','arguments':"
						 "{'text':''}}\n"));
	expect(fd, reply);
	tell_long(fd, "echo", PROTOCOL_LINE_MAX + 1);
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"the request is too long\","
		   "\"code\":\"limit\"}");
	tell_long(fd, "size", PROTOCOL_LONG_LINE_MAX + 1);
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"the request is too long\","
		   "\"code\":\"limit\"}");
	expect_end(fd);
}

Test(control_limits, only_one_client_at_a_time_may_send_a_long_line)
{
	char text[PROTOCOL_LINE_MAX + 1];
	int first, second;

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	SERVE(.long_commands = long_commands);
	first = connect_unix(path);
	tell(first, text);
	for (int i = 0; i < 10; i++)
		turn(first);
	second = connect_unix(path);
	tell(second, text);
	expect(second, "{\"version\":1,\"ok\":false,\"error\":\"another long request is being "
		       "sent: try again in a moment\",\"code\":\"busy\"}");
	expect_end(second);
	tell(first, "{\"version\":1,\"command\":\"size\"}\n");
	expect(first, "{\"version\":1,\"ok\":true,\"result\":0}");
	close(first);
}

Test(control_limits, an_endless_line_is_cut_off)
{
	char block[4096];
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	SERVE();
	memset(block, 'x', sizeof(block));
	fd = connect_unix(path);
	while (send(fd, block, sizeof(block), 0) > 0 || errno == EAGAIN) {
		cr_assert_lt(now_ms(), deadline);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	cr_assert(errno == EPIPE || errno == ECONNRESET);
	expect_error(fd);
	expect_end(fd);
	expect_service();
}

Test(control_limits, a_silent_client_is_dropped)
{
	int fd;

	SERVE(.idle_ms = SHORT_MS);
	fd = connect_unix(path);
	expect_end(fd);
}

Test(control_limits, a_line_that_drips_is_dropped_however_it_drips)
{
	long begun = now_ms();
	bool ended = false;
	int fd;

	SERVE(.half_line_ms = SHORT_MS);
	fd = connect_unix(path);
	while (!ended) {
		char byte;

		cr_assert_lt(now_ms(), begun + DEADLINE_MS);
		send(fd, " ", 1, 0);
		turn(fd);
		ended = recv(fd, &byte, 1, MSG_DONTWAIT) == 1; /* of the error */
	}
	cr_assert_geq(now_ms(), begun + SHORT_MS / 2);
	close(fd);
	expect_service();
}

Test(control_limits, a_client_with_whole_lines_is_not_taken_for_a_silent_one)
{
	long end = now_ms() + 5 * SHORT_MS;
	int fd;

	SERVE(.idle_ms = SHORT_MS * 2, .half_line_ms = SHORT_MS * 2);
	fd = connect_unix(path);
	while (now_ms() < end) {
		tell(fd, NOTHING);
		expect(fd, DONE);
	}
	close(fd);
}

Test(control_limits, a_client_that_never_reads_is_cut_off_and_harms_nobody)
{
	struct pollfd waits;
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	SERVE(.stall_ms = 10 * SHORT_MS);
	fd = connect_unix(path);
	waits = (struct pollfd){.fd = fd, .events = 0};
	for (int i = 0; i < 10; i++)
		tell(fd, "{\"version\":1,\"command\":\"big\",\"arguments\":{\"size\":5000000}}\n");
	expect_service();
	while (poll(&waits, 1, 1) == 0) {
		cr_assert_lt(now_ms(), deadline, "still connected");
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	cr_assert(waits.revents & POLLHUP);
	cr_assert_leq(calls, 2, "only one reply was made for it");
	close(fd);
}

Test(control_limits, a_reply_beyond_the_bound_is_refused_and_small_ones_still_go)
{
	int fd;

	SERVE();
	fd = connect_unix(path);
	tell(fd, "{\"version\":1,\"command\":\"big\",\"arguments\":{\"size\":134217728}}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":"
		   "\"the reply is too large while others wait: try again later\","
		   "\"code\":\"busy\"}");
	close(fd);
	expect_service();
}

Test(control_limits, one_client_too_many_takes_the_place_of_the_one_that_was_silent_longest)
{
	int clients[CONTROL_CLIENTS_MAX], late;

	SERVE();
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_unix(path);
		tell(clients[i], NOTHING);
		expect(clients[i], DONE);
	}
	tell(clients[0], NOTHING);
	expect(clients[0], DONE);
	late = connect_unix(path);
	tell(late, NOTHING);
	expect(late, DONE);
	expect_end(clients[1]);
	tell(clients[0], NOTHING);
	expect(clients[0], DONE);
	tell(clients[2], NOTHING);
	expect(clients[2], DONE);
}

Test(control_limits, one_client_too_many_waits_while_every_other_has_a_reply_to_read)
{
	int clients[CONTROL_CLIENTS_MAX], late;

	SERVE();
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_unix(path);
		tell(clients[i], "{\"version\":1,\"command\":\"big\","
				 "\"arguments\":{\"size\":1000000}}\n");
		loop_until(calls > (unsigned)i);
	}
	late = connect_unix(path);
	tell(late, NOTHING);
	for (int i = 0; i < 50; i++)
		turn(late);
	cr_assert_eq(calls, CONTROL_CLIENTS_MAX, "it was served all the same");
	close(clients[7]);
	expect(late, DONE);
}

Test(control_limits, without_descriptors_it_neither_spins_nor_gives_up)
{
	struct rlimit limit;
	int fd;
	long used;

	SERVE();
	fd = connect_unix(path);
	tell(fd, NOTHING);
	limit = without_descriptors();
	used = idle_cpu_ms();
	with_descriptors(limit);
	cr_assert_eq(calls, 0);
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect(fd, DONE);
	close(fd);
}
