/* SPDX-License-Identifier: BSD-2-Clause */
/* The client side of the control protocol: one request, one reply. */
#ifndef BEAMFENCE_CLIENT_H
#define BEAMFENCE_CLIENT_H

#include <jansson.h>

#include "core/error.h"

#define CLIENT_TIMEOUT_MS      10000 /* for a connection, or between two pieces of a reply */
#define CLIENT_SLOW_TIMEOUT_MS 60000 /* for commands that rebuild the policy or end the agent */

/*
 * Asks the agent behind @socket_path to carry out @command with @arguments (an object, or NULL;
 * the caller keeps it). Returns 0 with a result in *@result that the caller releases with
 * json_decref(), or one line in @error, with what to do, and:
 * -ENOENT, -ECONNREFUSED: no agent is there. -ETIMEDOUT, -ECONNRESET: it does not answer.
 * -EACCES: no permission. -EREMOTEIO: the agent refused, and the line is its own;
 * *@result is then what it has to say beside, for json_decref() too, or NULL.
 * -EPROTO: the reply makes no sense. -EINVAL, -ENAMETOOLONG, -E2BIG: the request cannot be made.
 * Other errno of socket(2), connect(2), send(2) and recv(2) as they come.
 */
int client_request(const char *socket_path, unsigned timeout_ms, const char *command,
		   json_t *arguments, json_t **result, struct error *error);

/* A connection on which the agent goes on sending lines after its reply. */
struct client_stream;

/*
 * As client_request(), but the connection stays, for client_stream_next(). Returns 0 with a stream
 * for client_stream_close() and the reply's result in *@result, or errors as there.
 */
int client_stream_open(const char *socket_path, unsigned timeout_ms, const char *command,
		       json_t *arguments, struct client_stream **stream, json_t **result,
		       struct error *error);

/* For poll(2). A line may be there already: ask client_stream_next() first. */
int client_stream_fd(const struct client_stream *stream);

/*
 * Takes the next line without waiting. Returns 1 with an object in *@line that the caller releases;
 * 0 when none is there yet; -ECONNRESET when the agent has ended; other errno with a text.
 */
int client_stream_next(struct client_stream *stream, json_t **line, struct error *error);

/* Tells the agent that this side has seen enough: it sends its last line, and ends. */
void client_stream_finish(struct client_stream *stream);

/* NULL is allowed. */
void client_stream_close(struct client_stream *stream);

#endif
