/* SPDX-License-Identifier: BSD-2-Clause */
/* What is true at one moment: the input of the metrics, of status and of counters. */
#ifndef BEAMFENCE_SNAPSHOT_H
#define BEAMFENCE_SNAPSHOT_H

#include "core/config.h"
#include "core/problems.h"

#define ENTRY_NAME_SIZE 24 /* "interface.vlan" */

enum attach_mode { ATTACHED_NOT, ATTACHED_NATIVE, ATTACHED_GENERIC };

/* One interface, VLAN of one, or device above others, that the configuration names. */
struct interface_state {
	char name[ENTRY_NAME_SIZE]; /* "eth0" or "eth0.120" */
	uint16_t vlan;
	enum zone zone;
	enum attach_mode attached;
	bool not_run;	   /* attached, and its driver does not run the filter */
	bool loses_frames; /* its driver drops large ones while the filter is attached natively */
	bool unreadable;   /* it cannot have the filter, but its zone is known to the gate */
	bool gated;	   /* ... which is there, and judges its new connections */
	char on[64];	   /* the interfaces below where its frames are judged, or "": on itself */
	char problem[320]; /* one line, or "" */
	char note[320];	   /* why it is not attached natively, or "" */
};

struct reattachments {
	char interface[INTERFACE_NAME_SIZE];
	uint64_t count;
};

struct counter {
	char interface[ENTRY_NAME_SIZE];
	enum zone zone;
	enum verdict verdict; /* what was done with the frames: in audit mode they passed */
	enum reason reason;
	uint64_t packets;
	uint64_t bytes; /* of whole frames */
};

struct port_count {
	const char *kind;   /* "epmd" or "dist" */
	const char *source; /* "config", ... */
	uint64_t count;
};

struct peer_count {
	const char *cluster;
	uint64_t ipv4;
	uint64_t ipv6;
};

struct snapshot {
	enum mode mode;
	const struct interface_state *interfaces;
	size_t interface_count;
	size_t unassigned_count;
	const struct reattachments *reattachments;
	size_t reattachment_count;
	const struct counter *counters;
	size_t counter_count;
	const struct port_count *ports;
	size_t port_count;
	const struct peer_count *peers;
	size_t peer_count;
	bool last_reload_successful;
	int64_t last_success_time_s; /* seconds since 1970 */
	bool try_active;	     /* a configuration is in force on trial */
	uint64_t events_lost;
	uint64_t listeners_untracked;
	uint64_t listeners_refused;
	uint64_t watch_missed;
	size_t stray_names;
	const size_t *problems; /* how many there are of each kind */
	const char *version;
};

/* The names of the contract. */
const char *zone_name(enum zone zone);
const char *mode_name(enum mode mode);
const char *verdict_name(enum verdict verdict);
const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);
bool reason_is_drop(enum reason reason);
const char *attach_mode_name(enum attach_mode mode); /* "native", "generic", "none" */

#endif
