// SPDX-License-Identifier: BSD-2-Clause
/* Pages of the metrics endpoint that are answered later than they are asked for. */
#include "daemon/http.h"

#include <stdlib.h>

#include "tests/unit/http_client.h"

static struct http *http;
static unsigned asked[2];   /* so many times for each page */
static uint64_t numbers[2]; /* of the last */
static bool at_once;

static void on_asked(void *context, enum http_page page, uint64_t number)
{
	cr_assert_eq(context, &http);
	cr_assert_gt(number, numbers[page]);
	asked[page]++;
	numbers[page] = number;
	if (at_once)
		http_answer(http, page, number, 200, "at once\n");
}

static void start(void)
{
	const struct http_settings settings = {
		.host = "127.0.0.1",
		.group = (gid_t)-1,
		.asked = on_asked,
		.context = &http,
		.life_ms = 300,
	};
	struct error error;

	loop_start();
	cr_assert_eq(http_open(base, &settings, &http, &error), 0, "%s", error.text);
}

static void stop(void)
{
	http_close(http);
	loop_stop();
}

TestSuite(http_later, .init = start, .fini = stop);

/* Asks, and waits until that has arrived. */
static int ask(const char *request, enum http_page page)
{
	const int fd = connect_tcp(http_port(http));
	const unsigned before = asked[page];

	tell(fd, request);
	loop_until(asked[page] > before);
	return fd;
}

static int ask_metrics(void)
{
	return ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_PAGE_METRICS);
}

Test(http_later, an_answer_goes_to_all_who_asked_for_that_page_until_then)
{
	const int early = ask_metrics(), second = ask_metrics();
	const uint64_t until = numbers[HTTP_PAGE_METRICS];
	const int health = ask("GET /healthz HTTP/1.0\r\n\r\n", HTTP_PAGE_HEALTH);
	const int late = ask_metrics();

	http_answer(http, HTTP_PAGE_METRICS, until, 200, "page 1\n");
	expect_page(early, "200", "page 1\n");
	expect_page(second, "200", "page 1\n");
	http_answer(http, HTTP_PAGE_METRICS, UINT64_MAX, 200, "page 2\n");
	expect_page(late, "200", "page 2\n");
	http_answer(http, HTTP_PAGE_HEALTH, UINT64_MAX, 503, "eth0 is open\n");
	expect_page(health, "503", "eth0 is open\n");
}

Test(http_later, an_answer_may_come_at_once_and_head_has_no_body)
{
	at_once = true;
	expect_page(ask_metrics(), "200", "at once\n");
	expect_page(ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n", HTTP_PAGE_METRICS), "200", "");
}

Test(http_later, only_the_two_pages_are_asked_for)
{
	int fd = connect_tcp(http_port(http));

	tell(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_page(fd, "404", "Not Found\n");
	fd = connect_tcp(http_port(http));
	tell(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	expect_page(fd, "405", "Method Not Allowed\n");
	cr_assert_eq(asked[HTTP_PAGE_METRICS] + asked[HTTP_PAGE_HEALTH], 0);
}

Test(http_later, a_client_that_has_gone_is_no_concern)
{
	for (unsigned i = 0; i < 3; i++) {
		const struct linger reset = {.l_onoff = 1};
		const int fd = ask_metrics();

		if (i == 1)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i == 2)
			shutdown(fd, SHUT_WR);
		else
			close(fd);
		for (unsigned j = 0; j < 20; j++)
			turn(-1);
		http_answer(http, HTTP_PAGE_METRICS, UINT64_MAX, 200, "page\n");
		if (i == 2)
			expect_page(fd, "200", "page\n");
	}
	at_once = true;
	expect_page(ask_metrics(), "200", "at once\n");
}

Test(http_later, a_connection_whose_time_is_over_is_answered_in_vain)
{
	const int fd = ask_metrics();
	const long over = now_ms() + 300 + 2 * HTTP_TICK_MS;

	while (now_ms() < over)
		turn(-1);
	http_answer(http, HTTP_PAGE_METRICS, UINT64_MAX, 200, "page\n");
	cr_assert_str_eq(hear(fd), "");
}

Test(http_later, a_second_request_before_the_answer_to_the_first_is_not_heard)
{
	const int fd = ask_metrics();

	tell(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nnonsense\r\n\r\n");
	for (unsigned i = 0; i < 20; i++)
		turn(-1);
	http_answer(http, HTTP_PAGE_METRICS, UINT64_MAX, 200, "page\n");
	expect_page(fd, "200", "page\n");
	cr_assert_eq(asked[HTTP_PAGE_HEALTH], 0);
}

Test(http_later, closing_forgets_who_waits)
{
	const int fd = ask_metrics();

	http_close(http);
	http = NULL;
	http_answer(http, HTTP_PAGE_METRICS, UINT64_MAX, 200, "page\n");
	cr_assert_str_eq(hear(fd), "");
}
