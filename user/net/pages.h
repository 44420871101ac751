/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The metrics endpoint, whose pages the agent writes. Of each page one is asked for at a time,
 * however many want it, so that who speaks HTTP here can't keep the agent busy.
 */
#ifndef BEAMFENCE_PAGES_H
#define BEAMFENCE_PAGES_H

#include <event2/event.h>
#include <stdint.h>

#include "core/error.h"

#define PAGES_RETRY_MS	  2000 /* after listening failed */
#define PAGES_PATIENCE_MS 4000 /* with the agent */

struct pages;

struct pages_settings {
	const char *path; /* of the agent's socket; not copied */
	/* Whether listening works, after pages_listen() and when that changes; NULL: it does. */
	void (*listening)(void *context, const struct error *problem);
	void *context;
};

/* Returns 0 and what pages_close() ends, or -ENOMEM. Nothing is served yet. */
int pages_open(struct event_base *base, const struct pages_settings *settings,
	       struct pages **pages);

/*
 * Serves at the numeric address @host (copied) and @port, and nowhere else any more; nowhere where
 * @host is NULL. Where that does not work it is tried again until it does: the address may not be
 * there yet, or the port taken by who is about to leave it. The loop is broken where memory lacks
 * for that.
 */
void pages_listen(struct pages *pages, const char *host, uint16_t port);

/* NULL is allowed. */
void pages_close(struct pages *pages);

#endif
