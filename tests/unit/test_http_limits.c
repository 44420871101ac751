// SPDX-License-Identifier: BSD-2-Clause
/* What clients may take: of a request, of time, of connections. */
#include "tests/unit/http_endpoint.h"

TestSuite(http_limits, .init = loop_start, .fini = stop);

Test(http_limits, headers_beyond_the_bound_are_not_read)
{
	char request[3 * HTTP_HEADERS_MAX] = "GET /metrics HTTP/1.1\r\nX: ";
	int fd;

	serve(0, 0);
	memset(request + strlen(request), 'x', 2 * HTTP_HEADERS_MAX);
	strcat(request, "\r\n\r\n");
	fd = connect_tcp(http_port(http));
	send(fd, request, strlen(request), 0);
	cr_assert_null(strstr(hear(fd), "enforcing"));
	expect_service();
}

Test(http_limits, half_a_request_is_dropped_when_nothing_follows)
{
	serve(SHORT_MS, 0);
	cr_assert_null(strstr(ask("GET /metrics HTTP/1.1\r\nHost:"), "enforcing"));
	cr_assert_null(strstr(ask(""), "enforcing"));
	expect_service();
}

Test(http_limits, a_request_that_drips_is_dropped)
{
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	serve(0, SHORT_MS);
	fd = connect_tcp(http_port(http));
	tell(fd, "GET /metrics HTTP/1.1\r\nX: ");
	while (send(fd, "x", 1, 0) == 1) {
		cr_assert_lt(now_ms(), deadline, "it still listens");
		for (int i = 0; i < 20; i++)
			turn(fd);
	}
	close(fd);
	expect_service();
}

Test(http_limits, a_client_that_never_reads_is_dropped)
{
	struct pollfd waits;
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	serve(SHORT_MS, 0);
	metrics_size = 20 << 20;
	fd = connect_tcp(http_port(http));
	tell(fd, "GET /metrics HTTP/1.1\r\n\r\n");
	waits = (struct pollfd){.fd = fd, .events = POLLRDHUP};
	while (!(waits.revents & (POLLRDHUP | POLLHUP | POLLERR))) {
		cr_assert_lt(now_ms(), deadline, "still connected");
		event_base_loop(base, EVLOOP_NONBLOCK);
		poll(&waits, 1, 1);
	}
	close(fd);
	expect_service();
}

Test(http_limits, idle_connections_beyond_the_bound_wait_and_cost_nothing)
{
	enum { CLIENTS = HTTP_CONNECTIONS_MAX + 100 };
	unsigned before;
	long used;

	serve(5 * SHORT_MS, 0);
	before = descriptors();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connect_tcp(http_port(http));

		event_base_loop(base, EVLOOP_NONBLOCK);
		cr_assert_geq(fd, 0);
	}
	cr_assert_eq(descriptors(), before + CLIENTS + HTTP_CONNECTIONS_MAX);
	used = idle_cpu_ms();
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect_service(); /* once the first have been dropped for their silence */
}

Test(http_limits, idle_connections_to_a_unix_socket_are_bounded_and_end)
{
	int fds[HTTP_CONNECTIONS_MAX + 1];

	serve_on_file(60000, SHORT_MS);
	for (size_t i = 0; i <= HTTP_CONNECTIONS_MAX; i++) {
		fds[i] = connect_unix(path);
		event_base_loop(base, EVLOOP_NONBLOCK); /* the queue is shorter than that */
	}
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		cr_assert_str_eq(hear(fds[i]), "");
	tell(fds[HTTP_CONNECTIONS_MAX], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_body(hear(fds[HTTP_CONNECTIONS_MAX]), "ok\n");
}

Test(http_limits, connections_that_end_make_room)
{
	serve(0, 0);
	for (int i = 0; i < 3 * HTTP_CONNECTIONS_MAX; i++)
		expect_service();
}

Test(http_limits, without_descriptors_it_neither_spins_nor_gives_up)
{
	struct rlimit limit;
	long used;
	int fd;

	serve(0, 0);
	fd = connect_tcp(http_port(http));
	tell(fd, "GET /healthz HTTP/1.1\r\n\r\n");
	limit = without_descriptors();
	used = idle_cpu_ms();
	with_descriptors(limit);
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect_body(hear(fd), "ok\n");
}
