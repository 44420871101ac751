/* SPDX-License-Identifier: BSD-2-Clause */
/* What the endpoint's connections (http.c) and its pages (http_pages.c) share. */
#ifndef BEAMFENCE_HTTP_INTERNAL_H
#define BEAMFENCE_HTTP_INTERNAL_H

#include <event2/http.h>
#include <stdbool.h>

#include "daemon/http.h"
#include "daemon/unix_socket.h"

struct http_waiting;

/*
 * evhttp of libevent 2.1 bounds neither the number of connections nor their life, and tells nobody
 * when one ends. So each is noted here by descriptor and socket cookie: while the descriptor still
 * has that cookie the connection lives.
 */
struct connection {
	bool used;
	struct bufferevent *fresh; /* referenced, until evhttp has given it its descriptor */
	int fd;
	uint64_t cookie;
	uint64_t opened_ms;
};

struct http {
	struct event_base *base;
	struct evhttp *server;
	struct evconnlistener *listener; /* belongs to the server */
	int fd;				 /* that it listens on, or -1; that of the file, if any */
	struct unix_socket file;	 /* of a unix socket; path "": none */
	struct event *adopt;		 /* notes the descriptors of fresh connections */
	struct event *tick;		 /* while connections are open, or accepting is paused */
	struct connection connections[HTTP_CONNECTIONS_MAX];
	struct http_settings settings; /* but for the host, which is the caller's */
	struct http_waiting *waiting;  /* requests that are answered later, in no order */
	struct http *next;	       /* of all that are open */
	unsigned life_ms;
	uint16_t port;
	bool paused;
};

/* Answers a request, or notes that it waits; @context is a struct http. */
void http_on_request(struct evhttp_request *request, void *context);

/* Nobody waits any more: before the connections are closed, to which the requests belong. */
void http_forget_waiting(struct http *http);

#endif
