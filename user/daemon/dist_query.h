/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks a port whether it is the Erlang distribution, without ever waiting, by the first message of
 * a handshake (core/handshake.h). Who listens there is not trusted: the time and the size of the
 * reply are bounded.
 */
#ifndef BEAMFENCE_DIST_QUERY_H
#define BEAMFENCE_DIST_QUERY_H

#include <event2/event.h>

#include "core/handshake.h"

struct dist_query;

/*
 * The outcome, from the loop: @code 0 with an @answer (the callee's to read until it returns) that
 * is not HANDSHAKE_UNKNOWN, or a negative errno: -ECONNREFUSED, -ETIMEDOUT. A connection that is
 * reset has ended: HANDSHAKE_CLOSED. A node that sends its status and then nothing is one without
 * a name, at the deadline.
 */
typedef void (*dist_answer)(void *context, int code, const struct handshake_answer *answer);

/*
 * Starts one query to @port at @address, to which a listener is bound (IPv4 is mapped into IPv6; a
 * wildcard is reached at loopback). The other arguments and the result are those of
 * epmd_query_start().
 *
 * A node that is asked by two at once tells the second "nok", and so no name.
 */
int dist_query_start(struct event_base *base, const uint8_t address[static 16], uint16_t port,
		     unsigned int timeout_ms, dist_answer answer, void *context,
		     struct dist_query **query);

/* Ends a query without an answer, and sets the owner's pointer to NULL. NULL is allowed. */
void dist_query_cancel(struct dist_query *query);

#endif
