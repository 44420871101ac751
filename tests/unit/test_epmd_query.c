// SPDX-License-Identifier: BSD-2-Clause
#include "agent/epmd_query.h"
#include "tests/seed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EPMD	    "/usr/bin/epmd"
#define DEADLINE_MS 20000
#define DEADLINE_S  120
#define SHORT_MS    200
#define REPLY_PORT  "\x00\x00\x11\x11" /* epmd's own, before the names */

/* What came out of the last query. */
static struct {
	unsigned int answers;
	int code;
	uint16_t port;
	size_t count, refused;
	char first[EPMD_NAME_SIZE];
	uint16_t first_port;
} outcome;

static struct event_base *base;
static struct epmd_query *query;
static int listener;  /* of the fake epmd */
static uint16_t port; /* that it listens on */

static void answer(void *context, uint16_t asked, int code, const struct epmd_nodes *nodes)
{
	cr_assert_eq(context, &outcome);
	cr_assert_null(query, "the query is still there");
	outcome.answers++;
	outcome.code = code;
	outcome.port = asked;
	outcome.count = nodes->count;
	outcome.refused = nodes->refused;
	cr_assert(!code || !nodes->count);
	if (nodes->count) {
		strcpy(outcome.first, nodes->items[0].name);
		outcome.first_port = nodes->items[0].port;
	}
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Binds a new socket to @wanted (0: any) of this host. Returns it, and its port in @bound. */
static int bind_to(int family, uint16_t wanted, uint16_t *bound)
{
	struct sockaddr_in ipv4 = {.sin_family = AF_INET,
				   .sin_port = htons(wanted),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6,
				    .sin6_port = htons(wanted),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *address = family == AF_INET ? (void *)&ipv4 : (void *)&ipv6;
	socklen_t size = family == AF_INET ? sizeof(ipv4) : sizeof(ipv6);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, size) || getsockname(fd, address, &size)) {
		close(fd);
		return -1;
	}
	*bound = ntohs(family == AF_INET ? ipv4.sin_port : ipv6.sin6_port);
	return fd;
}

static void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	listener = bind_to(AF_INET, 0, &port);
	cr_assert(listener >= 0 && !listen(listener, 16));
}

static void stop(void)
{
	epmd_query_cancel(query);
	close(listener);
	event_base_free(base);
}

TestSuite(epmd_query, .init = start, .fini = stop);

static void turn(int fd)
{
	struct pollfd waits = {.fd = fd, .events = POLLIN};

	event_base_loop(base, EVLOOP_NONBLOCK);
	poll(&waits, 1, 1);
}

static void ask_within(unsigned int timeout_ms)
{
	memset(&outcome, 0, sizeof(outcome));
	cr_assert_eq(epmd_query_start(base, port, timeout_ms, answer, &outcome, &query), 0);
	cr_assert(query);
}

/* Waits for the query's connection and request. Returns the connection. */
static int accept_request(void)
{
	long deadline = now_ms() + DEADLINE_MS;
	char request[16];
	ssize_t size = -1;
	int fd = -1;

	while (fd < 0) {
		cr_assert_lt(now_ms(), deadline, "nobody connected");
		turn(listener);
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	}
	while (size < 0) {
		cr_assert_lt(now_ms(), deadline, "nothing was asked");
		turn(fd);
		size = recv(fd, request, sizeof(request), 0);
	}
	cr_assert_eq(size, 3);
	cr_assert_arr_eq(request, "\x00\x01n", 3);
	return fd;
}

static int accept_query(void)
{
	ask_within(DEADLINE_MS);
	return accept_request();
}

static void await_answer(void)
{
	long deadline = now_ms() + DEADLINE_MS;

	while (!outcome.answers) {
		cr_assert_lt(now_ms(), deadline, "no answer");
		turn(-1);
	}
	event_base_loop(base, EVLOOP_NONBLOCK); /* frees what libevent frees late */
	cr_assert_eq(outcome.answers, 1);
	cr_assert_eq(outcome.port, port);
}

/* Sends all that the query takes, until it has answered. Returns how much that was. */
static size_t tell(int fd, const char *reply, size_t size)
{
	long deadline = now_ms() + DEADLINE_MS;
	size_t sent = 0;

	while (sent < size && !outcome.answers) {
		ssize_t done = send(fd, reply + sent, size - sent, 0);

		cr_assert_lt(now_ms(), deadline, "the reply is not taken");
		if (done > 0)
			sent += (size_t)done;
		else
			turn(-1);
	}
	return sent;
}

/* Answers the query on @fd with the whole reply, as epmd does, and waits for the outcome. */
static void reply_with(int fd, const char *reply, size_t size)
{
	tell(fd, reply, size);
	close(fd);
	await_answer();
}

static void expect_outcome(int code, size_t count, size_t refused)
{
	cr_expect_eq(outcome.code, code, "%s", strerror(-outcome.code));
	cr_expect_eq(outcome.count, count, "%zu names", outcome.count);
	cr_expect_eq(outcome.refused, refused, "%zu refused", outcome.refused);
}

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

static unsigned int descriptors(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
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
		tell(fd, reply + i, 1);
		turn(-1);
	}
	cr_assert_eq(outcome.answers, 0, "it did not wait for the end");
	close(fd);
	await_answer();
	expect_outcome(0, 2, 0);
}

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

Test(epmd_query, an_epmd_that_never_answers_times_out)
{
	long started = now_ms();
	int fd;

	ask_within(SHORT_MS);
	fd = accept_request();
	expect_timeout(started);
	cr_expect_eq(recv(fd, &(char){0}, 1, 0), 0, "still connected");
	close(fd);
}

Test(epmd_query, an_epmd_that_drips_times_out)
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

Test(epmd_query, an_epmd_that_never_closes_times_out)
{
	static const char reply[] = REPLY_PORT "name app at port 9100\n";
	long started = now_ms();
	int fd;

	ask_within(SHORT_MS);
	fd = accept_request();
	tell(fd, reply, sizeof(reply) - 1);
	expect_timeout(started);
	close(fd);
}

Test(epmd_query, an_epmd_that_never_accepts_times_out)
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

Test(epmd_query, an_endless_reply_is_given_up_at_the_bound)
{
	static char lines[1 << 16];
	size_t sent = 0;
	int fd = accept_query();

	memset(lines, 'x', sizeof(lines));
	while (!outcome.answers)
		sent += tell(fd, lines, sizeof(lines));
	await_answer();
	expect_outcome(-EMSGSIZE, 0, 0);
	cr_expect_gt(sent, EPMD_REPLY_MAX);
	cr_expect_lt(sent, 8 * EPMD_REPLY_MAX, "%zu bytes", sent); /* socket buffers */
	close(fd);
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

Test(epmd_query, a_connection_that_is_reset_is_an_error)
{
	const struct linger reset = {.l_onoff = 1};
	int fd = accept_query();

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	reply_with(fd, REPLY_PORT "name app at port 9100\n", 26);
	expect_outcome(-ECONNRESET, 0, 0);
}

Test(epmd_query, without_an_epmd_it_is_refused)
{
	unsigned int before = descriptors();

	close(listener);
	listener = bind_to(AF_INET, 0, &port); /* and nobody listens */
	ask_within(DEADLINE_MS);
	await_answer();
	expect_outcome(-ECONNREFUSED, 0, 0);
	cr_expect_eq(descriptors(), before);
}

Test(epmd_query, an_epmd_on_ipv6_alone_is_found)
{
	static const char reply[] = REPLY_PORT "name six at port 9100\n";
	int ipv4 = -1;

	for (int tries = 0; ipv4 < 0; tries++) {
		cr_assert_lt(tries, 1000);
		close(listener);
		listener = bind_to(AF_INET6, 0, &port);
		if (listener < 0)
			cr_skip_test("this host has no IPv6");
		ipv4 = bind_to(AF_INET, port, &port); /* kept, so that nobody listens there */
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
	tell(fd, REPLY_PORT, 4);
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
	tell(fd, REPLY_PORT, 4);
	close(fd);
	reply_with(accept_request(), REPLY_PORT, 4);
	expect_outcome(0, 0, 0);
}

Test(epmd_query, without_descriptors_nothing_is_started)
{
	struct rlimit limit, none;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	cr_expect_eq(epmd_query_start(base, port, SHORT_MS, answer, &outcome, &query), -EMFILE);
	setrlimit(RLIMIT_NOFILE, &limit);
	cr_expect_null(query);
	event_base_dispatch(base); /* returns, as nothing is left to wait for */
	cr_expect_eq(outcome.answers, 0);
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

/* Starts the real epmd on a free port. It ends with this process at the latest. */
static pid_t start_epmd(void)
{
	long deadline = now_ms() + DEADLINE_MS;
	char number[8];
	pid_t pid;

	close(listener); /* and epmd takes its port */
	listener = -1;
	snprintf(number, sizeof(number), "%u", port);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(EPMD, EPMD, "-port", number, "-address", "127.0.0.1", NULL);
		_exit(127);
	}
	do {
		cr_assert_lt(now_ms(), deadline, "epmd does not answer");
		ask_within(DEADLINE_MS);
		await_answer();
		poll(NULL, 0, outcome.code ? 10 : 0);
	} while (outcome.code == -ECONNREFUSED);
	return pid;
}

/* Registers @name with epmd (ALIVE2_REQ) for as long as the connection that is returned is open. */
static int register_node(const char *name, uint16_t dist_port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	size_t length = strlen(name), size = 13 + length;
	unsigned char request[2048] = {(unsigned char)(size >> 8),
				       (unsigned char)size,
				       'x',
				       (unsigned char)(dist_port >> 8),
				       (unsigned char)dist_port,
				       'M',
				       0,
				       0,
				       6,
				       0,
				       5,
				       (unsigned char)(length >> 8),
				       (unsigned char)length};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned char reply[6];

	memcpy(request + 13, name, length); /* and two zeros: no extra */
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	cr_assert_eq(send(fd, request, 2 + size, 0), (ssize_t)(2 + size));
	cr_assert_eq(recv(fd, reply, sizeof(reply), MSG_WAITALL), (ssize_t)sizeof(reply));
	cr_assert_eq(reply[1], 0, "epmd refused the name");
	return fd;
}

static void ask_epmd(void)
{
	ask_within(DEADLINE_MS);
	await_answer();
	cr_assert_eq(outcome.code, 0, "%s", strerror(-outcome.code));
}

static void expect_real_names(void)
{
	char longest[EPMD_NAME_SIZE] = "";
	long deadline = now_ms() + DEADLINE_MS;
	int first, second, lying;

	ask_epmd();
	expect_outcome(0, 0, 0);
	first = register_node("app", 9100);
	ask_epmd();
	expect_outcome(0, 1, 0);
	cr_expect_str_eq(outcome.first, "app");
	cr_expect_eq(outcome.first_port, 9100);
	for (int i = 0; i < 255; i++)
		strcat(longest, "\xf0\x9f\x90\x87");
	second = register_node(longest, 65535);
	lying = register_node("x at port 22\x1b[2J", 22);
	ask_epmd();
	expect_outcome(0, 2, 1);
	cr_expect_str_eq(outcome.first, longest); /* epmd names the latest first */
	close(second);
	close(lying);
	do {
		cr_assert_lt(now_ms(), deadline, "the registrations stay");
		ask_epmd();
	} while (outcome.count != 1 || outcome.refused);
	cr_expect_str_eq(outcome.first, "app");
	close(first);
}

Test(epmd_query, the_real_epmd_is_understood)
{
	pid_t pid;

	if (access(EPMD, X_OK))
		cr_skip_test("this host has no " EPMD);
	pid = start_epmd();
	expect_real_names();
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	ask_within(DEADLINE_MS);
	await_answer();
	expect_outcome(-ECONNREFUSED, 0, 0);
}
