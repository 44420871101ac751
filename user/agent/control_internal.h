/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server of the control protocol (control.c) and its connections share. */
#ifndef BEAMFENCE_CONTROL_INTERNAL_H
#define BEAMFENCE_CONTROL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/control.h"
#include "daemon/unix_socket.h"

struct control_stream;

struct client {
	struct control *control;
	struct client *next;
	struct bufferevent *stream;
	struct event *timer; /* runs while the client owes us a line, or the end of one */
	struct control_peer peer;
	struct control_stream *lines; /* NULL: it sends requests */
	bool half_line;		      /* the timer runs for the end of a line */
	bool last_reply;	      /* close when the output is gone, read nothing more */
	bool input_ended;
	bool waiting;	 /* for control_reply() */
	size_t searched; /* bytes of input in which there is no end of a line */
	bool long_line;	 /* its line is longer than that of most commands may be */
};

struct control {
	struct event_base *base;
	struct control_settings settings;
	struct unix_socket socket;
	struct evconnlistener *listener;
	struct event *retry; /* runs after accept(2) failed */
	struct client *clients;
	unsigned client_count;
	uint64_t last_client; /* number given out */
};

struct timeval control_interval(unsigned ms);

/* Takes connections or not, by how many there are: due when that or a client's output changed. */
void control_update_accepting(struct control *control);

/* Makes a client of a connection and takes @fd over; NULL, and @fd still the caller's. */
struct client *client_new(struct control *control, int fd);

void client_free(struct client *client);

/* Looks at the input as far as it goes, one reply at a time. May free the client. */
void client_advance(struct client *client);

/* Replies to the request that it waits for, and goes on; takes @result over. May free it. */
void client_reply(struct client *client, int code, json_t *result, const struct error *error);

/* Queues a reply that says what is wrong; ends the client after what is queued if it cannot. */
void client_error(struct client *client, int code, const char *text);

/* Queues the outcome of a command, and takes @result over. */
void client_outcome(struct client *client, int code, json_t *result, const struct error *error);
/* Ends one connection while the server goes on. */
void client_end(struct client *client);

/* control_stream.c: what client_advance() does for a stream, and its end; NULL is allowed. */
void control_stream_advance(struct control_stream *stream);
void control_stream_free(struct control_stream *stream);

/* Bytes of replies that it has not read. */
size_t client_pending(const struct client *client);

/* Sends what the socket takes without waiting. */
void client_flush(struct client *client);

#endif
