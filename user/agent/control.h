/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server side of the control protocol (core/protocol.h) on a unix stream socket. It frames and
 * checks requests, hands each to one handler and makes the reply object. Clients are not trusted:
 * their number, the length of a line, the time they may be silent and what may wait for them to
 * read are all bounded. A client's next request is looked at when its last reply is gone.
 */
#ifndef BEAMFENCE_CONTROL_H
#define BEAMFENCE_CONTROL_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"

#define CONTROL_CLIENTS_MAX	64
#define CONTROL_REPLY_SMALL	(64u << 10) /* bytes: a reply up to this is always sent */
#define CONTROL_PENDING_MAX	(128u << 20) /* bytes of replies that wait, of all clients together */
#define CONTROL_IDLE_MS		60000	     /* without a request */
#define CONTROL_HALF_LINE_MS	10000	     /* from the first byte of a line to its end */
#define CONTROL_STALL_MS	30000	     /* without the client reading any of its reply */
#define CONTROL_ACCEPT_RETRY_MS 1000	     /* after accept(2) failed */

struct control;
struct client;

/* Who asks: from SO_PEERCRED, as of connect(2). */
struct control_peer {
	uid_t uid;
	pid_t pid;
	bool read_only;	 /* it came by a socket that is for looking only */
	uint64_t client; /* its connection, for control_reply(); never used again for another */
	struct client *connection; /* for control_stream_begin(), while it is handled */
};

#define CONTROL_LATER 1

/*
 * Carries out @command. @arguments is an object, empty when the request had none, and belongs to
 * the server. Returns 0 with the result in *@result, which the server takes over (left NULL it is
 * sent as null), or a negative errno with a text in @error that the client is shown, or
 * CONTROL_LATER: then control_reply() is due, and until that the client waits. Must not call
 * control_close().
 */
typedef int (*control_handler)(void *context, const struct control_peer *peer, const char *command,
			       json_t *arguments, json_t **result, struct error *error);

struct control_settings {
	const char *path; /* of the socket; copied */
	gid_t group;	  /* mode 0660 and this group; (gid_t)-1: mode 0600 */
	control_handler handler;
	void *context;
	bool read_only;			  /* handed on to the handler with each request */
	const char *const *long_commands; /* may have a long line; NULL: none. Not copied */
	unsigned idle_ms;		  /* this and the next two: 0 for the value above */
	unsigned half_line_ms;
	unsigned stall_ms;
};

/*
 * Makes the socket and serves on @base; the process must ignore SIGPIPE. Returns 0 and a server
 * that the caller ends with control_close(), or the errors of unix_socket_open()
 * (daemon/unix_socket.h).
 */
int control_open(struct event_base *base, const struct control_settings *settings,
		 struct control **control, struct error *error);

/*
 * Replies to a request that was answered with CONTROL_LATER: as the handler's own outcome, and
 * @result is taken over. Does nothing more when that client has gone.
 */
void control_reply(struct control *control, uint64_t client, int code, json_t *result,
		   const struct error *error);

/*
 * Sends of each pending reply what the socket takes at once (so the reply to a request that ended
 * the agent gets out), closes every connection and removes the socket's file if it is still the
 * one made by control_open(). @control may be NULL.
 */
void control_close(struct control *control);

#endif
