// SPDX-License-Identifier: BSD-2-Clause
#include "agent/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/scratch.h"

#define DEADLINE_MS 20000
#define DEADLINE_S  120
#define SHORT_MS    200

static struct event_base *base;
static struct http *http;
static int metrics_code;
static size_t metrics_size;

static int metrics(void *context, struct evbuffer *text)
{
	cr_assert_eq(context, &metrics_code);
	evbuffer_add_printf(text, "beamfence_enforcing 1\n");
	for (size_t i = 0; i < metrics_size; i++)
		evbuffer_add(text, "x", 1);
	return metrics_code;
}

static struct error sickness; /* the text that /healthz gives; "": all is well */

static int health(void *context, struct error *reason)
{
	cr_assert_eq(context, &metrics_code);
	*reason = sickness;
	return sickness.text[0] ? -ENOTCONN : 0;
}

static int open_on(const char *host, unsigned idle_ms, unsigned life_ms, struct http **result,
		   struct error *error)
{
	const struct http_settings settings = {
		.host = host,
		.group = (gid_t)-1,
		.metrics = metrics,
		.health = health,
		.context = &metrics_code,
		.idle_ms = idle_ms,
		.life_ms = life_ms,
	};

	return http_open(base, &settings, result, error);
}

static void serve(unsigned idle_ms, unsigned life_ms)
{
	struct error error;

	cr_assert_eq(open_on("127.0.0.1", idle_ms, life_ms, &http, &error), 0, "%s", error.text);
}

static void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
}

static void stop(void)
{
	http_close(http);
	event_base_free(base);
}

TestSuite(http, .init = start, .fini = stop);

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

static void turn(int fd)
{
	struct pollfd waits = {.fd = fd, .events = POLLIN};

	event_base_loop(base, EVLOOP_NONBLOCK);
	poll(&waits, 1, 1);
}

static void tell(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* All that comes until the server ends the connection, which this closes. Valid until the next. */
static const char *hear(int fd)
{
	static char text[1 << 16];
	long deadline = now_ms() + DEADLINE_MS;
	size_t length = 0;

	for (;;) {
		ssize_t got;

		cr_assert_lt(now_ms(), deadline, "the server did not end the connection");
		turn(fd);
		got = recv(fd, text + length, sizeof(text) - 1 - length, MSG_DONTWAIT);
		if (got > 0)
			length += (size_t)got;
		else if (got == 0 || errno != EAGAIN)
			break;
	}
	close(fd);
	text[length] = '\0';
	return text;
}

static const char *ask(const char *request)
{
	int fd = connect_to(http_port(http));

	tell(fd, request);
	return hear(fd);
}

static void expect_start(const char *reply, const char *start)
{
	cr_assert_eq(strncmp(reply, start, strlen(start)), 0, "%s", reply);
}

static void expect_body(const char *reply, const char *body)
{
	const char *end = strstr(reply, "\r\n\r\n");

	cr_assert(end, "%s", reply);
	cr_assert_str_eq(end + 4, body);
}

static void expect_service(void)
{
	expect_body(ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "ok\n");
}

Test(http, metrics_come_as_prometheus_text)
{
	const char *reply;

	serve(0, 0);
	reply = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(reply, "HTTP/1.1 200 OK\r\n");
	cr_assert(strstr(reply, "\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
	cr_assert(strstr(reply, "\r\nContent-Length: 22\r\n"));
	cr_assert_null(strstr(reply, "Server:"));
	expect_body(reply, "beamfence_enforcing 1\n");
}

Test(http, a_query_and_an_old_client_are_served_too)
{
	serve(0, 0);
	expect_body(ask("GET /metrics?x=1 HTTP/1.0\r\n\r\n"), "beamfence_enforcing 1\n");
	expect_body(ask("GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
		    "beamfence_enforcing 1\n");
}

Test(http, head_has_the_headers_of_get_and_no_body)
{
	const char *reply;

	serve(0, 0);
	reply = ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(reply, "HTTP/1.1 200 OK\r\n");
	cr_assert(strstr(reply, "\r\nContent-Length: 22\r\n"));
	expect_body(reply, "");
}

Test(http, healthz_says_ok)
{
	serve(0, 0);
	expect_service();
}

Test(http, healthz_says_what_is_wrong_with_status_503)
{
	const char *reply;

	serve(0, 0);
	strcpy(sickness.text, "eth0 (client) is open: busy");
	reply = ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(reply, "HTTP/1.1 503 Service Unavailable\r\n");
	expect_body(reply, "eth0 (client) is open: busy\n");
	expect_start(ask("HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 503 ");
	sickness.text[0] = '\0';
	expect_service();
}

static int connect_to_file(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

Test(http, a_unix_socket_serves_the_same_and_goes_with_the_endpoint)
{
	char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];
	struct error error;
	struct stat st;
	int fd;

	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/m.sock", directory);
	cr_assert_eq(open_on(path, 0, 0, &http, &error), 0, "%s", error.text);
	cr_assert_eq(http_port(http), 0);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	fd = connect_to_file(path);
	tell(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_body(hear(fd), "beamfence_enforcing 1\n");
	fd = connect_to_file(path);
	tell(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(hear(fd), "HTTP/1.1 405 ");
	http_close(http);
	http = NULL;
	cr_assert_eq(access(path, F_OK), -1);
	rmdir(directory);
}

Test(http, idle_connections_to_a_unix_socket_are_bounded_and_end)
{
	char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];
	int fds[HTTP_CONNECTIONS_MAX + 1];
	struct error error;

	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/m.sock", directory);
	cr_assert_eq(open_on(path, 60000, SHORT_MS, &http, &error), 0, "%s", error.text);
	for (size_t i = 0; i <= HTTP_CONNECTIONS_MAX; i++) {
		fds[i] = connect_to_file(path);
		event_base_loop(base, EVLOOP_NONBLOCK); /* the queue is shorter than that */
	}
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		cr_assert_str_eq(hear(fds[i]), "");
	tell(fds[HTTP_CONNECTIONS_MAX], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_body(hear(fds[HTTP_CONNECTIONS_MAX]), "ok\n");
	http_close(http);
	http = NULL;
	rmdir(directory);
}

Test(http, a_unix_socket_that_another_serves_is_refused)
{
	char directory[SCRATCH_MAX], path[SCRATCH_MAX + 16];
	struct http *second = NULL;
	struct error error;

	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/m.sock", directory);
	cr_assert_eq(open_on(path, 0, 0, &http, &error), 0, "%s", error.text);
	cr_assert_eq(open_on(path, 0, 0, &second, &error), -EADDRINUSE);
	cr_assert(strstr(error.text, "another agent answers on"), "%s", error.text);
	cr_assert_null(second);
	close(connect_to_file(path));
	http_close(http);
	http = NULL;
	rmdir(directory);
}

Test(http, other_paths_are_not_found)
{
	static const char *const paths[] = {"/",	 "/metrics/",  "/metrics/../healthz",
					    "//metrics", "/%6detrics", "http://x/none"};
	char request[128];

	serve(0, 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
		expect_start(ask(request), "HTTP/1.1 404 ");
	}
}

Test(http, other_methods_are_not_allowed)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"};
	char request[128];

	serve(0, 0);
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		const char *reply;

		snprintf(request, sizeof(request), "%s /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
			 methods[i]);
		reply = ask(request);
		expect_start(reply, "HTTP/1.1 405 ");
		cr_assert(strstr(reply, "\r\nAllow: GET, HEAD\r\n"));
	}
}

Test(http, metrics_that_cannot_be_had_are_a_server_error)
{
	const char *reply;

	serve(0, 0);
	metrics_code = -EIO;
	reply = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(reply, "HTTP/1.1 500 ");
	expect_body(reply, "Internal Server Error\n");
}

Test(http, garbage_ends_the_connection_and_nothing_else)
{
	static const char *const garbage[] = {
		"\r\n\r\n",
		"\x16\x03\x01\x02garbage\r\n\r\n",
		"GET\r\n\r\n",
		"GET /metrics\r\n\r\n",
		"FROB /metrics HTTP/1.1\r\n\r\n",
		"GET /metrics HTTP/9.9\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\n",
		"CONNECT x:1 HTTP/1.1\r\n\r\n",
		"GET http:// HTTP/1.1\r\n\r\n",
	};

	serve(SHORT_MS, 0);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
		cr_assert_null(strstr(ask(garbage[i]), "enforcing"), "%s", garbage[i]);
	expect_service();
}

Test(http, headers_beyond_the_bound_are_not_read)
{
	char request[3 * HTTP_HEADERS_MAX] = "GET /metrics HTTP/1.1\r\nX: ";
	int fd;

	serve(0, 0);
	memset(request + strlen(request), 'x', 2 * HTTP_HEADERS_MAX);
	strcat(request, "\r\n\r\n");
	fd = connect_to(http_port(http));
	send(fd, request, strlen(request), 0);
	cr_assert_null(strstr(hear(fd), "enforcing"));
	expect_service();
}

Test(http, half_a_request_is_dropped_when_nothing_follows)
{
	serve(SHORT_MS, 0);
	cr_assert_null(strstr(ask("GET /metrics HTTP/1.1\r\nHost:"), "enforcing"));
	cr_assert_null(strstr(ask(""), "enforcing"));
	expect_service();
}

Test(http, a_request_that_drips_is_dropped)
{
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	serve(0, SHORT_MS);
	fd = connect_to(http_port(http));
	tell(fd, "GET /metrics HTTP/1.1\r\nX: ");
	while (send(fd, "x", 1, 0) == 1) {
		cr_assert_lt(now_ms(), deadline, "it still listens");
		for (int i = 0; i < 20; i++)
			turn(fd);
	}
	close(fd);
	expect_service();
}

Test(http, a_client_that_never_reads_is_dropped)
{
	struct pollfd waits;
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	serve(SHORT_MS, 0);
	metrics_size = 20 << 20;
	fd = connect_to(http_port(http));
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

Test(http, one_connection_serves_one_request)
{
	const char *reply, *second;

	serve(0, 0);
	reply = ask("GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
		    "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
	second = strstr(reply + 1, "HTTP/1.1");
	cr_assert_null(second);
	cr_assert(strstr(reply, "\r\nConnection: close\r\n"));
}

static unsigned descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static long cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* The CPU time that the server uses in half a second with nothing to do. */
static long idle_cpu_ms(void)
{
	struct timeval span = {.tv_usec = 500000};
	long before = cpu_ms();

	event_base_loopexit(base, &span);
	event_base_dispatch(base);
	return cpu_ms() - before;
}

Test(http, idle_connections_beyond_the_bound_wait_and_cost_nothing)
{
	enum { CLIENTS = HTTP_CONNECTIONS_MAX + 100 };
	unsigned before;
	long used;

	serve(5 * SHORT_MS, 0);
	before = descriptors();
	for (int i = 0; i < CLIENTS; i++) {
		int fd = connect_to(http_port(http));

		event_base_loop(base, EVLOOP_NONBLOCK);
		cr_assert_geq(fd, 0);
	}
	cr_assert_eq(descriptors(), before + CLIENTS + HTTP_CONNECTIONS_MAX);
	used = idle_cpu_ms();
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect_service(); /* once the first have been dropped for their silence */
}

Test(http, connections_that_end_make_room)
{
	serve(0, 0);
	for (int i = 0; i < 3 * HTTP_CONNECTIONS_MAX; i++)
		expect_service();
}

Test(http, without_descriptors_it_neither_spins_nor_gives_up)
{
	struct rlimit limit, none;
	long used;
	int fd;

	serve(0, 0);
	fd = connect_to(http_port(http));
	tell(fd, "GET /healthz HTTP/1.1\r\n\r\n");
	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	used = idle_cpu_ms();
	setrlimit(RLIMIT_NOFILE, &limit);
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect_body(hear(fd), "ok\n");
}

Test(http, two_endpoints_can_be_open_at_a_time)
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

Test(http, closing_ends_open_connections)
{
	int fd;

	serve(0, 0);
	fd = connect_to(http_port(http));
	event_base_loop(base, EVLOOP_ONCE);
	http_close(http);
	http = NULL;
	cr_assert_str_empty(hear(fd));
}

Test(http, ipv6_is_served)
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

Test(http, an_address_that_cannot_be_is_an_error)
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

Test(http, a_port_in_use_is_an_error)
{
	struct http_settings settings = {.host = "127.0.0.1", .metrics = metrics};
	struct http *none = NULL;
	struct error error;

	serve(0, 0);
	settings.port = http_port(http);
	cr_assert_eq(http_open(base, &settings, &none, &error), -EADDRINUSE);
	expect_service();
}
