/* SPDX-License-Identifier: BSD-2-Clause */
/* Which events are shown. */
#ifndef BEAMFENCE_EVENT_FILTER_H
#define BEAMFENCE_EVENT_FILTER_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/arguments.h"
#include "core/error.h"

struct event_filter {
	const char *types;     /* separated by commas; NULL: all */
	const char *interface; /* a name or glob; NULL: all, and those of no interface */
	double since;	       /* seconds since 1970; 0: all */
};

/* The kinds of core/protocol.h, the last NULL. */
extern const char *const event_kinds[];

/* Reads --type, --interface and --since. Returns 0, or -EINVAL and what is wrong. */
int event_filter_read(const struct arguments *arguments, struct event_filter *filter,
		      struct error *error);

/* Whether it leaves any event out. */
bool event_filter_is_any(const struct event_filter *filter);

bool event_filter_fits(const struct event_filter *filter, const json_t *event);

/* Leaves in @list the last @limit events that fit. */
void event_filter_list(const struct event_filter *filter, json_t *list, size_t limit);

#endif
