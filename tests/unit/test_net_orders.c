// SPDX-License-Identifier: BSD-2-Clause
#include "net/orders.h"

#include "tests/unit/fake_agent.h"

TestSuite(net_orders, .init = start_with_agent, .fini = stop_with_agent);

static struct {
	unsigned listens, asks, probes, came, gone;
	uint64_t id;
	char host[64];
	uint8_t address[16];
	uint16_t port;
	unsigned timeout_ms;
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

static void on_probe(void *context, uint64_t id, const uint8_t address[static 16], uint16_t port,
		     unsigned timeout_ms)
{
	cr_assert_eq(context, &ordered);
	ordered.probes++;
	ordered.id = id;
	memcpy(ordered.address, address, sizeof(ordered.address));
	ordered.port = port;
	ordered.timeout_ms = timeout_ms;
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
		.probe = on_probe,
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
	tell(fd, "{\"version\":1,\"ok\":true,\"result\":null}\n");
	return fd;
}

Test(net_orders, orders_are_carried_out_and_the_stream_is_opened_again)
{
	const int listener = listen_as_agent();
	struct orders *orders = open_orders();
	int fd = accept_stream(listener);

	tell(fd, "{\"listen\":{\"host\":\"::1\",\"port\":9369},\"id\":1}\n{\"ask\":4369,");
	loop_until(ordered.listens == 1);
	cr_assert_str_eq(ordered.host, "::1");
	cr_assert_eq(ordered.port, 9369);
	cr_assert_eq(ordered.came, 1);
	tell(fd, "\"id\":2}\n");
	loop_until(ordered.asks == 1);
	cr_assert_eq(ordered.id, 2);
	cr_assert_eq(ordered.port, 4369);
	close(fd);
	fd = accept_stream(listener);
	cr_assert_eq(ordered.gone, 1);
	tell(fd, "{\"listen\":null,\"id\":3}\n");
	loop_until(ordered.listens == 2);
	cr_assert_str_eq(ordered.host, "nowhere");
	cr_assert_eq(ordered.came, 2);
	close(fd);
	orders_close(orders);
	close(listener);
	unlink(path);
}

Test(net_orders, a_port_is_probed_at_the_address_that_is_given)
{
	static const uint8_t ipv4[16] = {[10] = 0xff, 0xff, 10, 77, 1, 1}, any_ipv6[16];
	const int listener = listen_as_agent();
	struct orders *orders = open_orders();
	const int fd = accept_stream(listener);

	tell(fd, "{\"probe\":{\"address\":\"10.77.1.1\",\"port\":9100,\"timeout_ms\":1000},"
		 "\"id\":5}\n");
	loop_until(ordered.probes == 1);
	cr_assert_eq(ordered.id, 5);
	cr_assert_arr_eq(ordered.address, ipv4, 16);
	cr_assert_eq(ordered.port, 9100);
	cr_assert_eq(ordered.timeout_ms, 1000);
	tell(fd, "{\"probe\":{\"address\":\"::\",\"port\":65535,\"timeout_ms\":60000},\"id\":6}\n");
	loop_until(ordered.probes == 2);
	cr_assert_arr_eq(ordered.address, any_ipv6, 16);
	cr_assert_eq(ordered.port, 65535);
	close(fd);
	orders_close(orders);
	close(listener);
	unlink(path);
}

#define PROBE(address, port, timeout)                                                   \
	"{\"probe\":{\"address\":" address ",\"port\":" port ",\"timeout_ms\":" timeout \
	"},\"id\":1}\n"

Test(net_orders, orders_that_make_no_sense_end_the_stream)
{
	static const char *const lines[] = {
		"nonsense\n",
		"{}\n",
		"{\"ask\":4369}\n",
		"{\"ask\":0,\"id\":1}\n",
		"{\"ask\":65536,\"id\":1}\n",
		"{\"listen\":{\"port\":1},\"id\":1}\n",
		"{\"listen\":{\"host\":\"::1\",\"port\":-1},\"id\":1}\n",
		"{\"probe\":9100,\"id\":1}\n",
		"{\"probe\":{\"address\":\"::1\",\"port\":9100,\"timeout_ms\":1000}}\n",
		PROBE("7", "9100", "1000"),
		PROBE("\"host.lab\"", "9100", "1000"),
		PROBE("\"::1/64\"", "9100", "1000"),
		PROBE("\"::1\"", "0", "1000"),
		PROBE("\"::1\"", "65536", "1000"),
		PROBE("\"::1\"", "9100", "0"),
		PROBE("\"::1\"", "9100", "60001"),
	};
	const int listener = listen_as_agent();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct orders *orders = open_orders();
		const int fd = accept_stream(listener);
		char text[16];

		tell(fd, lines[i]);
		cr_assert_eq(loop_read(fd, text, sizeof(text), false), 0);
		close(fd);
		orders_close(orders);
	}
	cr_assert_eq(ordered.asks + ordered.probes + ordered.listens, 0);
	close(listener);
	unlink(path);
}

Test(net_orders, an_agent_that_is_not_there_is_waited_for_and_told_of_once)
{
	struct orders *orders;
	int listener, fd;

	agent_close();
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

Test(net_orders, an_agent_that_hangs_up_again_and_again_is_tried_more_and_more_seldom)
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
