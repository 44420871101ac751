/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in force by what is pinned, for when no agent can be asked. Changes nothing. */
#ifndef BEAMFENCE_IN_FORCE_H
#define BEAMFENCE_IN_FORCE_H

#include "core/snapshot.h"

struct in_force {
	size_t links;	 /* with the filter, of interfaces that are there */
	int64_t since_s; /* seconds since 1970: the oldest program was loaded; 0: not known */
	bool watched;	 /* listeners are protected as they come */
	bool gated;	 /* new connections are judged in the TCP stack, too */
	bool is_known;	 /* the tables are of this version; else nothing below is */
	enum mode mode;
	size_t protected_ports;
	struct interface_state *interfaces; /* where not is_known: names and attach modes alone */
	size_t interface_count;
};

/*
 * Reads what is pinned below @pin_dir. Returns 0, and the caller calls in_force_free(); -ENOENT
 * where nothing is pinned; -EACCES or -EPERM where this user may not look; or another negative
 * errno with a text.
 */
int in_force_read(const char *pin_dir, struct in_force *result, struct error *error);

void in_force_free(struct in_force *in_force);

#endif
