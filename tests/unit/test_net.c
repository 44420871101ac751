// SPDX-License-Identifier: BSD-2-Clause
/* The network side: its orders, its pages and its questions, with an agent that the test plays. */
#include <jansson.h>
#include <stdlib.h>

#include "agent/control.h"
#include "net/asks.h"
#include "net/call.h"
#include "net/orders.h"
#include "net/pages.h"
#include "tests/unit/loop_sockets.h"
#include "tests/unit/scratch.h"

static char directory[SCRATCH_MAX];
static char path[SCRATCH_MAX + 16];
static struct control *agent;
static uint64_t waiting; /* the client that is answered later */
static unsigned requests;
static json_t *told; /* arguments of the last */

static struct call *call;
static unsigned outcomes;
static int outcome_code;
static char outcome_text[512];

/* The agent: "echo" its arguments, "refuse", and all else later. */
static int handler(void *context, const struct control_peer *peer, const char *command,
		   json_t *arguments, json_t **result, struct error *error)
{
	cr_assert_eq(context, &agent);
	requests++;
	json_decref(told);
	told = json_incref(arguments);
	if (!strcmp(command, "refuse"))
		return error_set(error, -EBUSY, "not now");
	if (!strcmp(command, "names") || !strcmp(command, "listening"))
		return 0;
	waiting = peer->client;
	if (strcmp(command, "echo"))
		return CONTROL_LATER;
	*result = json_incref(arguments);
	return 0;
}

static void start_agent(void)
{
	const struct control_settings settings = {
		.path = path,
		.group = (gid_t)-1,
		.handler = handler,
		.context = &agent,
		.long_command = "names",
	};
	struct error error;

	cr_assert_eq(control_open(base, &settings, &agent, &error), 0, "%s", error.text);
}

static void start(void)
{
	loop_start();
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/net.sock", directory);
	start_agent();
}

static void stop(void)
{
	call_cancel(call);
	control_close(agent);
	json_decref(told);
	loop_stop();
	rmdir(directory);
}

TestSuite(net, .init = start, .fini = stop);

static void on_done(void *context, int code, const json_t *result, const struct error *error)
{
	cr_assert_eq(context, &outcomes);
	cr_assert_null(call, "the call is still there");
	outcomes++;
	outcome_code = code;
	strcpy(outcome_text, code ? error->text
				  : json_string_value(json_object_get(result, "text"))
					    ?: "no text");
}

static int begin(const char *command, json_t *arguments, unsigned timeout_ms)
{
	outcomes = 0;
	return call_start(base, path, command, arguments, timeout_ms, on_done, &outcomes, &call);
}

static void expect_outcome(int code, const char *text)
{
	loop_until(outcomes);
	cr_assert_eq(outcome_code, code, "%d", outcome_code);
	cr_assert_str_eq(outcome_text, text);
}

Test(net, a_call_brings_what_the_agent_says)
{
	cr_assert_eq(begin("echo", json_pack("{s:s}", "text", "hello"), DEADLINE_MS), 0);
	expect_outcome(0, "hello");
	cr_assert_eq(begin("refuse", NULL, DEADLINE_MS), 0);
	expect_outcome(-EREMOTEIO, "not now");
}

Test(net, a_call_ends_in_time_or_with_the_agent)
{
	cr_assert_eq(begin("later", NULL, 50), 0);
	expect_outcome(-ETIMEDOUT, "the agent does not answer");
	cr_assert_eq(begin("later", NULL, DEADLINE_MS), 0);
	loop_until(requests == 2);
	control_close(agent);
	agent = NULL;
	expect_outcome(-ECONNRESET, "the agent has ended the connection");
	cr_assert_eq(begin("later", NULL, DEADLINE_MS), -ENOENT);
	cr_assert_null(call);
	start_agent();
}

Test(net, a_request_beyond_what_the_agent_takes_is_not_sent)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 500000; i++)
		json_array_append_new(list, json_string("0123456789"));
	cr_assert_eq(begin("names", json_pack("{s:o}", "nodes", list), DEADLINE_MS), -E2BIG);
}

/* An agent that says just this to whoever connects, and then nothing more. */
static int listen_as_agent(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	control_close(agent);
	agent = NULL;
	strcpy(address.sun_path, path);
	cr_assert(!bind(fd, (struct sockaddr *)&address, sizeof(address)) && !listen(fd, 8), "%m");
	return fd;
}

static int accept_on(int listener)
{
	int fd = -1;

	loop_until((fd = accept(listener, NULL, NULL)) >= 0);
	return fd;
}

Test(net, a_reply_that_makes_no_sense_is_an_error)
{
	static const char *const replies[] = {
		"\n",		"nonsense\n",	    "[1]\n",
		"{\"ok\":1}\n", "{\"ok\":false}\n", "{\"ok\":true,\"ok\":false}\n",
	};
	const int listener = listen_as_agent();

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		int fd;

		cr_assert_eq(begin("metrics", NULL, DEADLINE_MS), 0);
		fd = accept_on(listener);
		loop_send(fd, replies[i]);
		expect_outcome(-EPROTO, "the agent's reply makes no sense");
		close(fd);
	}
	close(listener);
	unlink(path);
}

static struct {
	unsigned listens, asks, came, gone;
	uint64_t id;
	char host[64];
	uint16_t port;
} ordered;

static void on_listen(void *context, uint64_t id, const char *host, uint16_t port)
{
	cr_assert_eq(context, &ordered);
	ordered.listens++;
	ordered.id = id;
	strcpy(ordered.host, host ? host : "nowhere");
	ordered.port = port;
}

static void on_ask(void *context, uint64_t id, uint16_t port)
{
	cr_assert_eq(context, &ordered);
	ordered.asks++;
	ordered.id = id;
	ordered.port = port;
}

static void on_agent(void *context, const struct error *problem)
{
	cr_assert_eq(context, &ordered);
	if (problem)
		ordered.gone++;
	else
		ordered.came++;
}

static struct orders *open_orders(void)
{
	const struct orders_settings settings = {
		.path = path,
		.listen = on_listen,
		.ask = on_ask,
		.agent = on_agent,
		.context = &ordered,
	};
	struct orders *orders;

	cr_assert_eq(orders_open(base, &settings, &orders), 0);
	return orders;
}

/* Accepts the stream, and reads what it begins with. */
static int accept_stream(int listener)
{
	const int fd = accept_on(listener);
	char line[256];

	loop_read(fd, line, sizeof(line), true);
	cr_assert(strstr(line, "\"serve\""), "%s", line);
	loop_send(fd, "{\"version\":1,\"ok\":true,\"result\":null}\n");
	return fd;
}

Test(net, orders_are_carried_out_and_the_stream_is_opened_again)
{
	const int listener = listen_as_agent();
	struct orders *orders = open_orders();
	int fd = accept_stream(listener);

	loop_send(fd, "{\"listen\":{\"host\":\"::1\",\"port\":9369},\"id\":1}\n{\"ask\":4369,");
	loop_until(ordered.listens == 1);
	cr_assert_str_eq(ordered.host, "::1");
	cr_assert_eq(ordered.port, 9369);
	cr_assert_eq(ordered.came, 1);
	loop_send(fd, "\"id\":2}\n");
	loop_until(ordered.asks == 1);
	cr_assert_eq(ordered.id, 2);
	cr_assert_eq(ordered.port, 4369);
	close(fd);
	fd = accept_stream(listener);
	cr_assert_eq(ordered.gone, 1);
	loop_send(fd, "{\"listen\":null,\"id\":3}\n");
	loop_until(ordered.listens == 2);
	cr_assert_str_eq(ordered.host, "nowhere");
	cr_assert_eq(ordered.came, 2);
	close(fd);
	orders_close(orders);
	close(listener);
	unlink(path);
}

Test(net, orders_that_make_no_sense_end_the_stream)
{
	static const char *const lines[] = {
		"nonsense\n",
		"{}\n",
		"{\"ask\":4369}\n",
		"{\"ask\":0,\"id\":1}\n",
		"{\"ask\":65536,\"id\":1}\n",
		"{\"listen\":{\"port\":1},\"id\":1}\n",
		"{\"listen\":{\"host\":\"::1\",\"port\":-1},\"id\":1}\n",
	};
	const int listener = listen_as_agent();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct orders *orders = open_orders();
		const int fd = accept_stream(listener);
		char text[16];

		loop_send(fd, lines[i]);
		cr_assert_eq(loop_read(fd, text, sizeof(text), false), 0);
		close(fd);
		orders_close(orders);
	}
	cr_assert_eq(ordered.asks + ordered.listens, 0);
	close(listener);
	unlink(path);
}

Test(net, an_agent_that_is_not_there_is_waited_for_and_told_of_once)
{
	struct orders *orders;
	int listener, fd;

	control_close(agent);
	agent = NULL;
	orders = open_orders();
	loop_until(ordered.gone == 1);
	for (const long end = now_ms() + 3 * ORDERS_RETRY_MS; now_ms() < end;)
		turn(-1);
	cr_assert_eq(ordered.gone, 1);
	listener = listen_as_agent();
	fd = accept_stream(listener);
	loop_until(ordered.came == 1);
	close(fd);
	orders_close(orders);
	close(listener);
	unlink(path);
}

Test(net, an_agent_that_hangs_up_again_and_again_is_tried_more_and_more_seldom)
{
	struct orders *orders = open_orders();
	const int listener = listen_as_agent();

	for (unsigned i = 0; i < 3; i++) {
		const long before = now_ms();

		close(accept_stream(listener));
		loop_until(ordered.gone == i + 1);
		if (i)
			cr_assert_geq(now_ms() - before, (long)(ORDERS_RETRY_MS << (i - 1)) - 50);
	}
	orders_close(orders);
	close(listener);
	unlink(path);
}

static unsigned reports;
static bool listening;

static void on_listening(void *context, const struct error *problem)
{
	cr_assert_eq(context, &reports);
	reports++;
	listening = !problem;
}

static struct pages *open_pages(void)
{
	const struct pages_settings settings = {
		.path = path, .listening = on_listening, .context = &reports};
	struct pages *pages;

	cr_assert_eq(pages_open(base, &settings, &pages), 0);
	return pages;
}

static uint16_t free_port(void)
{
	uint16_t port = 0;

	close(loop_listen_tcp(&port));
	return port;
}

static int scrape(uint16_t port, const char *page)
{
	const int fd = loop_connect_tcp(port);
	char request[64];

	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", page);
	loop_send(fd, request);
	return fd;
}

Test(net, however_many_want_a_page_the_agent_writes_one_at_a_time)
{
	const uint16_t port = free_port();
	struct pages *pages = open_pages();
	int first, others[20];

	pages_listen(pages, "127.0.0.1", port);
	cr_assert(listening && reports == 1);
	first = scrape(port, "/metrics");
	loop_until(requests == 1);
	for (size_t i = 0; i < 20; i++)
		others[i] = scrape(port, "/metrics");
	for (unsigned i = 0; i < 100; i++)
		turn(-1);
	cr_assert_eq(requests, 1);
	control_reply(agent, waiting, 0, json_string("page 1\n"), NULL);
	loop_expect_page(first, "200", "page 1\n");
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, json_string("page 2\n"), NULL);
	for (size_t i = 0; i < 20; i++)
		loop_expect_page(others[i], "200", "page 2\n");
	cr_assert_eq(requests, 2);
	pages_close(pages);
}

Test(net, what_the_agent_refuses_is_503_with_its_words)
{
	const struct error open = {"eth0 (client) is open"};
	const uint16_t port = free_port();
	struct pages *pages = open_pages();
	int fd;

	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/healthz");
	loop_until(requests == 1);
	control_reply(agent, waiting, -ENOTCONN, NULL, &open);
	loop_expect_page(fd, "503", "eth0 (client) is open\n");
	fd = scrape(port, "/healthz");
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, NULL, NULL);
	loop_expect_page(fd, "200", "ok\n");
	fd = scrape(port, "/metrics");
	loop_until(requests == 3);
	control_reply(agent, waiting, 0, json_integer(7), NULL);
	loop_expect_page(fd, "503", "the agent's reply makes no sense\n");
	control_close(agent);
	agent = NULL;
	loop_expect_page(scrape(port, "/metrics"), "503", "the agent does not answer\n");
	pages_close(pages);
	start_agent();
}

Test(net, a_place_that_is_taken_is_tried_until_it_is_free)
{
	uint16_t port = 0;
	const int holder = loop_listen_tcp(&port);
	struct pages *pages = open_pages();

	pages_listen(pages, "127.0.0.1", port);
	cr_assert(!listening && reports == 1);
	close(holder);
	loop_until(listening);
	cr_assert_eq(reports, 2);
	pages_listen(pages, "0.0.0.0", port);
	cr_assert(listening && reports == 3, "every address, at its own port");
	pages_listen(pages, "0.0.0.0", port);
	cr_assert(listening && reports == 4, "asked again it says so again");
	pages_listen(pages, NULL, 0);
	cr_assert(listening && reports == 5);
	close(loop_listen_tcp(&port));
	pages_close(pages);
}

Test(net, requests_that_wait_when_the_place_changes_are_dropped)
{
	const uint16_t port = free_port();
	struct pages *pages = open_pages();
	char text[16];
	int fd;

	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/metrics");
	loop_until(requests == 1);
	pages_listen(pages, NULL, 0);
	cr_assert_eq(loop_read(fd, text, sizeof(text), false), 0);
	close(fd);
	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/metrics");
	for (unsigned i = 0; i < 50; i++)
		turn(-1);
	control_reply(agent, waiting, 0, json_string("too old\n"), NULL);
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, json_string("page\n"), NULL);
	loop_expect_page(fd, "200", "page\n");
	pages_close(pages);
}

/* Plays an epmd that says this to one who asks. */
static void answer_as_epmd(int listener, const char *reply, size_t size)
{
	const int fd = accept_on(listener);

	cr_assert_eq(send(fd, reply, size, 0), (ssize_t)size);
	close(fd);
}

Test(net, what_epmd_says_goes_to_the_agent_under_the_number)
{
	static const char reply[] = "\0\0\x11\x11name app at port 9100\nname b at port 9101\n";
	uint16_t port = 0;
	const int listener = loop_listen_tcp(&port);
	struct asks *asks = asks_open(base, path);
	json_int_t id, code, second;
	json_t *nodes;

	asks_ask(asks, 7, port);
	answer_as_epmd(listener, reply, sizeof(reply) - 1);
	loop_until(told);
	cr_assert_eq(
		json_unpack(told, "{s:I, s:I, s:o}", "id", &id, "code", &code, "nodes", &nodes), 0);
	cr_assert_eq(id, 7);
	cr_assert_eq(code, 0);
	cr_assert_eq(json_array_size(nodes), 2);
	second = json_integer_value(json_array_get(json_array_get(nodes, 1), 1));
	cr_assert_eq(second, 9101);
	close(listener);
	asks_ask(asks, 8, port);
	loop_until(requests == 2);
	cr_assert_eq(json_integer_value(json_object_get(told, "code")), -ECONNREFUSED);
	asks_close(asks);
}

Test(net, no_more_questions_are_under_way_than_may_be)
{
	uint16_t port = 0;
	const int listener = loop_listen_tcp(&port);
	struct asks *asks = asks_open(base, path);

	for (uint64_t id = 1; id <= ASKS_MAX + 5; id++)
		asks_ask(asks, id, port);
	for (unsigned i = 0; i < ASKS_MAX; i++)
		close(accept_on(listener));
	loop_until(requests == ASKS_MAX);
	cr_assert_lt(accept(listener, NULL, NULL), 0);
	loop_until(json_integer_value(json_object_get(told, "code")) == -EPROTO);
	for (unsigned i = 0; i < 20; i++)
		turn(-1);
	asks_ask(asks, 99, port);
	asks_cancel(asks);
	asks_close(asks);
	close(listener);
}
