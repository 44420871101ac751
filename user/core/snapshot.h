/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is true at one moment, worked out once: metrics, status, /healthz, the log and the line for
 * the service manager only say it, each in its form. See agent/snapshot.h for who takes it.
 */
#ifndef BEAMFENCE_SNAPSHOT_H
#define BEAMFENCE_SNAPSHOT_H

#include "core/config.h"
#include "core/problems.h"

struct plan;

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
	bool absent;	   /* the host has no such interface; its name may be misspelt */
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

#define PORT_COUNTS	7
#define FENCE_LACKS_MAX 4

/* What the kernel was found to take; what it lacks is in words. */
struct fence_features {
	bool multi_buffer; /* xdp.frags */
	bool conntrack;	   /* masqueraded connections are told from the host's own */
	bool gate;	   /* while watching: see bpf/gate.bpf.c */
	bool listens;	   /* while watching: no listen(2) can be missed (the kernel's BPF LSM) */
};

struct fence_lack {
	char why[200]; /* "conntrack: the module nf_conntrack is not loaded" */
};

/* The configuration in force. */
struct config_state {
	const char *path;
	const char *in_force; /* "file", "trial", "last-good" or "confirmed" */
	bool last_reload_successful;
	const char *last_reload_error;
	int64_t last_reload_time_s;  /* seconds since 1970; of the last attempt */
	int64_t last_success_time_s; /* of the last that succeeded */
	bool watches;		     /* "discovery.listeners" */
	bool protects_autobound;
	bool protects_fixed;
};

/* A configuration in force on trial. */
struct trial_state {
	const char *file; /* as the one who tries it calls it; NULL: no trial is under way */
	uint32_t uid;	  /* of the one who tries it, and the process */
	int32_t pid;
	int64_t left_s;
};

/* What the listener watch could not do. */
struct watch_state {
	uint64_t untracked;
	uint64_t refused;
	uint64_t missed;
	size_t stray_names;
};

/* What is constant is somebody else's, and outlives a snapshot that is used at once. */
struct snapshot {
	const char *version;
	const char *pin_dir;
	const char *state_dir; /* NULL: nothing is kept */
	int pid;
	enum mode mode;
	struct config_state config;
	struct trial_state trial;
	struct fence_features features;
	struct fence_lack lacks[FENCE_LACKS_MAX];
	size_t lack_count;
	struct interface_state
		*interfaces; /* all that are named; those that are absent come last */
	size_t interface_count;
	const char (*unassigned)[INTERFACE_NAME_SIZE];
	size_t unassigned_count;
	struct port_count ports[PORT_COUNTS];
	struct peer_count peers[CLUSTERS_MAX];
	size_t cluster_count;
	uint64_t runtime_peers;
	struct watch_state watch;
	uint64_t events_lost;
	struct problems problems;
	/* They cost the most, and are read for the metrics alone. */
	struct reattachments *reattachments;
	size_t reattachment_count;
	struct counter *counters;
	size_t counter_count;
};

/*
 * Has the snapshot list the interfaces of @states, and those that the plan's host lacks. Returns 0
 * or -ENOMEM.
 */
int snapshot_list_interfaces(struct snapshot *snapshot, const struct interface_state *states,
			     size_t count, const struct plan *plan);

/* Ports that are protected, and peers, a prefix once for each of its clusters; all together. */
uint64_t snapshot_ports(const struct snapshot *snapshot);
uint64_t snapshot_peers(const struct snapshot *snapshot);

/* Frees the lists. */
void snapshot_free(struct snapshot *snapshot);

/* The names of the contract. */
const char *zone_name(enum zone zone);
const char *mode_name(enum mode mode);
const char *verdict_name(enum verdict verdict);
const char *reason_name(enum reason reason);
const char *reason_text(enum reason reason);
bool reason_is_drop(enum reason reason);
const char *attach_mode_name(enum attach_mode mode); /* "native", "generic", "none" */

#endif
