/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stream on which the agent says what is to be done (daemon/net_protocol.h): opened, and opened
 * again whenever it has ended: the later, the more often it ends soon. So two programs that drive
 * each other out do not do so for ever without a pause.
 */
#ifndef BEAMFENCE_ORDERS_H
#define BEAMFENCE_ORDERS_H

#include <event2/event.h>
#include <stdint.h>

#include "core/error.h"

#define ORDERS_RETRY_MS	     500
#define ORDERS_RETRY_MAX_MS  8000
#define ORDERS_STEADY_MS     10000 /* one that lasts so long has not ended soon */
#define ORDER_LINE_MAX	     4096  /* bytes */
#define ORDER_TIMEOUT_MAX_MS 60000

struct orders;

struct orders_settings {
	const char *path; /* of the agent's socket; not copied */
	void (*listen)(void *context, uint64_t id, const char *host, uint16_t port); /* NULL: no */
	void (*ask)(void *context, uint64_t id, uint16_t port);
	void (*probe)(void *context, uint64_t id, const uint8_t address[static 16], uint16_t port,
		      unsigned timeout_ms);
	/* The agent is there (NULL), or is not any more and why: each told once. */
	void (*agent)(void *context, const struct error *problem);
	void *context;
};

/* Returns 0 and what orders_close() ends, or -ENOMEM. Nobody is called back before the loop. */
int orders_open(struct event_base *base, const struct orders_settings *settings,
		struct orders **orders);

/* NULL is allowed. */
void orders_close(struct orders *orders);

#endif
