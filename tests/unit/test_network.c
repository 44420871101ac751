// SPDX-License-Identifier: BSD-2-Clause
/* The agent's end of the network side: what it orders, and what it takes for an answer. */
#include "agent/network.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "agent/net_side.h"
#include "tests/unit/loop_sockets.h"
#include "tests/unit/scratch.h"

#define PATIENCE_MS 150
#define ASK_MS	    (DEADLINE_MS / 2)

static char directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16];
static struct network *network;
static struct network_ask *query;
static unsigned changes, calls_to_ask, answers;
static int answer_code;
static size_t answer_count, answer_refused;
static bool sick;

static int metrics(void *context, struct evbuffer *text)
{
	cr_assert_eq(context, &network);
	evbuffer_add_printf(text, "beamfence_enforcing 1\n");
	return sick ? -EIO : 0;
}

static int health(void *context, struct error *reason)
{
	cr_assert_eq(context, &network);
	return sick ? error_set(reason, -ENOTCONN, "eth0 is open") : 0;
}

static void on_changed(void *context)
{
	cr_assert_eq(context, &network);
	changes++;
}

static void on_can_ask(void *context)
{
	cr_assert_eq(context, &network);
	calls_to_ask++;
}

static void on_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	cr_assert_eq(context, &answers);
	cr_assert_eq(port, 4369);
	cr_assert_null(query, "the question is still there");
	answers++;
	answer_code = code;
	answer_count = nodes->count;
	answer_refused = nodes->refused;
}

static void open_network(bool remote, unsigned patience_ms)
{
	const struct network_settings settings = {
		.socket = remote ? path : NULL,
		.metrics = metrics,
		.health = health,
		.changed = on_changed,
		.can_ask = on_can_ask,
		.context = &network,
		.patience_ms = patience_ms,
	};
	struct error error;

	cr_assert_eq(network_open(base, &settings, &network, &error), 0);
}

static void start(void)
{
	loop_start();
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/net.sock", directory);
}

static void stop(void)
{
	network_ask_cancel(query);
	network_close(network);
	loop_stop();
	rmdir(directory);
}

TestSuite(network, .init = start, .fini = stop);

/* The next line, for json_decref(). */
static json_t *hear(int fd)
{
	static char line[1 << 16];
	json_t *object;

	cr_assert(loop_read(fd, line, sizeof(line), true), "the agent has hung up");
	object = json_loads(line, 0, NULL);
	cr_assert(object, "%s", line);
	return object;
}

/* Connects as a network side and hears the first order, which is to listen. */
static int connect_side(json_t **listen)
{
	const int fd = loop_connect_unix(path);
	json_t *reply, *order;

	loop_send(fd, "{\"version\":1,\"command\":\"serve\"}\n");
	reply = hear(fd);
	cr_assert(json_is_true(json_object_get(reply, "ok")));
	json_decref(reply);
	order = hear(fd);
	cr_assert(json_object_get(order, "listen"));
	if (listen)
		*listen = order;
	else
		json_decref(order);
	return fd;
}

/* A request as of a network side, in printf's words; its reply, for json_decref(). */
static json_t *request(const char *format, ...)
{
	const int fd = loop_connect_unix(path);
	char line[4096];
	va_list arguments;
	json_t *reply;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	loop_send(fd, line);
	reply = hear(fd);
	close(fd);
	return reply;
}

static bool succeeds(json_t *reply)
{
	const bool ok = json_is_true(json_object_get(reply, "ok"));

	json_decref(reply);
	return ok;
}

/* Sends what no socket takes at once. */
static void send_all(int fd, const char *text, size_t length)
{
	const long deadline = now_ms() + DEADLINE_MS;

	while (length) {
		const ssize_t sent = send(fd, text, length, MSG_DONTWAIT);

		cr_assert_lt(now_ms(), deadline);
		turn(-1);
		if (sent > 0) {
			text += sent;
			length -= (size_t)sent;
		}
	}
}

#define ARGUMENTS(command, arguments) \
	"{\"version\":1,\"command\":\"" command "\",\"arguments\":{" arguments "}}\n"

static int ask(unsigned timeout_ms)
{
	return network_ask(network, 4369, timeout_ms, on_answer, &answers, &query);
}

/* Asks, and hears the order; its number. */
static int ordered_ask(int side)
{
	json_t *order;
	int id;

	cr_assert_eq(ask(ASK_MS), 0);
	order = hear(side);
	cr_assert_eq(json_integer_value(json_object_get(order, "ask")), 4369);
	id = (int)json_integer_value(json_object_get(order, "id"));
	json_decref(order);
	return id;
}

Test(network, without_a_network_side_this_process_asks_itself)
{
	uint16_t port = 0;
	const int listener = loop_listen_tcp(&port);

	close(listener);
	open_network(false, 0);
	cr_assert_eq(network_ask(network, port, ASK_MS, on_answer, &answers, &query), 0);
	cr_assert_eq(network_ask(network, port, ASK_MS, on_answer, &answers, &query), -EALREADY);
	network_ask_cancel(query);
	cr_assert_null(query);
	cr_assert_eq(network_serve(network, "127.0.0.1", 0, NULL), 0);
	cr_assert_eq(network_serve(network, "no address", 0, NULL), -EINVAL);
	cr_assert_eq(network_serve(network, NULL, 0, NULL), 0);
	cr_assert_str_eq(network_problem(network)->text, "");
	cr_assert(access(path, F_OK));
}

/* As RestrictAddressFamilies= of the unit does. */
static void forbid_internet_sockets(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0, "%m");
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0, "%m");
}

Test(network, a_unit_that_forbids_internet_sockets_is_a_problem_and_no_silence)
{
	open_network(false, 0);
	forbid_internet_sockets();
	cr_assert_eq(ask(ASK_MS), -EAFNOSUPPORT);
	cr_assert_eq(ask(ASK_MS), -EAFNOSUPPORT);
	cr_assert(strstr(network_problem(network)->text, "--net-socket"));
	cr_assert_eq(changes, 1);
}

Test(network, nobody_can_be_asked_before_a_network_side_is_there)
{
	json_t *order;
	int side;

	open_network(true, 0);
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
	cr_assert_eq(network_serve(network, "::1", 9369, NULL), 0);
	side = connect_side(&order);
	cr_assert_str_eq(
		json_string_value(json_object_get(json_object_get(order, "listen"), "host")),
		"::1");
	json_decref(order);
	cr_assert_eq(calls_to_ask, 1);
	ordered_ask(side);
	close(side);
	loop_until(answers == 1);
	cr_assert_eq(answer_code, -ECONNRESET);
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
}

Test(network, names_answer_the_question_with_their_number_and_no_other)
{
	int side, id;

	open_network(true, 0);
	side = connect_side(NULL);
	id = ordered_ask(side);
	cr_assert(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), id + 1)));
	cr_assert_not(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), -id)));
	cr_assert_not(succeeds(request(ARGUMENTS("names", "\"nodes\":[]"))));
	cr_assert_eq(answers, 0);
	cr_assert(succeeds(request(
		ARGUMENTS("names", "\"id\":%d,\"code\":0,\"nodes\":[[\"app\",9100],[\"b\",0]]"),
		id)));
	cr_assert_eq(answers, 1);
	cr_assert_eq(answer_code, 0);
	cr_assert_eq(answer_count, 1);
	cr_assert_eq(answer_refused, 1);
	cr_assert(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), id)));
	cr_assert_eq(answers, 1, "it was answered already");
	close(side);
}

Test(network, errors_and_nonsense_are_answers_without_names)
{
	static const struct {
		const char *arguments;
		int code;
	} cases[] = {
		{"\"code\":-111", -ECONNREFUSED},
		{"\"code\":7", -EPROTO},
		{"\"code\":-9999999", -EPROTO},
		{"\"nodes\":{}", -EPROTO},
		{"\"code\":0", -EPROTO},
		{"\"code\":-111,\"nodes\":[[\"app\",9100]]", -111},
	};
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const int id = ordered_ask(side);

		cr_assert(succeeds(
			request(ARGUMENTS("names", "\"id\":%d,%s"), id, cases[i].arguments)));
		cr_assert_eq(answers, i + 1);
		cr_assert_eq(answer_code, cases[i].code, "%s", cases[i].arguments);
		cr_assert_eq(answer_count, 0);
	}
	close(side);
}

Test(network, an_answer_that_never_comes_has_a_deadline)
{
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	cr_assert_eq(ask(50), 0);
	loop_until(answers);
	cr_assert_eq(answer_code, -ETIMEDOUT);
	close(side);
}

Test(network, names_are_checked_and_bounded)
{
	json_t *list = json_pack("[[s, i], [s, i], [s, i], [s, i], [i, i], [s], s, n, {}]", "app",
				 9100, "a b", 9101, "\xe2\x80\xae", 9102, "", 9103, 1, 2, "alone",
				 "text");
	struct epmd_nodes nodes;

	cr_assert_eq(net_side_parse_names(list, &nodes), 0);
	cr_assert_eq(nodes.count, 1);
	cr_assert_eq(nodes.refused, 8);
	cr_assert_str_eq(nodes.items[0].name, "app");
	cr_assert_eq(nodes.items[0].port, 9100);
	epmd_nodes_free(&nodes);
	json_array_clear(list);
	for (unsigned i = 0; i < EPMD_NODES_MAX + 10; i++)
		json_array_append_new(list, json_pack("[s, i]", "app", 9100));
	cr_assert_eq(net_side_parse_names(list, &nodes), 0);
	cr_assert_eq(nodes.count, EPMD_NODES_MAX);
	cr_assert_eq(nodes.refused, 10);
	epmd_nodes_free(&nodes);
	json_decref(list);
	cr_assert_eq(net_side_parse_names(NULL, &nodes), -EPROTO);
}

Test(network, what_keeps_it_from_listening_is_known_until_that_changes)
{
	json_t *order;
	int side, id;

	open_network(true, 0);
	network_serve(network, "127.0.0.1", 9369, NULL);
	side = connect_side(&order);
	id = (int)json_integer_value(json_object_get(order, "id"));
	json_decref(order);
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"a lie\""), id + 1));
	cr_assert_str_eq(network_problem(network)->text, "");
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\\n\""), id));
	cr_assert_str_eq(network_problem(network)->text, "in use?");
	cr_assert_geq(changes, 1);
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":null"), id));
	cr_assert_str_eq(network_problem(network)->text, "");
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\""), id));
	network_serve(network, NULL, 0, NULL);
	cr_assert_str_eq(network_problem(network)->text, "", "that was about another place");
	order = hear(side);
	cr_assert(json_is_null(json_object_get(order, "listen")));
	json_decref(order);
	close(side);
}

Test(network, what_keeps_it_from_listening_is_not_over_when_it_is_gone)
{
	json_t *order;
	int side, id;

	open_network(true, 0);
	network_serve(network, "127.0.0.1", 9369, NULL);
	side = connect_side(&order);
	id = (int)json_integer_value(json_object_get(order, "id"));
	json_decref(order);
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\""), id));
	ordered_ask(side);
	close(side);
	loop_until(answers == 1);
	cr_assert_str_eq(network_problem(network)->text, "in use");
	network_serve(network, NULL, 0, NULL);
	cr_assert_str_eq(network_problem(network)->text, "", "nobody wants it to listen");
}

Test(network, metrics_and_health_are_those_of_this_process)
{
	json_t *reply;

	open_network(true, 0);
	reply = request(ARGUMENTS("metrics", ""));
	cr_assert_str_eq(json_string_value(json_object_get(reply, "result")),
			 "beamfence_enforcing 1\n");
	json_decref(reply);
	cr_assert(succeeds(request(ARGUMENTS("health", ""))));
	sick = true;
	cr_assert_not(succeeds(request(ARGUMENTS("metrics", ""))));
	reply = request(ARGUMENTS("health", ""));
	cr_assert_str_eq(json_string_value(json_object_get(reply, "error")), "eth0 is open");
	json_decref(reply);
	cr_assert_not(succeeds(request(ARGUMENTS("reload", ""))));
}

Test(network, a_newcomer_takes_the_place_of_the_former)
{
	char text[256];
	int former, newcomer;

	open_network(true, 0);
	former = connect_side(NULL);
	cr_assert_eq(ask(ASK_MS), 0);
	newcomer = connect_side(NULL);
	cr_assert_eq(answers, 1, "the former's answers are not waited for");
	cr_assert_eq(calls_to_ask, 2);
	json_decref(hear(former)); /* what it was asked */
	cr_assert_eq(loop_read(former, text, sizeof(text), false), 0);
	ordered_ask(newcomer);
	close(former);
	close(newcomer);
}

Test(network, newcomers_by_the_hundred_are_not_given_orders_each)
{
	char text[256];

	open_network(true, 0);
	for (unsigned i = 0; i < 100; i++) {
		const int fd = loop_connect_unix(path);

		loop_send(fd, "{\"version\":1,\"command\":\"serve\"}\n");
		loop_read(fd, text, sizeof(text), true);
		close(fd);
	}
	cr_assert_leq(calls_to_ask, 5);
	close(connect_side(NULL)); /* the last one is */
}

Test(network, a_request_that_would_take_much_memory_is_refused)
{
	const size_t count = 1 << 20;
	char *line = malloc(3 * count + 1);
	json_t *reply;
	int fd;

	open_network(true, 0);
	fd = loop_connect_unix(path);
	loop_send(fd, "{\"version\":1,\"command\":\"names\",\"arguments\":{\"id\":1,\"nodes\":[{}");
	for (size_t i = 0; i < count; i++)
		memcpy(line + 3 * i, ",{}", 4);
	send_all(fd, line, 3 * count);
	free(line);
	send_all(fd, "]}}\n", 4);
	reply = hear(fd);
	cr_assert_str_eq(json_string_value(json_object_get(reply, "code")), "limit");
	json_decref(reply);
	close(fd);
}

Test(network, one_that_reads_nothing_is_cut_off)
{
	unsigned orders = 0;
	char text[4096];
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	while (!ask(ASK_MS)) {
		network_ask_cancel(query);
		turn(-1);
		cr_assert_lt(++orders, 10000, "it is still there");
	}
	loop_until(!recv(side, text, sizeof(text), MSG_DONTWAIT)); /* after what was on its way */
	close(side);
	side = connect_side(NULL);
	ordered_ask(side);
	close(side);
}

Test(network, one_that_is_away_for_long_is_a_problem_until_it_is_back)
{
	int side;

	open_network(true, PATIENCE_MS);
	cr_assert_str_eq(network_problem(network)->text, "");
	loop_until(network_problem(network)->text[0]);
	cr_assert(strstr(network_problem(network)->text, "does not connect"));
	cr_assert_eq(changes, 1);
	side = connect_side(NULL);
	cr_assert_str_eq(network_problem(network)->text, "");
	close(side);
	loop_until(network_problem(network)->text[0]);
}

Test(network, a_socket_that_cannot_be_made_is_a_problem_and_no_failure)
{
	strcpy(path, "/proc/no/such/directory/net.sock");
	open_network(true, 0);
	cr_assert(strstr(network_problem(network)->text, "/proc/no/such"));
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
	cr_assert_eq(network_serve(network, "127.0.0.1", 9369, NULL), 0);
}
