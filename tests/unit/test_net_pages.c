// SPDX-License-Identifier: BSD-2-Clause
#include "net/pages.h"

#include "tests/unit/fake_agent.h"
#include "tests/unit/http_client.h"

TestSuite(net_pages, .init = start_with_agent, .fini = stop_with_agent);

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

static int scrape(uint16_t port, const char *page)
{
	const int fd = connect_tcp(port);
	char request[64];

	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", page);
	tell(fd, request);
	return fd;
}

Test(net_pages, however_many_want_a_page_the_agent_writes_one_at_a_time)
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
	expect_page(first, "200", "page 1\n");
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, json_string("page 2\n"), NULL);
	for (size_t i = 0; i < 20; i++)
		expect_page(others[i], "200", "page 2\n");
	cr_assert_eq(requests, 2);
	pages_close(pages);
}

Test(net_pages, what_the_agent_refuses_is_503_with_its_words)
{
	const struct error open = {"eth0 (client) is open"};
	const uint16_t port = free_port();
	struct pages *pages = open_pages();
	int fd;

	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/healthz");
	loop_until(requests == 1);
	control_reply(agent, waiting, -ENOTCONN, NULL, &open);
	expect_page(fd, "503", "eth0 (client) is open\n");
	fd = scrape(port, "/healthz");
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, NULL, NULL);
	expect_page(fd, "200", "ok\n");
	fd = scrape(port, "/metrics");
	loop_until(requests == 3);
	control_reply(agent, waiting, 0, json_integer(7), NULL);
	expect_page(fd, "503", "the agent's reply makes no sense\n");
	agent_close();
	expect_page(scrape(port, "/metrics"), "503", "the agent does not answer\n");
	pages_close(pages);
	agent_open();
}

Test(net_pages, a_place_that_is_taken_is_tried_until_it_is_free)
{
	uint16_t port = 0;
	const int holder = listen_tcp(&port);
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
	close(listen_tcp(&port));
	pages_close(pages);
}

Test(net_pages, requests_that_wait_when_the_place_changes_are_dropped)
{
	const uint16_t port = free_port();
	struct pages *pages = open_pages();
	int fd;

	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/metrics");
	loop_until(requests == 1);
	pages_listen(pages, NULL, 0);
	cr_assert_str_eq(hear(fd), "");
	pages_listen(pages, "127.0.0.1", port);
	fd = scrape(port, "/metrics");
	for (unsigned i = 0; i < 50; i++)
		turn(-1);
	control_reply(agent, waiting, 0, json_string("too old\n"), NULL);
	loop_until(requests == 2);
	control_reply(agent, waiting, 0, json_string("page\n"), NULL);
	expect_page(fd, "200", "page\n");
	pages_close(pages);
}
