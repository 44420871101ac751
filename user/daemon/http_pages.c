// SPDX-License-Identifier: BSD-2-Clause
/* What the endpoint answers, at once or later. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "daemon/http_internal.h"

#define PLAIN_TYPE   "text/plain; charset=utf-8"
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A request without its answer. It belongs to its connection. */
struct http_waiting {
	struct http_waiting *next;
	struct evhttp_request *request;
	uint64_t number;
	enum http_page page;
};

static uint64_t last_number; /* of all endpoints together */

static void reply(struct evhttp_request *request, int status, const char *reason, const char *type,
		  struct evbuffer *body)
{
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	char length[32];

	/* One request a connection, whatever the client asked for. */
	evhttp_remove_header(evhttp_request_get_input_headers(request), "Connection");
	evhttp_add_header(headers, "Connection", "close");
	evhttp_add_header(headers, "Content-Type", type);
	snprintf(length, sizeof(length), "%zu", evbuffer_get_length(body));
	evhttp_add_header(headers, "Content-Length", length);
	if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD)
		evbuffer_drain(body, evbuffer_get_length(body));
	evhttp_send_reply(request, status, reason, body);
}

static void reply_error(struct evhttp_request *request, int status, const char *reason,
			struct evbuffer *body)
{
	evbuffer_drain(body, evbuffer_get_length(body));
	evbuffer_add_printf(body, "%s\n", reason);
	reply(request, status, reason, PLAIN_TYPE, body);
}

static void reply_health(struct evhttp_request *request, struct http *http, struct evbuffer *body)
{
	struct error reason = {""};
	const int code = http->settings.health(http->settings.context, &reason);

	evbuffer_add_printf(body, "%s\n", code ? reason.text : "ok");
	reply(request, code ? HTTP_SERVUNAVAIL : HTTP_OK, code ? "Service Unavailable" : "OK",
	      PLAIN_TYPE, body);
}

static void cleanup_evbuffer(struct evbuffer **buffer)
{
	if (*buffer)
		evbuffer_free(*buffer);
}

/* Notes that a request waits for http_answer(). */
static void answer_later(struct evhttp_request *request, struct http *http, enum http_page page,
			 struct evbuffer *body)
{
	struct http_waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting) {
		reply_error(request, HTTP_INTERNAL, "Internal Server Error", body);
		return;
	}
	/*
	 * evhttp reads nothing more before the answer is sent, so the connection, and with it the
	 * request, lasts until then whatever the client does.
	 */
	*waiting = (struct http_waiting){
		.next = http->waiting, .request = request, .number = ++last_number, .page = page};
	http->waiting = waiting;
	http->settings.asked(http->settings.context, page, waiting->number);
}

static void send_answer(struct evhttp_request *request, enum http_page page, int status,
			const char *text)
{
	_cleanup_(cleanup_evbuffer) struct evbuffer *body = evbuffer_new();
	const char *type = page == HTTP_PAGE_METRICS && status == HTTP_OK ? METRICS_TYPE
									  : PLAIN_TYPE;

	if (!body || evbuffer_add(body, text, strlen(text)))
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	else
		reply(request, status, status == HTTP_OK ? "OK" : "Service Unavailable", type,
		      body);
}

void http_answer(struct http *http, enum http_page page, uint64_t number, int status,
		 const char *text)
{
	struct http_waiting **link = http ? &http->waiting : NULL;

	while (link && *link) {
		struct http_waiting *waiting = *link;

		if (waiting->page != page || waiting->number > number) {
			link = &waiting->next;
			continue;
		}
		*link = waiting->next;
		send_answer(waiting->request, page, status, text);
		free(waiting);
	}
}

void http_forget_waiting(struct http *http)
{
	for (struct http_waiting *waiting = http->waiting, *next; waiting; waiting = next) {
		next = waiting->next;
		free(waiting);
	}
	http->waiting = NULL;
}

void http_on_request(struct evhttp_request *request, void *context)
{
	_cleanup_(cleanup_evbuffer) struct evbuffer *body = evbuffer_new();
	enum evhttp_cmd_type method = evhttp_request_get_command(request);
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
	const bool metrics = path && strcmp(path, "/metrics") == 0;
	const bool health = path && strcmp(path, "/healthz") == 0;
	struct http *http = context;

	if (!body) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
	} else if (!metrics && !health) {
		reply_error(request, HTTP_NOTFOUND, "Not Found", body);
	} else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(request), "Allow", "GET, HEAD");
		reply_error(request, HTTP_BADMETHOD, "Method Not Allowed", body);
	} else if (http->settings.asked) {
		answer_later(request, http, health ? HTTP_PAGE_HEALTH : HTTP_PAGE_METRICS, body);
	} else if (health) {
		reply_health(request, http, body);
	} else if (http->settings.metrics(http->settings.context, body)) {
		reply_error(request, HTTP_INTERNAL, "Internal Server Error", body);
	} else {
		reply(request, HTTP_OK, "OK", METRICS_TYPE, body);
	}
}
