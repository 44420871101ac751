/* SPDX-License-Identifier: GPL-2.0-only */
/* The maps that hold the policy and the counts, and the look-ups in them. */
#ifndef BEAMFENCE_POLICY_MAPS_H
#define BEAMFENCE_POLICY_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bindings.h"
#include "protect.h"
#include "sieve.h"
#include "view.h"

/* The .bss section: read and written in place. User space fills it before anything is attached. */
struct tables tables;

/* Peers of both policies, by generation: a hash each, sized for its policy. */
struct peers {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(struct peer_key));
	__uint(value_size, sizeof(__u64));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct peers);
} peers SEC(".maps");

/* By generation too: which peers are worth a look-up. User space alone writes them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct sieve);
} sieves SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS_MAX);
	__type(key, __u32);
	__type(value, struct tally);
} counters SEC(".maps");

/* Whether @port may be protected: all that the short path asks. */
static __always_inline bool policy_suspects(__u32 generation, __u16 port)
{
	return port_bit(tables.here.suspects[generation & 1], port);
}

#define NOT_PROTECTED (-1)

/*
 * Whether a listener at just this address protects the port. Returns its cluster, as in
 * cluster_of[], or NOT_PROTECTED. Out of line, because most listeners are at every address.
 */
static __noinline int binding_cluster(__u32 generation, __u64 high, __u64 low, __u32 port)
{
	const struct binding *binding = binding_find(high, low, (__u16)port);

	if (!binding || !counts_protect(&tables.policy[generation & 1], binding->counts, 0))
		return NOT_PROTECTED;
	return binding->cluster[generation & 1];
}

/*
 * Whether @port, which is suspected, is protected at an address, as in struct view: by
 * configuration, or because of who listens on it there. Returns the cluster whose peers may reach
 * it, or NOT_PROTECTED.
 */
static __always_inline int policy_cluster(__u32 generation, __u16 port, const __u64 *address,
					  bool ipv4)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];
	const enum protection protection = port_protection(policy, port);

	if (protection == PROTECTION_CONFIGURED)
		return policy->cluster_of[!ipv4][port];
	if (protection == PROTECTION_EXEMPT)
		return NOT_PROTECTED;
	if (counts_protect(policy, tables.here.listeners[port].counts, ipv4 ? 0 : 16))
		return policy->cluster_of[!ipv4][port];
	if (!port_bit(tables.here.bound, port))
		return NOT_PROTECTED;
	return binding_cluster(generation, address[0], address[1], port);
}

/* The clusters, as bits, that a peer must belong to one of to reach a port of @cluster. */
static __always_inline __u64 clusters_wanted(int cluster)
{
	if (cluster >= 0 && cluster < CLUSTERS_MAX)
		return 1ull << cluster;
	return cluster == CLUSTER_ANY ? ~0ull : 0;
}

/*
 * Whether a source address, as in struct view, is a peer of one of @wanted: for each prefix length
 * in use one bit of the sieve, and where it is set a hash look-up, whatever the number of peers.
 */
static __noinline bool policy_has_peer(__u32 generation, __u64 high, __u64 low, bool ipv4,
				       __u64 wanted)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];
	const struct prefix_lengths *lengths = ipv4 ? &policy->ipv4_lengths : &policy->ipv6_lengths;
	const __u32 shift = policy->sieve_shift;
	const struct sieve *sieve;
	struct peer_key key;
	__u32 index = generation & 1;
	__u64 *clusters;
	void *hash;

	/* An IPv6 source that looks like a mapped IPv4 one is no peer: it would find IPv4 keys. */
	if (!wanted || (!ipv4 && !high && (__u32)low == IPV4_MAPPED_HIGH_WORD))
		return false;
	hash = bpf_map_lookup_elem(&peers, &index);
	sieve = bpf_map_lookup_elem(&sieves, &index);
	if (!hash || !sieve)
		return false;
	for (__u32 i = 0; i < PREFIX_LENGTHS_MAX; i++) {
		__u64 words[2];

		if (i >= lengths->count)
			break;
		words[0] = high & lengths->masks[i].high;
		words[1] = low & lengths->masks[i].low;
		key.length = lengths->masks[i].length;
		if (!sieve_has(sieve, sieve_bit(words[0], words[1], key.length, shift)))
			continue;
		__builtin_memcpy(key.address, words, sizeof(key.address));
		clusters = bpf_map_lookup_elem(hash, &key);
		if (clusters && *clusters & wanted)
			return true;
	}
	return false;
}

static __always_inline void tally_add(struct tally *tally, __u64 bytes)
{
	tally->packets++;
	tally->bytes += bytes;
}

/* Counts a frame of the short path, in this CPU's own row. */
static __always_inline void count_untouched(__u32 slot, enum reason reason, __u64 bytes)
{
	const __u32 cpu = bpf_get_smp_processor_id();
	struct tally *tally;

	if (cpu < CPU_ROWS) {
		tally_add(&tables.host.untouched[cpu][slot & (SLOTS_MAX - 1)][reason], bytes);
		return;
	}
	tally = &tables.host.untouched[CPU_ROWS][slot & (SLOTS_MAX - 1)][reason];
	__sync_fetch_and_add(&tally->packets, 1);
	__sync_fetch_and_add(&tally->bytes, bytes);
}

static __always_inline void count_judged(__u32 slot, __u32 mode, __u32 reason, __u64 bytes)
{
	const __u32 index = COUNTER_INDEX(slot, mode, reason);
	struct tally *tally = bpf_map_lookup_elem(&counters, &index);

	if (tally)
		tally_add(tally, bytes);
}

#endif
