/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Listeners of BEAMs and epmd: how they come into the watch's table and are counted, and leave it.
 */
#ifndef BEAMFENCE_LISTENING_H
#define BEAMFENCE_LISTENING_H

#include <linux/errno.h>

#include "sockets.h"

#include "counts.h"
#include "process.h"

/* User space alone writes them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, CLAIMS_MAX);
	__type(key, struct claim_key);
	__type(value, __u32);
} claims SEC(".maps");

/* Processes to list by tables.here.listed_ports. User space alone writes them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, REGISTRATIONS_MAX);
	__type(key, __u32);
	__type(value, __u8);
} listed SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CHANGES_SIZE);
} changes SEC(".maps");

static __always_inline void report(__u32 change)
{
	if (bpf_ringbuf_output(&changes, &change, sizeof(change), 0))
		__sync_fetch_and_add(&tables.host.changes_lost, 1);
}

/* The address that a socket is bound to, and where it can be reached by that. */
static __always_inline void read_address(const struct sock *sk, struct listener *listener)
{
	const __u32 ipv4 = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	bool any;

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_IPV6) {
		BPF_CORE_READ_INTO(&listener->address, sk, __sk_common.skc_v6_rcv_saddr);
		listener->ipv4 = is_mapped(listener->address);
		any = is_all_zero(listener->address, sizeof(listener->address)) ||
		      (listener->ipv4 && is_all_zero(listener->address + 12, 4));
		listener->reach = listener->ipv4 ? REACH_IPV4
				  : BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only)
					  ? REACH_IPV6
					  : REACH_IPV4 | REACH_IPV6;
	} else {
		map_ipv4(listener->address, ipv4);
		listener->ipv4 = 1;
		listener->reach = REACH_IPV4;
		any = !ipv4;
	}
	if (any && BPF_CORE_READ(sk, __sk_common.skc_bound_dev_if) == LOOPBACK_IFINDEX) {
		/* No other device hands it anything: as if it were bound to the address there. */
		__builtin_memset(listener->address, 0, sizeof(listener->address));
		listener->address[15] = 1;
		listener->ipv4 = 0;
		any = false;
	}
	if (!any)
		listener->reach = REACH_BINDING;
}

/* Whether a user's listener on this port was found to be a node's, now or before. */
static __always_inline bool has_claim(__u16 port, __u32 account)
{
	const struct claim_key key = {.account = account, .port = port};

	return bpf_map_lookup_elem(&claims, &key);
}

static __always_inline bool is_claimed(const struct listener *listener)
{
	return tables.here.claimed[listener->port] &&
	       (has_claim(listener->port, listener->account) ||
		has_claim(listener->port, ACCOUNT_ANY));
}

static __always_inline __u32 standing_of(const struct listener *listener)
{
	if (listener->kind == LISTENER_EPMD || is_claimed(listener))
		return STANDING_SURE;
	return listener->kind == LISTENER_AUTOBOUND ? STANDING_AUTOBOUND : STANDING_FIXED;
}

/*
 * Takes a listener out. Of two that try, the first to mark it gone counts it down. @failed: what it
 * counts for in its user's account of listen(2)s that failed.
 */
static __always_inline bool remove_entry(__u64 key, __u32 failed)
{
	struct listener *known = bpf_map_lookup_elem(&listeners, &key);
	struct listener listener;
	__u32 standing;

	if (!known)
		return false; /* a child that was cloned from a listener, or nobody's */
	listener = *known;
	change_begin();
	standing = __sync_lock_test_and_set(&known->standing, STANDING_GONE);
	if (standing != STANDING_GONE) {
		count_down(&listener, standing);
		user_gives_listener(listener.account, failed);
		bpf_map_delete_elem(&listeners, &key);
	}
	change_end();
	return standing != STANDING_GONE;
}

static __always_inline void describe(const struct sock *sk, struct task_struct *leader,
				     enum process_kind kind, struct listener *listener)
{
	listener->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	listener->beam = kind != PROCESS_OTHER;
	listener->kind = kind == PROCESS_EPMD			       ? LISTENER_EPMD
			 : kind == PROCESS_OTHER || port_is_chosen(sk) ? LISTENER_FIXED
								       : LISTENER_AUTOBOUND;
	listener->pid = BPF_CORE_READ(leader, tgid);
	listener->account = process_account(leader);
	listener->inode = socket_inode(sk);
	listener->again = listener->since_ns && has_listened(sk);
	read_address(sk, listener);
}

/*
 * Whether a process that is no BEAM by its name is a node all the same: it is connected to an epmd
 * that names this port, or was found to be one before.
 */
static __always_inline bool is_listed(__u16 port, __u32 pid)
{
	return tables.here.listed_ports[port / 64] >> (port % 64) & 1 &&
	       bpf_map_lookup_elem(&listed, &pid);
}

#define NO_CHANGE (-1)

/*
 * Counts a listener, then gives it its entry: the rest is time for frames that were judged before,
 * and are under way. Where another hook is at the same socket, the first of the two counts.
 */
static __always_inline int enter_listener(__u64 key, struct listener *listener)
{
	long code;

	change_begin();
	if (!count_up(listener, listener->standing)) {
		user_gives_listener(listener->account, 0);
		change_end();
		return CHANGE_LISTENERS;
	}
	code = bpf_map_update_elem(&listeners, &key, listener, BPF_NOEXIST);
	if (code == -EEXIST) {
		count_down(listener, listener->standing);
		user_gives_listener(listener->account, 0);
	} else if (code) {
		__sync_fetch_and_add(&tables.host.listeners_untracked, 1);
	}
	change_end();
	return code == -EEXIST ? NO_CHANGE : CHANGE_LISTENERS;
}

/*
 * A socket that listens (@heard), or is about to. Returns what is to be reported: nothing unless it
 * is a new one of a BEAM or epmd. One that is known under this address with another port is long
 * gone: its end was missed.
 */
static __always_inline int add_listener(const struct sock *sk, struct task_struct *leader,
					__u64 since_ns, bool heard)
{
	const __u64 key = (__u64)sk;
	struct listener listener = {.since_ns = since_ns, .heard = heard};
	const enum process_kind kind = process_kind(leader, listener.process);
	struct listener *known;

	if (kind == PROCESS_OTHER) {
		const __u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);

		if (!is_listed(port, BPF_CORE_READ(leader, tgid)) &&
		    !(tables.here.claimed[port] && has_claim(port, process_account(leader))))
			return NO_CHANGE;
	}
	describe(sk, leader, kind, &listener);
	known = bpf_map_lookup_elem(&listeners, &key);
	if (known && known->port == listener.port && known->inode == listener.inode) {
		if (heard)
			known->heard = 1;
		return NO_CHANGE;
	}
	if (known)
		remove_entry(key, 0);
	if (since_ns && listener.port && user_fails(listener.account))
		return CHANGE_UNBOUND;
	if (!user_takes_listener(listener.account))
		return CHANGE_LISTENERS;
	if (listener.kind == LISTENER_EPMD)
		__sync_fetch_and_or(&tables.here.epmd_ports[listener.port / 64],
				    1ull << (listener.port % 64));
	listener.standing = standing_of(&listener);
	return enter_listener(key, &listener);
}

/* Where it had listened before one cannot tell, and it counts for a listen(2) that failed. */
static __always_inline void remove_listener(const struct sock *sk)
{
	const __u64 key = (__u64)sk;
	const struct listener *known = bpf_map_lookup_elem(&listeners, &key);

	if (known && remove_entry(key, known->port && (known->again || !has_listened(sk)) ? 1 : 0))
		report(CHANGE_LISTENERS);
}

/* The TCP socket behind a file's: for multipath TCP the one that listens for it. */
static __always_inline struct sock *tcp_socket(struct sock *sk)
{
	const __u16 protocol = BPF_CORE_READ(sk, sk_protocol);

	if (protocol == PROTOCOL_TCP)
		return sk;
	if (protocol != PROTOCOL_MPTCP || !bpf_core_field_exists(struct mptcp_sock, first))
		return NULL;
	return BPF_CORE_READ((struct mptcp_sock *)sk, first);
}

#endif
