/* SPDX-License-Identifier: BSD-2-Clause */
/* Watches the host's interfaces over rtnetlink, so that a new one is fenced when it is made. */
#ifndef BEAMFENCE_INTERFACES_H
#define BEAMFENCE_INTERFACES_H

#include <event2/event.h>

#include "core/error.h"

struct interface_watch;

/*
 * Calls @changed from the loop after interfaces came, went or changed: at once in calm times; in a
 * storm many changes are one call, and the calls take a tenth of one CPU at most. What changed is
 * for the callee to look up, so nothing is missed when messages are lost.
 * Returns 0 and a watch for interface_watch_close(), or a negative errno.
 */
int interface_watch_open(struct event_base *base, void (*changed)(void *context), void *context,
			 struct interface_watch **watch, struct error *error);

void interface_watch_close(struct interface_watch *watch);

#endif
