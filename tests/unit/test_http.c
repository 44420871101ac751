// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/http_endpoint.h"

TestSuite(http, .init = loop_start, .fini = stop);

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

Test(http, metrics_that_cannot_be_had_are_a_server_error)
{
	const char *reply;

	serve(0, 0);
	metrics_code = -EIO;
	reply = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
	expect_start(reply, "HTTP/1.1 500 ");
	expect_body(reply, "Internal Server Error\n");
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
