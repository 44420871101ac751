/* SPDX-License-Identifier: GPL-2.0-only */
/* Connections to this host's epmds: whoever holds one is a node, or asks. */
#ifndef BEAMFENCE_REGISTERING_H
#define BEAMFENCE_REGISTERING_H

#include "listening.h"

/* By socket: while such a connection is open, a node is registered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, REGISTRATIONS_MAX);
	__type(key, __u64);
	__type(value, struct registration);
} registrations SEC(".maps");

/* Whether an epmd of this host listens on the port, or may: at which address the agent checks. */
static __always_inline bool is_epmd_port(__u16 port)
{
	const struct policy_tables *policy = &tables.policy[tables.generation & 1];

	return tables.here.epmd_ports[port / 64] >> (port % 64) & 1 ||
	       policy->cluster_of[0][port] == CLUSTER_ANY;
}

/* The port of a connection's other end; cut to sixteen bits for the reason in frame_ntohs(). */
static __always_inline __u16 remote_port(const struct sock *sk)
{
	__u32 port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));

	__asm__ volatile("" : "+r"(port));
	return (__u16)port;
}

/*
 * Whether a connection is to this host itself, by the rule by which epmd takes registrations: from
 * loopback, or between two equal addresses (erts/epmd/src/epmd_srv.c). Writes the other end.
 */
static __always_inline bool is_local(const struct sock *sk, __u8 *address)
{
	const __u32 ipv4 = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	struct in6_addr_words own, other;

	if (BPF_CORE_READ(sk, __sk_common.skc_family) != FAMILY_IPV6) {
		map_ipv4(address, ipv4);
	} else {
		BPF_CORE_READ_INTO(&own, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&other, sk, __sk_common.skc_v6_daddr);
		__builtin_memcpy(address, &other, sizeof(other));
		if (!is_mapped(address))
			return (is_all_zero(address, 15) && address[15] == 1) ||
			       (own.words[0] == other.words[0] && own.words[1] == other.words[1] &&
				own.words[2] == other.words[2] && own.words[3] == other.words[3]);
	}
	return address[12] == 127 || ipv4 == BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
}

static __always_inline void add_registration(const struct sock *sk, struct task_struct *leader,
					     __u64 since_ns)
{
	const __u16 port = remote_port(sk);
	struct registration registration = {.since_ns = since_ns, .epmd_port = port};
	char name[PROCESS_NAME_SIZE] = {};
	const __u64 key = (__u64)sk;
	enum process_kind kind;

	if (!is_epmd_port(port) || !is_local(sk, registration.address) ||
	    bpf_map_lookup_elem(&registrations, &key))
		return;
	kind = process_kind(leader, name);
	if (kind == PROCESS_OTHER && is_beamfence(name))
		return;
	registration.pid = BPF_CORE_READ(leader, tgid);
	registration.account = process_account(leader);
	registration.beam = kind == PROCESS_BEAM;
	if (!user_takes_registration(registration.account))
		return;
	if (bpf_map_update_elem(&registrations, &key, &registration, BPF_NOEXIST))
		user_gives_registration(registration.account);
	else
		report(registration.beam ? CHANGE_REGISTRATIONS : CHANGE_OTHERS);
}

static __always_inline void remove_registration(const struct sock *sk)
{
	const __u64 key = (__u64)sk;
	const struct registration *known = bpf_map_lookup_elem(&registrations, &key);
	__u32 account;
	__u8 beam;

	if (!known)
		return;
	account = known->account;
	beam = known->beam;
	if (bpf_map_delete_elem(&registrations, &key))
		return;
	user_gives_registration(account);
	if (beam)
		report(CHANGE_REGISTRATIONS);
}

#endif
