/* SPDX-License-Identifier: BSD-2-Clause */
/* An event of the filter as JSON: what people and machines are told of a frame. */
#ifndef BEAMFENCE_FRAME_EVENT_H
#define BEAMFENCE_FRAME_EVENT_H

#include <jansson.h>

#include "agent/agent.h"

#define STRANGERS_MAX 4096

/* Sources that were seen at a port before; one may be forgotten for another. */
struct strangers {
	uint64_t seen[STRANGERS_MAX];
};

/* Seconds since 1970 of a time of CLOCK_BOOTTIME. */
double wall_clock(uint64_t boot_ns);

/* An event "drop", as in core/protocol.h. NULL: out of memory. */
json_t *frame_event_json(const struct agent *agent, struct strangers *strangers,
			 const struct event *event, const char *interface);

/* The frame itself, as in core/protocol.h. */
json_t *frame_capture_json(const struct event *event, const char *interface);

#endif
