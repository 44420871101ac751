/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The policy: what the configuration and the peers added at run time together ask for, in the form
 * that the filter wants, but still without any knowledge of the host's interfaces.
 */
#ifndef BEAMFENCE_POLICY_H
#define BEAMFENCE_POLICY_H

#include "../bpf/contract_watch.h"
#include "core/config.h"

/* A prefix and, as bits, all clusters that it is a peer of. */
struct policy_peer {
	struct prefix prefix;
	uint64_t clusters;
};

/* The cluster of the listener at one address and port. */
struct policy_binding {
	struct binding_key key;
	uint8_t cluster;
};

/* A peer that an operator added while the agent ran. Owned by the agent, not by the policy. */
struct runtime_peer {
	struct prefix prefix;
	char cluster[CLUSTER_NAME_SIZE];
	char comment[128];
	int64_t added_s; /* seconds since 1970 */
	int64_t ttl_s;	 /* as it was asked for; 0: it has no end */
	int64_t ends_ms; /* by CLOCK_BOOTTIME of this boot; means nothing without ttl_s */
	uint32_t uid;	 /* of the one who added it, and the process */
	int32_t pid;
};

/* A listener that the watch found, and the cluster that may reach it. */
struct policy_listener {
	uint8_t address[16]; /* IPv4 mapped; of one that is bound to one address */
	uint16_t port;
	uint8_t reach; /* REACH_* */
	uint8_t cluster;
};

/* What a policy is made of. */
struct policy_parts {
	const struct config *config;
	const struct runtime_peer *runtime; /* may be NULL where there are none, as the listeners */
	size_t runtime_count;
	const struct policy_listener *listeners;
	size_t listener_count;
};

struct policy {
	enum mode mode;
	uint64_t ports[PORTS / 64]; /* bit set: protected by configuration */
	/* Bit set: not protected for being discovered. Those that the configuration exempts, and
	 * client ports of its presets that it does not protect.
	 */
	uint64_t exempt[PORTS / 64];
	bool protect_autobound; /* a BEAM's listener on a port that the kernel chose */
	bool protect_fixed;	/* and on one that it chose itself, known as the node's or not */
	uint8_t cluster_of[2][PORTS];	 /* by family, IPv4 first */
	struct policy_binding *bindings; /* of discovered listeners at one address */
	size_t binding_count;
	struct policy_peer *peers; /* by prefix_compare(), each prefix once */
	size_t peer_count;
	struct prefix_lengths ipv4_lengths;
	struct prefix_lengths ipv6_lengths;
	char cluster_names[CLUSTERS_MAX][CLUSTER_NAME_SIZE];
};

/*
 * Builds a whole policy. Runtime peers of clusters that the configuration does not have are left
 * out, and so are listeners on ports that it lists: those are in the clusters that it says.
 * Returns 0 and a policy that the caller frees with policy_free(); -E2BIG when there are more than
 * PEERS_MAX prefixes, or more than PREFIX_LENGTHS_MAX distinct lengths in a family; -ENOMEM.
 */
int policy_build(const struct policy_parts *parts, struct policy **policy, struct error *error);

void policy_free(struct policy *policy);

/* Lets go of the peers alone: a million of them take 31 MiB, which the kernel has by itself. */
void policy_forget_peers(struct policy *policy);

/* Whether the configuration itself makes @prefix a peer of @cluster. */
bool policy_cluster_has(const struct cluster_config *cluster, const struct prefix *prefix);

/* The clusters, as bits, that it makes @prefix a peer of: a search in each of them. */
uint64_t policy_configured(const struct config *config, const struct prefix *prefix);

/* The index of the cluster called @name, or -ENOENT. */
int policy_cluster_index(const struct config *config, const char *name);

/* The hash key and the mask that the filter uses for a prefix. */
void policy_peer_key(const struct prefix *prefix, struct peer_key *key);

#endif
