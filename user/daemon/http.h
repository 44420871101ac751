/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics endpoint: GET or HEAD of /metrics and /healthz, one request a connection, over TCP or
 * a unix socket. Its clients are not trusted: connections, their idle time and whole life, and
 * headers are bounded; beyond the bound new connections wait in the kernel's queue.
 */
#ifndef BEAMFENCE_HTTP_H
#define BEAMFENCE_HTTP_H

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

#define HTTP_CONNECTIONS_MAX 128
#define HTTP_HEADERS_MAX     8192  /* bytes */
#define HTTP_BODY_MAX	     1024  /* bytes; no request needs one */
#define HTTP_IDLE_MS	     5000  /* without a byte in or out */
#define HTTP_LIFE_MS	     10000 /* of a connection, however it drips */
#define HTTP_TICK_MS	     1000  /* how often ends are looked for while connections are open */

struct http;

/* Appends the metrics in Prometheus text format to @text. Returns 0, or a negative errno: status
 * 500. */
typedef int (*http_metrics)(void *context, struct evbuffer *text);

/* Returns 0 when all is well: status 200; else a negative errno and why in @reason: status 503. */
typedef int (*http_health)(void *context, struct error *reason);

enum http_page { HTTP_PAGE_METRICS, HTTP_PAGE_HEALTH };

/*
 * Somebody wants @page, and waits for http_answer(), which may be called at once. @number grows
 * with each request, over all endpoints.
 */
typedef void (*http_asked)(void *context, enum http_page page, uint64_t number);

struct http_settings {
	const char *host; /* a numeric address without brackets, or the path of a unix socket */
	uint16_t port;	  /* 0: one that the kernel chooses, see http_port() */
	gid_t group;	  /* of a unix socket: as in struct control_settings */
	http_metrics metrics;
	http_health health;
	http_asked asked; /* instead of the former two, when it is not NULL */
	void *context;
	unsigned idle_ms; /* this and the next: 0 for the value above */
	unsigned life_ms;
};

/*
 * Binds and serves on @base. Several may be open at a time, so that a reload can open the new one
 * before it closes the old. The process must ignore SIGPIPE. Returns 0 and an endpoint that the
 * caller ends with http_close(); -EINVAL when @host is not a numeric address; the errno of
 * socket(2), bind(2) or listen(2), or of control_open() for a unix socket; -ENOMEM.
 */
int http_open(struct event_base *base, const struct http_settings *settings, struct http **http,
	      struct error *error);

/* The port that it listens on; 0 for a unix socket. */
uint16_t http_port(const struct http *http);

/*
 * Answers all who wait for @page since request @number or before: with @status 200, or 503, and
 * @text. Clients that have gone meanwhile are no concern of the caller's. @http may be NULL.
 */
void http_answer(struct http *http, enum http_page page, uint64_t number, int status,
		 const char *text);

/* Closes listener and connections. @http may be NULL. */
void http_close(struct http *http);

#endif
