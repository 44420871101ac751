/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that look at sockets share: whose they are, and those that listen. */
#ifndef BEAMFENCE_SOCKETS_H
#define BEAMFENCE_SOCKETS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "contract.h"
#include "kernel.h"

#define FAMILY_IPV4   2
#define FAMILY_IPV6   10
#define PROTOCOL_TCP  6
#define BINDPORT_LOCK 8 /* SOCK_BINDPORT_LOCK: the process named the port */

/* Set before loading. */
const volatile __u32 namespace_inode; /* of the network namespace that is fenced */

/* By socket. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LISTENERS_MAX);
	__type(key, __u64);
	__type(value, struct listener);
} listeners SEC(".maps");

static __always_inline bool is_ours(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) == namespace_inode;
}

/* Whether the process named the port; else the kernel chose it. */
static __always_inline bool port_is_chosen(const struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & BINDPORT_LOCK;
}

#endif
