// SPDX-License-Identifier: BSD-2-Clause
#include "net/pages.h"

#include <errno.h>
#include <event2/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "daemon/http.h"
#include "net/call.h"

#define PAGE_COUNT (HTTP_PAGE_HEALTH + 1)

/* One of the pages, and the question to the agent that is under way. */
struct page {
	struct pages *pages;
	struct call *call;
	uint64_t wanted; /* number of the last request */
	uint64_t asked;	 /* that had come when the agent was asked */
};

struct pages {
	struct event_base *base;
	struct pages_settings settings;
	struct http *http;
	char *host; /* NULL: nowhere */
	uint16_t port;
	struct event *retry;
	bool works;
	bool told; /* listening() knows */
	struct page pages[PAGE_COUNT];
};

static enum http_page kind_of(const struct page *page)
{
	return (enum http_page)(page - page->pages->pages);
}

static void ask_agent(struct page *page);

/* One line for all who wait: they would not fare better if they were left waiting. */
static void refuse(struct page *page, const char *reason)
{
	char line[sizeof(((struct error *)NULL)->text) + 1];

	snprintf(line, sizeof(line), "%s\n", reason);
	http_answer(page->pages->http, kind_of(page), page->wanted, HTTP_SERVUNAVAIL, line);
	page->asked = page->wanted;
}

static void on_page(void *context, int code, const json_t *result, const struct error *error)
{
	struct page *page = context;
	const char *text = kind_of(page) == HTTP_PAGE_HEALTH ? "ok\n" : json_string_value(result);

	if (code)
		refuse(page, error->text);
	else if (!text)
		refuse(page, "the agent's reply makes no sense");
	else
		http_answer(page->pages->http, kind_of(page), page->asked, HTTP_OK, text);
	if (page->asked < page->wanted) /* it may have been written before they asked */
		ask_agent(page);
}

static void ask_agent(struct page *page)
{
	const char *command = kind_of(page) == HTTP_PAGE_HEALTH ? "health" : "metrics";
	struct pages *pages = page->pages;
	const int code = call_start(pages->base, pages->settings.path, command, NULL,
				    PAGES_PATIENCE_MS, on_page, page, &page->call);

	if (code)
		refuse(page, "the agent does not answer");
	else
		page->asked = page->wanted;
}

static void on_asked(void *context, enum http_page kind, uint64_t number)
{
	struct pages *pages = context;
	struct page *page = &pages->pages[kind];

	page->wanted = number;
	if (!page->call)
		ask_agent(page);
}

static void tell(struct pages *pages, const struct error *problem)
{
	if (pages->told && pages->works == !problem)
		return;
	pages->told = true;
	pages->works = !problem;
	pages->settings.listening(pages->settings.context, problem);
}

static void try_to_listen(struct pages *pages)
{
	static const struct timeval delay = {.tv_sec = PAGES_RETRY_MS / 1000,
					     .tv_usec = PAGES_RETRY_MS % 1000 * 1000};
	const struct http_settings settings = {
		.host = pages->host,
		.port = pages->port,
		.asked = on_asked,
		.context = pages,
	};
	struct error error = {""};

	if (http_open(pages->base, &settings, &pages->http, &error)) {
		if (event_add(pages->retry, &delay))
			event_base_loopbreak(pages->base);
		tell(pages, &error);
	} else {
		tell(pages, NULL);
	}
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	try_to_listen(context);
}

static void stop(struct pages *pages)
{
	event_del(pages->retry);
	http_close(pages->http);
	pages->http = NULL;
	free(pages->host);
	pages->host = NULL;
}

void pages_listen(struct pages *pages, const char *host, uint16_t port)
{
	pages->told = false;
	if (pages->http && text_same(host, pages->host) && port == pages->port) {
		tell(pages, NULL);
		return;
	}
	/* First: the new place may be every address, at the port of the old one. */
	stop(pages);
	pages->host = host ? strdup(host) : NULL;
	pages->port = port;
	if (pages->host)
		try_to_listen(pages);
	else if (host)
		tell(pages, &(const struct error){"cannot listen for metrics: out of memory"});
	else
		tell(pages, NULL);
}

int pages_open(struct event_base *base, const struct pages_settings *settings,
	       struct pages **result)
{
	struct pages *pages = calloc(1, sizeof(*pages));

	if (!pages)
		return -ENOMEM;
	pages->base = base;
	pages->settings = *settings;
	pages->retry = evtimer_new(base, on_retry, pages);
	if (!pages->retry) {
		free(pages);
		return -ENOMEM;
	}
	for (size_t i = 0; i < PAGE_COUNT; i++)
		pages->pages[i].pages = pages;
	*result = pages;
	return 0;
}

void pages_close(struct pages *pages)
{
	if (!pages)
		return;
	stop(pages);
	for (size_t i = 0; i < PAGE_COUNT; i++)
		call_cancel(pages->pages[i].call);
	event_free(pages->retry);
	free(pages);
}
