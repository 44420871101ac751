// SPDX-License-Identifier: BSD-2-Clause
#include "agent/control.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/protocol.h"
#include "tests/unit/scratch.h"

#define DEADLINE_MS 20000
#define DEADLINE_S  120
#define SHORT_MS    100

static char directory[SCRATCH_MAX];
static char path[100];
static struct event_base *base;
static struct control *control;
static struct control_peer last_peer;
static unsigned calls;
static bool last_peer_is_read_only;

static int handler(void *context, const struct control_peer *peer, const char *command,
		   json_t *arguments, json_t **result, struct error *error)
{
	cr_assert_eq(context, &calls);
	last_peer = *peer;
	calls++;
	last_peer_is_read_only = peer->read_only;
	if (strcmp(command, "later") == 0) {
		return CONTROL_LATER;
	} else if (strcmp(command, "size") == 0) {
		*result = json_integer(
			(json_int_t)json_string_length(json_object_get(arguments, "text")));
	} else if (strcmp(command, "echo") == 0) {
		*result = json_incref(arguments);
	} else if (strcmp(command, "big") == 0) {
		size_t size = (size_t)json_integer_value(json_object_get(arguments, "size"));
		char *text = malloc(size + 1);

		memset(text, 'x', size);
		text[size] = '\0';
		*result = json_string_nocheck(text);
		free(text);
	} else if (strcmp(command, "silent failure") == 0) {
		*result = json_true();
		return -EBUSY;
	} else if (strcmp(command, "not UTF-8") == 0) {
		return error_set(error, -EINVAL, "cut \xc3");
	} else if (strcmp(command, "nothing") != 0) {
		return error_set(error, -EINVAL, "unknown command");
	}
	return 0;
}

static int open_with(struct control_settings settings, struct error *error)
{
	settings.path = settings.path ? settings.path : path;
	settings.handler = handler;
	settings.context = &calls;
	return control_open(base, &settings, &control, error);
}

static void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	signal(SIGPIPE, SIG_IGN);
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/run/control.sock", directory);
	base = event_base_new();
}

static void stop(void)
{
	char parent[100];

	control_close(control);
	event_base_free(base);
	snprintf(parent, sizeof(parent), "%s/run", directory);
	unlink(path);
	rmdir(parent);
	rmdir(directory);
}

static void serve(struct control_settings settings)
{
	struct error error;

	cr_assert_eq(open_with(settings, &error), 0, "%s", error.text);
}

#define SERVE(...) serve((struct control_settings){.group = (gid_t)-1, __VA_ARGS__})

TestSuite(control, .init = start, .fini = stop);

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int connect_to(const char *where)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, where);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

static void tell(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text));
}

/* Runs the server until @fd has something to read, or 1 ms has passed. */
static void turn(int fd)
{
	struct pollfd waits = {.fd = fd, .events = POLLIN};

	event_base_loop(base, EVLOOP_NONBLOCK);
	poll(&waits, 1, 1);
}

/*
 * Reads up to a newline, which it leaves out, while the server runs. Returns NULL at the end of
 * the connection. The text is the caller's.
 */
static char *hear(int fd)
{
	size_t size = 1 << 16, length = 0;
	char *text = malloc(size);
	long deadline = now_ms() + DEADLINE_MS;

	for (;;) {
		ssize_t got;
		char *end;

		cr_assert_lt(now_ms(), deadline, "nothing came");
		turn(fd);
		if (size - length < 1 << 15)
			text = realloc(text, size *= 2);
		got = recv(fd, text + length, size - length, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		if (got <= 0) {
			cr_assert_eq(length, 0, "half a line at the end");
			free(text);
			return NULL;
		}
		end = memchr(text + length, '\n', (size_t)got);
		length += (size_t)got;
		if (end) {
			cr_assert_eq(end, text + length - 1, "more than one line");
			*end = '\0';
			return text;
		}
	}
}

static void expect(int fd, const char *reply)
{
	char *heard = hear(fd);

	cr_assert(heard, "closed instead of %s", reply);
	cr_assert_str_eq(heard, reply);
	free(heard);
}

static void expect_end(int fd)
{
	cr_assert_null(hear(fd));
	close(fd);
}

static void expect_error(int fd)
{
	char *heard = hear(fd);

	cr_assert(heard, "closed instead of an error");
	cr_assert_eq(strncmp(heard, "{\"version\":1,\"ok\":false,\"error\":\"", 33), 0, "%s",
		     heard);
	free(heard);
}

/* That the server still serves others. */
static void expect_service(void)
{
	int fd = connect_to(path);

	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	close(fd);
}

Test(control, a_request_gets_the_handlers_result)
{
	int fd;

	SERVE();
	fd = connect_to(path);
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
	fd = connect_to(path);
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

Test(control, a_request_may_come_in_pieces)
{
	const char *request = "{\"version\":1,\"command\":\"nothing\"}\n";
	int fd;

	SERVE();
	fd = connect_to(path);
	for (const char *c = request; *c; c++) {
		cr_assert_eq(send(fd, c, 1, 0), 1);
		turn(fd);
	}
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	close(fd);
}

Test(control, requests_sent_together_are_answered_in_order)
{
	char want[64];
	int fd;

	SERVE();
	fd = connect_to(path);
	for (int i = 0; i < 100; i++) {
		char line[128];

		snprintf(line, sizeof(line),
			 "{\"version\":1,\"command\":\"echo\",\"arguments\":{\"n\":%d}}\n", i);
		tell(fd, line);
	}
	for (int i = 0; i < 100; i++) {
		char line[64];
		size_t length = 0;
		long deadline = now_ms() + DEADLINE_MS;

		while (!length || line[length - 1] != '\n') {
			cr_assert_lt(now_ms(), deadline);
			if (recv(fd, line + length, 1, MSG_DONTWAIT) == 1)
				length++;
			else
				turn(fd);
		}
		line[length - 1] = '\0';
		snprintf(want, sizeof(want), "{\"version\":1,\"ok\":true,\"result\":{\"n\":%d}}",
			 i);
		cr_assert_str_eq(line, want);
	}
	close(fd);
}

Test(control, a_client_that_has_shut_its_side_gets_its_reply)
{
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\nhalf");
	shutdown(fd, SHUT_WR);
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
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
		int fd = connect_to(path);

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
		int fd = connect_to(path);

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
	fd = connect_to(path);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tell(fd, wrong[i]);
		expect_error(fd);
	}
	cr_assert_eq(calls, 0);
	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	close(fd);
}

/* A request of @length bytes, newline included. */
static char *request_of(size_t length)
{
	const char *request = "{\"version\":1,\"command\":\"nothing\"}\n";
	char *line = malloc(length + 1);

	memset(line, ' ', length);
	memcpy(line + length - strlen(request), request, strlen(request) + 1);
	return line;
}

Test(control, a_line_may_be_as_long_as_the_protocol_says_and_no_longer)
{
	char *longest = request_of(PROTOCOL_LINE_MAX);
	char *longer = request_of(PROTOCOL_LINE_MAX + 1);
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, longest);
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	tell(fd, longer);
	expect_error(fd);
	expect_end(fd);
	cr_assert_eq(calls, 1);
	free(longest);
	free(longer);
	expect_service();
}

Test(control, an_endless_line_is_cut_off)
{
	char block[4096];
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	SERVE();
	memset(block, 'x', sizeof(block));
	fd = connect_to(path);
	while (send(fd, block, sizeof(block), 0) > 0 || errno == EAGAIN) {
		cr_assert_lt(now_ms(), deadline);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	cr_assert(errno == EPIPE || errno == ECONNRESET);
	expect_error(fd);
	expect_end(fd);
	expect_service();
}

Test(control, a_silent_client_is_dropped)
{
	int fd;

	SERVE(.idle_ms = SHORT_MS);
	fd = connect_to(path);
	expect_end(fd);
}

Test(control, a_line_that_drips_is_dropped_however_it_drips)
{
	long begun = now_ms();
	bool ended = false;
	int fd;

	SERVE(.half_line_ms = SHORT_MS);
	fd = connect_to(path);
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

Test(control, a_client_with_whole_lines_is_not_taken_for_a_silent_one)
{
	long end = now_ms() + 5 * SHORT_MS;
	int fd;

	SERVE(.idle_ms = SHORT_MS * 2, .half_line_ms = SHORT_MS * 2);
	fd = connect_to(path);
	while (now_ms() < end) {
		tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
		expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	}
	close(fd);
}

Test(control, a_large_reply_arrives_whole)
{
	char *reply;
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"big\",\"arguments\":{\"size\":20000000}}\n");
	reply = hear(fd);
	cr_assert_eq(strlen(reply),
		     20000000 + strlen("{\"version\":1,\"ok\":true,\"result\":\"\"}"));
	free(reply);
	close(fd);
}

Test(control, a_client_that_never_reads_is_cut_off_and_harms_nobody)
{
	struct pollfd waits;
	long deadline = now_ms() + DEADLINE_MS;
	int fd;

	SERVE(.stall_ms = 10 * SHORT_MS);
	fd = connect_to(path);
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

Test(control, a_reply_beyond_the_bound_is_refused_and_small_ones_still_go)
{
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"big\",\"arguments\":{\"size\":134217728}}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":"
		   "\"the reply is too large while others wait: try again later\","
		   "\"code\":\"busy\"}");
	close(fd);
	expect_service();
}

Test(control, one_client_too_many_takes_the_place_of_the_one_that_was_silent_longest)
{
	int clients[CONTROL_CLIENTS_MAX], late;

	SERVE();
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_to(path);
		tell(clients[i], "{\"version\":1,\"command\":\"nothing\"}\n");
		expect(clients[i], "{\"version\":1,\"ok\":true,\"result\":null}");
	}
	tell(clients[0], "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(clients[0], "{\"version\":1,\"ok\":true,\"result\":null}");
	late = connect_to(path);
	tell(late, "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(late, "{\"version\":1,\"ok\":true,\"result\":null}");
	expect_end(clients[1]);
	tell(clients[0], "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(clients[0], "{\"version\":1,\"ok\":true,\"result\":null}");
	tell(clients[2], "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(clients[2], "{\"version\":1,\"ok\":true,\"result\":null}");
}

Test(control, one_client_too_many_waits_while_every_other_has_a_reply_to_read)
{
	int clients[CONTROL_CLIENTS_MAX], late;

	SERVE();
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		clients[i] = connect_to(path);
		tell(clients[i], "{\"version\":1,\"command\":\"big\","
				 "\"arguments\":{\"size\":1000000}}\n");
		for (long deadline = now_ms() + DEADLINE_MS; calls <= (unsigned)i;) {
			turn(clients[i]);
			cr_assert_lt(now_ms(), deadline);
		}
	}
	late = connect_to(path);
	tell(late, "{\"version\":1,\"command\":\"nothing\"}\n");
	for (int i = 0; i < 50; i++)
		turn(late);
	cr_assert_eq(calls, CONTROL_CLIENTS_MAX, "it was served all the same");
	close(clients[7]);
	expect(late, "{\"version\":1,\"ok\":true,\"result\":null}");
}

static long cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

Test(control, without_descriptors_it_neither_spins_nor_gives_up)
{
	struct timeval span = {.tv_usec = 500000};
	struct rlimit limit, none;
	int fd;
	long used;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	used = cpu_ms();
	event_base_loopexit(base, &span);
	event_base_dispatch(base);
	used = cpu_ms() - used;
	setrlimit(RLIMIT_NOFILE, &limit);
	cr_assert_eq(calls, 0);
	cr_assert_lt(used, 250, "%ld ms of CPU in 500 ms", used);
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	close(fd);
}

Test(control, closing_sends_the_replies_that_wait)
{
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
	while (!calls)
		event_base_loop(base, EVLOOP_ONCE);
	control_close(control);
	control = NULL;
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	expect_end(fd);
}

static unsigned mode_of(const char *file)
{
	struct stat st;

	return lstat(file, &st) ? 0 : st.st_mode & 07777;
}

Test(control, the_socket_is_roots_own_unless_it_has_a_group)
{
	char parent[100];

	umask(0077);
	SERVE();
	cr_assert_eq(mode_of(path), 0600);
	snprintf(parent, sizeof(parent), "%s/run", directory);
	cr_assert_eq(mode_of(parent), 0755);
	control_close(control);
	serve((struct control_settings){.group = getgid()});
	cr_assert_eq(mode_of(path), 0660);
}

Test(control, the_socket_is_removed_at_the_end_if_it_is_still_ours)
{
	int fd;

	SERVE();
	control_close(control);
	cr_assert_eq(access(path, F_OK), -1);
	SERVE();
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	control_close(control);
	control = NULL;
	cr_assert_eq(access(path, F_OK), 0);
}

Test(control, a_socket_left_by_a_dead_agent_is_replaced)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	SERVE();
	control_close(control);
	strcpy(address.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	SERVE();
	expect_service();
}

Test(control, a_living_agents_socket_is_left_alone)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct control *first;
	struct error error;

	SERVE();
	first = control;
	cr_assert_eq(open_with(settings, &error), -EADDRINUSE);
	cr_assert(strstr(error.text, path));
	cr_assert_eq(control, first);
	expect_service();
}

Test(control, a_file_that_is_no_socket_is_left_alone)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct error error;
	int fd;

	SERVE();
	control_close(control);
	control = NULL;
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cr_assert_eq(open_with(settings, &error), -EEXIST);
	cr_assert_eq(access(path, F_OK), 0);
}

Test(control, a_path_that_cannot_be_is_an_error)
{
	struct control_settings settings = {.group = (gid_t)-1};
	struct error error = {""};
	char name[200];

	memset(name, 'x', sizeof(name) - 1);
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	settings.path = name;
	cr_assert_eq(open_with(settings, &error), -ENAMETOOLONG);
	snprintf(name, sizeof(name), "%s/none/below/control.sock", directory);
	cr_assert_eq(open_with(settings, &error), -ENOENT);
	cr_assert(strstr(error.text, "/none/below"));
}

/* Lets the server look at what came. */
static void turn_until_called(unsigned wanted)
{
	long deadline = now_ms() + DEADLINE_MS;

	while (calls < wanted) {
		cr_assert_lt(now_ms(), deadline, "the handler is not called");
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
}

Test(control, a_reply_may_come_later_and_the_next_request_waits_for_it)
{
	const struct error error = {"no disk"};
	uint64_t first;
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"later\"}\n{\"version\":1,\"command\":\"later\"}\n");
	turn_until_called(1);
	first = last_peer.client;
	turn(fd);
	cr_assert_eq(calls, 1);
	expect_service();
	control_reply(control, first, 0, json_integer(7), NULL);
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":7}");
	turn_until_called(3);
	control_reply(control, first, -EIO, json_integer(7), &error);
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"no disk\",\"code\":\"failed\"}");
	/* It waits for nothing any more, and nobody has that number. */
	control_reply(control, first, 0, json_integer(8), NULL);
	control_reply(control, first + 100, 0, json_integer(8), NULL);
	tell(fd, "{\"version\":1,\"command\":\"nothing\"}\n");
	expect(fd, "{\"version\":1,\"ok\":true,\"result\":null}");
	close(fd);
}

Test(control, a_late_reply_to_one_that_has_gone_harms_nobody)
{
	uint64_t gone;
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":1,\"command\":\"later\"}\n");
	turn_until_called(1);
	gone = last_peer.client;
	close(fd);
	expect_service();
	control_reply(control, gone, 0, json_integer(7), NULL);
	control_reply(control, gone, 0, json_integer(7), NULL);
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
	for (size_t sent = 0; sent < size;) {
		ssize_t got = send(fd, line + sent, size - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (got < 0 && errno == EPIPE)
			break;
		sent += got > 0 ? (size_t)got : 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	free(line);
}

Test(control, one_command_may_have_a_long_line)
{
	char reply[100];
	int fd;

	SERVE(.long_command = "size");
	fd = connect_to(path);
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

Test(control, only_one_client_at_a_time_may_send_a_long_line)
{
	char text[PROTOCOL_LINE_MAX + 1];
	int first, second;

	memset(text, ' ', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	SERVE(.long_command = "size");
	first = connect_to(path);
	tell(first, text);
	for (int i = 0; i < 10; i++)
		turn(first);
	second = connect_to(path);
	tell(second, text);
	expect(second, "{\"version\":1,\"ok\":false,\"error\":\"another long request is being "
		       "sent: try again in a moment\",\"code\":\"busy\"}");
	expect_end(second);
	tell(first, "{\"version\":1,\"command\":\"size\"}\n");
	expect(first, "{\"version\":1,\"ok\":true,\"result\":0}");
	close(first);
}

Test(control, requests_by_a_socket_for_readers_are_marked)
{
	SERVE(.read_only = true);
	expect_service();
	cr_assert(last_peer_is_read_only);
}

Test(control, another_version_is_answered_with_the_one_that_is_spoken)
{
	int fd;

	SERVE();
	fd = connect_to(path);
	tell(fd, "{\"version\":2,\"command\":\"nothing\"}\n");
	expect(fd, "{\"version\":1,\"ok\":false,\"error\":\"this agent speaks version 1 of the "
		   "control protocol\",\"code\":\"version\"}");
	close(fd);
}
