/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request to the agent (core/protocol.h), on a connection of its own and without ever waiting.
 */
#ifndef BEAMFENCE_CALL_H
#define BEAMFENCE_CALL_H

#include <event2/event.h>
#include <jansson.h>

#include "core/error.h"

#define CALL_REPLY_MAX (16u << 20) /* bytes */

struct call;

/*
 * The outcome, from the loop: 0 with the @result of the agent's reply (lent until this returns), or
 * a negative errno and why in @error: -EREMOTEIO when the agent refused, in its own words.
 */
typedef void (*call_done)(void *context, int code, const json_t *result, const struct error *error);

/*
 * Sends @command with @arguments (taken over; NULL: none) to the agent behind @path. @done may be
 * NULL. Returns 0 with the call in *@call, which must be NULL before and stay where it is, and is
 * NULL again when @done is called. Or a negative errno with nothing started: -E2BIG when the
 * request is longer than the agent takes, those of socket(2) and connect(2), -ENOMEM.
 */
int call_start(struct event_base *base, const char *path, const char *command, json_t *arguments,
	       unsigned timeout_ms, call_done done, void *context, struct call **call);

/* Ends a call without an outcome, and sets the owner's pointer to NULL. NULL is allowed. */
void call_cancel(struct call *call);

/* A connection to the unix socket at @path, which does not block, or a negative errno. */
int call_connect(const char *path);

/*
 * A request as a line that ends with a newline, and no NUL, for free(). @arguments is taken over.
 * NULL: out of memory.
 */
char *call_line(const char *command, json_t *arguments, size_t *length);

#endif
