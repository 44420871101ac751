/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One request over TCP and what comes in reply, without ever waiting. The other end is not trusted:
 * the time and the size of the reply are bounded.
 */
#ifndef BEAMFENCE_EXCHANGE_H
#define BEAMFENCE_EXCHANGE_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exchange;

struct exchange_settings {
	/*
	 * Where: the second is tried when nobody listens at the first, or this host has no way
	 * there. All zeros: there is none. IPv4 is mapped into IPv6.
	 */
	uint8_t places[2][16];
	uint16_t port;
	unsigned int timeout_ms; /* for all of it */
	const void *request;	 /* copied */
	size_t request_size;
	size_t reply_max; /* bytes */
	/* Whether this is the whole reply. NULL: it is whole when the other end ends it. */
	bool (*is_whole)(const uint8_t *reply, size_t size);
	/*
	 * The outcome, once, from the loop: 0 when the reply is whole or has ended, or a negative
	 * errno: -ETIMEDOUT, -EMSGSIZE, -ECONNRESET, those of connect(2). @reply is what came until
	 * then, and gone after exchange_end(), which is still to be called, at once or later.
	 */
	void (*done)(void *context, int code, const uint8_t *reply, size_t size);
	void *context;
};

/*
 * Returns 0 with what exchange_end() frees, or a negative errno with nothing started. The process
 * must ignore SIGPIPE.
 */
int exchange_start(struct event_base *base, const struct exchange_settings *settings,
		   struct exchange **exchange);

/* Ends it, without an outcome where there was none yet. NULL is allowed. */
void exchange_end(struct exchange *exchange);

#endif
