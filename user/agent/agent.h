/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's state and what can be done with it: it joins configuration, policy, plan and kernel.
 * Nothing here waits, logs or knows about sockets.
 */
#ifndef BEAMFENCE_AGENT_H
#define BEAMFENCE_AGENT_H

#include <sys/types.h>

#include "agent/peer_list.h"
#include "agent/review.h"
#include "agent/trial.h"
#include "core/plan.h"
#include "core/policy.h"
#include "core/snapshot.h"
#include "kernel/fence.h"

struct agent {
	const char *config_path;
	const char *pin_dir;
	struct config *config;
	struct policy *policy;
	struct plan *plan;
	struct fence *fence;
	struct events *events;		  /* see agent/events.h; NULL: nobody is told */
	struct known_listener *listeners; /* see agent/listeners.h */
	size_t listener_count;
	size_t stray_names;	/* that epmd gives for ports where no registered process listens */
	int64_t stray_since_ms; /* CLOCK_BOOTTIME, while there are any */
	bool epmd_heard;	/* that of a configured port has answered, since the last check */
	bool listeners_read;	/* at least once: what came before may have been judged already */
	struct peer_list peers; /* added at run time; see agent_add_peer() */
	struct trial trial;
	bool last_reload_successful;
	int64_t last_reload_time_s;  /* of the last attempt */
	int64_t last_success_time_s; /* of the last that succeeded */
	struct error last_reload_error;
	/*
	 * Why the file is not in force but the last good configuration, "" where the file is (or a
	 * trial was confirmed since).
	 */
	struct error fallback;
	char *good_text; /* of what is in force to stay: for whoever keeps it; NULL: known already
			  */
	size_t good_size;
	bool text_is_new;	    /* the start is with another text than the last good one */
	struct error metrics_error; /* why the metrics are not where the configuration wants them */
	struct error watch_error;   /* why there is no listener watch, though there should be one */
	struct error network_error; /* why the network side does not do what it is there for */
	const char *state_dir;	    /* where things are kept */
	struct saver *saver;	    /* of runtime peers; NULL: nothing is kept, for this reason: */
	struct saver *config_saver; /* of the last good configuration; NULL as the other */
	struct error saver_error;
	struct fence_cuts refused;	/* connections that stand, at the last look */
	struct error connections_error; /* why they could not be looked at */
	uint64_t connections_rest_ms;	/* by CLOCK_MONOTONIC: until then nobody looks again */
	bool control_is_stale; /* its configuration changed: takes effect at the next start */
};

/*
 * Reads the configuration of the file, which is not in force before agent_start(). @config_path
 * must outlive the agent. Returns 0 or a negative errno; agent_close() is due either way.
 */
int agent_load(struct agent *agent, const char *config_path, struct error *error);

/*
 * Takes @text, which @name is called, in place of the file, which is not to be used for this
 * @reason; it was written at @since_s. Returns 0 or a negative errno.
 */
int agent_load_last_good(struct agent *agent, const char *name, const char *text, size_t size,
			 int64_t since_s, const struct error *reason, struct error *error);

/*
 * Opens the fence; nothing changes in the kernel yet. @pin_dir must outlive the agent. Returns 0 or
 * a negative errno.
 */
int agent_open(struct agent *agent, const char *pin_dir, struct error *error);

/* Puts the policy into force. */
int agent_start(struct agent *agent, struct error *error);

/* Frees everything; what is in force in the kernel stays. */
void agent_close(struct agent *agent);

/*
 * Loads the configuration again, which ends a trial. When that fails nothing has changed; with
 * -ECANCELED it is what @review was asked for. review_free() is due.
 */
int agent_reload(struct agent *agent, struct review *review, struct error *error);

/*
 * Puts *@config into force and takes it over; *@config is then the former one, the caller's (or
 * NULL when it was the same). When that fails nothing has changed. @review: of agent_reload(), or
 * NULL.
 */
int agent_apply(struct agent *agent, struct config **config, struct review *review,
		struct error *error);

/*
 * Tries again to have the listener watch that the configuration wants and the kernel refused.
 * Returns 1 when it is there now, and the policy anew with it, 0 when nothing changed.
 */
int agent_regain_watch(struct agent *agent);

/*
 * Looks at the host's interfaces again, lays the same policy over them and puts the filter back
 * where it should be and is not. Returns 1 when something changed, 0 when not, or a negative errno.
 */
int agent_replan(struct agent *agent, struct error *error);

/* Tells the filter which addresses are the host's own. Returns 0 or a negative errno. */
int agent_look_at_addresses(struct agent *agent, struct error *error);

/*
 * Runtime peers: added to the policy in force, in place. Those of clusters that the configuration
 * in force does not have are kept, but mean nothing until it has such a cluster.
 */

/*
 * Adds a peer. @peer->cluster must name a cluster; a peer that is already there is given the new
 * comment, end and originator. -ENOENT, -E2BIG, and what the kernel says; then nothing changed.
 */
int agent_add_peer(struct agent *agent, const struct runtime_peer *peer, struct error *error);

/*
 * Takes away a peer that was added at run time. -ENOENT; -EPERM when the configuration names it
 * (then only the configuration can take it away).
 */
int agent_delete_peer(struct agent *agent, const char *cluster, const struct prefix *prefix,
		      struct error *error);

/* Whether the configuration itself makes the prefix a peer of the cluster of that index. */
bool agent_has_configured(const struct agent *agent, size_t cluster, const struct prefix *prefix);

/* How many runtime peers are of clusters that the configuration does not have. */
size_t agent_count_dormant(const struct agent *agent);

/*
 * Takes away the peers whose time is over, and tells of each. Returns when to do so again, by
 * CLOCK_BOOTTIME, or -1 when no peer has an end.
 */
int64_t agent_expire_peers(struct agent *agent, int64_t boot_ms,
			   void (*over)(void *context, const struct runtime_peer *peer),
			   void *context);

/* Name of a cluster by its index in the configuration, NULL for CLUSTER_ANY and CLUSTER_NOBODY. */
const char *agent_cluster_name(const struct agent *agent, uint8_t cluster);

/* The text that is to be kept as the last good configuration, once: the caller's. NULL: none is. */
char *agent_take_good(struct agent *agent, size_t *size);

#endif
