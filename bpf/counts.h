/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What listeners count for, where the filter looks: by port for those that are reached at every
 * address of a family, by address and port for the others.
 */
#ifndef BEAMFENCE_COUNTS_H
#define BEAMFENCE_COUNTS_H

#include "users.h"

static __always_inline __u32 count_unit(__u8 reach)
{
	return (reach & REACH_IPV4 ? COUNT_IPV4 : 0) | (reach & REACH_IPV6 ? COUNT_IPV6 : 0);
}

/* No frame comes in for it: what listens there needs no protection, and closes nothing. */
static __always_inline bool is_loopback(const struct listener *listener)
{
	static const __u8 ipv6[16] = {[15] = 1};

	if (!(listener->reach & REACH_BINDING))
		return false;
	if (listener->ipv4)
		return listener->address[12] == 127;
	for (int i = 0; i < 16; i++)
		if (listener->address[i] != ipv6[i])
			return false;
	return true;
}

static __always_inline struct binding_key binding_of(const struct listener *listener)
{
	struct binding_key key = {.port = listener->port};

	__builtin_memcpy(key.address, listener->address, sizeof(key.address));
	return key;
}

static __always_inline bool binding_make(const struct binding_key *key, __u32 account,
					 __u32 standing)
{
	struct binding binding = {.account = account, .cluster = {CLUSTER_NOBODY, CLUSTER_NOBODY}};

	binding.counts[STANDING_SURE] = standing == STANDING_SURE;
	binding.counts[STANDING_AUTOBOUND] = standing == STANDING_AUTOBOUND;
	binding.counts[STANDING_FIXED] = standing == STANDING_FIXED;
	return !bpf_map_update_elem(&bindings, key, &binding, BPF_NOEXIST);
}

/*
 * Counts a listener up at its address. The agent clears away bindings that are empty: where that
 * comes between the look and the count, the count is lost, and made anew. Returns 0; -1 when the
 * user has too many bindings; 1 when the table takes none.
 */
static __always_inline int binding_count(const struct listener *listener, __u32 standing)
{
	const struct binding_key key = binding_of(listener);
	struct binding *binding = bpf_map_lookup_elem(&bindings, &key);

	if (!binding) {
		if (!user_takes_binding(listener->account))
			return -1;
		if (binding_make(&key, listener->account, standing))
			return 0;
		binding = bpf_map_lookup_elem(&bindings, &key); /* another CPU has made it */
		if (!binding)
			return 1;
	}
	if (standing >= STANDING_COUNT)
		return 1;
	__sync_fetch_and_add(&binding->counts[standing], COUNT_IPV4);
	if (!bpf_map_lookup_elem(&bindings, &key))
		return binding_make(&key, listener->account, standing) ? 0 : 1;
	return 0;
}

/*
 * The order matters: first the count, then the suspicion. An agent that builds a policy clears
 * suspicions first and reads counts after, so one of the two always sees the other.
 */
static __always_inline void suspect(const struct listener *listener, __u32 standing)
{
	const __u16 port = listener->port;
	const __u64 bit = 1ull << (port % 64);

	if (is_loopback(listener))
		return;
	if (listener->reach & REACH_BINDING)
		__sync_fetch_and_or(&tables.here.bound[port / 64], bit);
	for (int i = 0; i < 2; i++) {
		const struct policy_tables *policy = &tables.policy[i];

		/* What serves clients stays on the short path. */
		if (policy->exempt[port / 64] & bit ||
		    (standing == STANDING_FIXED && !policy->protect_fixed) ||
		    (standing == STANDING_AUTOBOUND && !policy->protect_autobound))
			continue;
		__sync_fetch_and_or(&tables.here.suspects[i][port / 64], bit);
	}
}

/* Around each change of counts and of who is counted, so that user space can tell a moment at rest.
 */
static __always_inline void change_begin(void)
{
	__sync_fetch_and_add(&tables.host.changes_begun, 1);
}

static __always_inline void change_end(void)
{
	__sync_fetch_and_add(&tables.host.changes_done, 1);
}

/* Returns false where its user has too many bindings: it is not counted then. */
static __always_inline bool count_up(struct listener *listener, __u32 standing)
{
	int code = 0;

	if (listener->reach & REACH_BINDING) {
		code = binding_count(listener, standing);
		if (code < 0)
			return false;
		if (code > 0) /* rather too much is closed than too little */
			listener->reach = listener->ipv4 ? REACH_IPV4 : REACH_IPV6;
	}
	if (!(listener->reach & REACH_BINDING) && standing < STANDING_COUNT)
		__sync_fetch_and_add(&tables.here.listeners[listener->port].counts[standing],
				     count_unit(listener->reach));
	suspect(listener, standing);
	return true;
}

/* The next node there may be of another cluster. */
static __always_inline void forget_clusters(__u16 port, __u32 unit)
{
	const __u32 *counts = tables.here.listeners[port].counts;
	const __u32 left = counts[STANDING_SURE] | counts[STANDING_AUTOBOUND] |
			   counts[STANDING_FIXED];

	for (int i = 0; i < 2; i++) {
		struct policy_tables *policy = &tables.policy[i];

		if (policy->configured[port / 64] >> (port % 64) & 1)
			continue;
		if (unit & COUNT_IPV4 && !(left & 0xffff))
			policy->cluster_of[0][port] = CLUSTER_NOBODY;
		if (unit & COUNT_IPV6 && !(left >> 16))
			policy->cluster_of[1][port] = CLUSTER_NOBODY;
	}
}

static __always_inline void binding_release(const struct listener *listener, __u32 standing)
{
	const struct binding_key key = binding_of(listener);
	struct binding *binding = bpf_map_lookup_elem(&bindings, &key);

	if (!binding || standing >= STANDING_COUNT)
		return;
	__sync_fetch_and_add(&binding->counts[standing], -COUNT_IPV4);
	if (!binding->counts[STANDING_SURE] && !binding->counts[STANDING_AUTOBOUND] &&
	    !binding->counts[STANDING_FIXED])
		binding->cluster[0] = binding->cluster[1] = CLUSTER_NOBODY;
}

static __always_inline void count_down(const struct listener *listener, __u32 standing)
{
	const __u32 unit = count_unit(listener->reach);

	if (listener->reach & REACH_BINDING) {
		binding_release(listener, standing);
		return;
	}
	if (standing >= STANDING_COUNT)
		return;
	__sync_fetch_and_add(&tables.here.listeners[listener->port].counts[standing], -unit);
	forget_clusters(listener->port, unit);
}

#endif
