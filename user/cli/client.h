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
 * -EACCES: no permission. -EREMOTEIO: the agent refused, and the line is its own.
 * -EPROTO: the reply makes no sense. -EINVAL, -ENAMETOOLONG, -E2BIG: the request cannot be made.
 * Other errno of socket(2), connect(2), send(2) and recv(2) as they come.
 */
int client_request(const char *socket_path, unsigned timeout_ms, const char *command,
		   json_t *arguments, json_t **result, struct error *error);

#endif
