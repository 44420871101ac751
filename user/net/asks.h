/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions that the agent has ordered, to epmd and to ports, and the answers to the agent. */
#ifndef BEAMFENCE_ASKS_H
#define BEAMFENCE_ASKS_H

#include <event2/event.h>
#include <stdint.h>

#define ASKS_MAX	 64   /* under way, of both kinds; one beyond is not asked */
#define ASKS_PATIENCE_MS 2000 /* for epmd, and for the agent */

struct asks;

/* @path is the agent's socket, and not copied. NULL: out of memory. */
struct asks *asks_open(struct event_base *base, const char *path);

/* Asks the epmd at @port, and tells the agent under @id what it said. */
void asks_ask(struct asks *asks, uint64_t id, uint16_t port);

/* Asks whether @port at @address is the distribution (dist_query_start()), and tells the agent. */
void asks_probe(struct asks *asks, uint64_t id, const uint8_t address[static 16], uint16_t port,
		unsigned timeout_ms);

/* Ends all that is under way: the agent that wanted it is gone. */
void asks_cancel(struct asks *asks);

/* NULL is allowed. */
void asks_close(struct asks *asks);

#endif
