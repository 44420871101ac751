/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Watches the host's interfaces and addresses over rtnetlink, so that a new interface is fenced
 * when it is made, and a new address known.
 */
#ifndef BEAMFENCE_INTERFACES_H
#define BEAMFENCE_INTERFACES_H

#include <event2/event.h>

#include "core/error.h"

struct interface_watch;

/* Called from the loop after some came, went or changed. Which, is for the callee to look up. */
struct interface_calls {
	void (*links)(void *context);
	void (*addresses)(void *context);
};

/*
 * Watches, and calls: at once in calm times; in a storm many changes are one call, and the calls
 * take a tenth of one CPU at most. Nothing is missed when messages are lost.
 * Returns 0 and a watch for interface_watch_close(), or a negative errno.
 */
int interface_watch_open(struct event_base *base, struct interface_calls calls, void *context,
			 struct interface_watch **watch, struct error *error);

void interface_watch_close(struct interface_watch *watch);

#endif
