// SPDX-License-Identifier: BSD-2-Clause
/* Where it listens: a port of either family, a Unix socket, and what cannot be. */
#include <sys/stat.h>

#include "tests/unit/http_endpoint.h"

TestSuite(http_address, .init = loop_start, .fini = stop);

Test(http_address, ipv6_is_served)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct error error;
	int code;

	code = open_on("::1", 0, 0, &http, &error);
	if (code == -EADDRNOTAVAIL || code == -EAFNOSUPPORT)
		cr_skip_test("this host has no IPv6");
	cr_assert_eq(code, 0, "%s", error.text);
	address.sin6_port = htons(http_port(http));
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	tell(fd, "GET /healthz HTTP/1.1\r\n\r\n");
	expect_body(hear(fd), "ok\n");
}

Test(http_address, a_unix_socket_serves_the_same_and_goes_with_the_endpoint)
{
	struct stat st;
	int fd;

	serve_on_file(0, 0);
	cr_assert_eq(http_port(http), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	fd = connect_unix(path);
	tell(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_body(hear(fd), "beamfence_enforcing 1\n");
	fd = connect_unix(path);
	tell(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(hear(fd), "HTTP/1.1 405 ");
	http_close(http);
	http = NULL;
	cr_assert_eq(access(path, F_OK), -1);
}

Test(http_address, a_unix_socket_that_another_serves_is_refused)
{
	struct http *second = NULL;
	struct error error;

	serve_on_file(0, 0);
	cr_assert_eq(open_on(path, 0, 0, &second, &error), -EADDRINUSE);
	cr_assert(strstr(error.text, "another agent answers on"), "%s", error.text);
	cr_assert_null(second);
	close(connect_unix(path));
}

Test(http_address, two_endpoints_can_be_open_at_a_time)
{
	struct http *second;
	struct error error;

	serve(0, 0);
	cr_assert_eq(open_on("127.0.0.1", 0, 0, &second, &error), 0, "%s", error.text);
	cr_assert_neq(http_port(http), http_port(second));
	expect_service();
	http_close(http);
	http = second;
	expect_service();
}

Test(http_address, closing_ends_open_connections)
{
	int fd;

	serve(0, 0);
	fd = connect_tcp(http_port(http));
	event_base_loop(base, EVLOOP_ONCE);
	http_close(http);
	http = NULL;
	cr_assert_str_empty(hear(fd));
}

Test(http_address, an_address_that_cannot_be_is_an_error)
{
	static const char *const bad[] = {"localhost", "", "[::1]", "1.2.3.4.5"};
	struct http *none = NULL;
	struct error error;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(open_on(bad[i], 0, 0, &none, &error), -EINVAL, "%s", bad[i]);
	cr_assert_eq(open_on("192.0.2.1", 0, 0, &none, &error), -EADDRNOTAVAIL);
	cr_assert(strstr(error.text, "192.0.2.1"));
	cr_assert_null(none);
}

Test(http_address, a_port_in_use_is_an_error)
{
	struct http_settings settings = {.host = "127.0.0.1", .metrics = metrics};
	struct http *none = NULL;
	struct error error;

	serve(0, 0);
	settings.port = http_port(http);
	cr_assert_eq(http_open(base, &settings, &none, &error), -EADDRINUSE);
	expect_service();
}
