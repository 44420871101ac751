/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks the host's epmd for its names, without ever waiting. epmd is not trusted: the time and the
 * size of the reply are bounded, and an owner has one query under way.
 */
#ifndef BEAMFENCE_EPMD_QUERY_H
#define BEAMFENCE_EPMD_QUERY_H

#include <event2/event.h>

#include "core/epmd.h"

struct epmd_query;

/*
 * The outcome, from the loop: @nodes (the callee's to read until it returns) with @code 0, or a
 * negative errno: -ECONNREFUSED where no epmd listens, -ETIMEDOUT, -EMSGSIZE, -EPROTO.
 */
typedef void (*epmd_answer)(void *context, uint16_t port, int code, const struct epmd_nodes *nodes);

/*
 * Starts one query to @port on 127.0.0.1 (::1 when that is refused). @timeout_ms bounds it as a
 * whole. Returns 0 with the query in *@query, which must be NULL before (else -EALREADY) and stay
 * where it is; the query ends itself after its answer (the callee sees *@query already NULL, and
 * may start the next). Or returns a negative errno with nothing started. The process must ignore
 * SIGPIPE.
 */
int epmd_query_start(struct event_base *base, uint16_t port, unsigned int timeout_ms,
		     epmd_answer answer, void *context, struct epmd_query **query);

/* Ends a query without an answer, and sets the owner's pointer to NULL. NULL is allowed. */
void epmd_query_cancel(struct epmd_query *query);

#endif
