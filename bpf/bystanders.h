/* SPDX-License-Identifier: GPL-2.0-only */
/* Listeners that are not followed: see contract_bystanders.h. */
#ifndef BEAMFENCE_BYSTANDERS_H
#define BEAMFENCE_BYSTANDERS_H

#include "contract_bystanders.h"
#include "listening.h"

/* How often one came or went: the agent lists them when this has changed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bystanders_heard SEC(".maps");

static __always_inline bool is_configured(__u16 port)
{
	const struct policy_tables *policy = &tables.policy[tables.generation & 1];

	return policy->configured[port / 64] >> (port % 64) & 1;
}

static __always_inline void hear_bystander(void)
{
	const __u32 first = 0;
	__u64 *count = bpf_map_lookup_elem(&bystanders_heard, &first);

	if (count)
		__sync_fetch_and_add(count, 1);
}

/* Whose process begins to listen, or ends it, in another network namespace. */
static __always_inline void hear_elsewhere(struct task_struct *leader)
{
	char name[PROCESS_NAME_SIZE] = {};

	if (process_kind(leader, name) != PROCESS_OTHER)
		hear_bystander();
}

static __always_inline void write_bystander(struct seq_file *seq, const struct sock *sk,
					    struct task_struct *leader, __u32 namespace)
{
	struct bystander bystander = {.socket = (__u64)sk, .namespace = namespace};
	const enum process_kind kind = process_kind(leader, bystander.process);
	struct listener listener = {};

	if ((kind == PROCESS_OTHER) == !!namespace)
		return;
	read_address(sk, &listener);
	if (is_loopback(&listener))
		return; /* its own host alone reaches it */
	bystander.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	bystander.pid = BPF_CORE_READ(leader, tgid);
	bystander.account = process_account(leader);
	BPF_CORE_READ_STR_INTO(&bystander.host, leader, nsproxy, uts_ns, name.nodename);
	bpf_seq_write(seq, &bystander, sizeof(bystander));
}

/* One that listens, and was not taken for a node's or epmd's. */
static __always_inline void show_bystander(struct seq_file *seq, const struct sock *sk,
					   struct task_struct *leader)
{
	const __u64 key = (__u64)sk;

	if (!is_ours(sk))
		write_bystander(seq, sk, leader,
				BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum));
	else if (is_configured(BPF_CORE_READ(sk, __sk_common.skc_num)) &&
		 !bpf_map_lookup_elem(&listeners, &key))
		write_bystander(seq, sk, leader, 0);
}

#endif
