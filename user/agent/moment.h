/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What core/clock.h has no room for, because it needs the host and the event loop: which boot this
 * is, and a timer that a suspend does not hold up.
 */
#ifndef BEAMFENCE_MOMENT_H
#define BEAMFENCE_MOMENT_H

#include <event2/event.h>

#include "core/peer_file.h"

/* Reads the clocks, and which boot this is. */
void moment_now(struct moment *now);

struct boot_timer;

/* A timer that calls @callback in the loop, and does not run yet. 0 or a negative errno. */
int boot_timer_open(struct event_base *base, void (*callback)(void *context), void *context,
		    struct boot_timer **timer);

/* Lets it run until CLOCK_BOOTTIME is @ends_ms; a negative value stops it. */
void boot_timer_set(struct boot_timer *timer, int64_t ends_ms);

/* NULL is allowed. */
void boot_timer_close(struct boot_timer *timer);

#endif
