/* SPDX-License-Identifier: GPL-2.0-only */
/* What the programs that look at sockets share: whose they are, and those that listen. */
#ifndef BEAMFENCE_SOCKETS_H
#define BEAMFENCE_SOCKETS_H

#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "contract_watch.h"
#include "kernel.h"

#define FAMILY_IPV4	 2
#define FAMILY_IPV6	 10
#define PROTOCOL_TCP	 6
#define PROTOCOL_MPTCP	 262
#define BINDPORT_LOCK	 8 /* SOCK_BINDPORT_LOCK: the process named the port */
#define LOOPBACK_IFINDEX 1 /* in every network namespace: include/net/flow.h */

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

/*
 * Whether the socket ever was where the stack looks for listeners: it is marked there, for good
 * (__inet_hash() in net/ipv4/inet_hashtables.c). Not so where a listen(2) failed.
 */
static __always_inline bool has_listened(const struct sock *sk)
{
	if (!bpf_core_enum_value_exists(enum sock_flags, SOCK_RCU_FREE))
		return true;
	return BPF_CORE_READ(sk, __sk_common.skc_flags) >>
		       bpf_core_enum_value(enum sock_flags, SOCK_RCU_FREE) &
	       1;
}

/* Of the socket's file: tells it from a later one at the same kernel address. 0: it has none. */
static __always_inline __u32 socket_inode(const struct sock *sk)
{
	const struct socket *socket = BPF_CORE_READ(sk, sk_socket);

	if (!socket)
		return 0;
	return (__u32)BPF_CORE_READ((const struct socket_alloc *)socket, vfs_inode.i_ino);
}

static __always_inline bool is_all_zero(const __u8 *address, const __u32 size)
{
	for (__u32 i = 0; i < size; i++)
		if (address[i])
			return false;
	return true;
}

static __always_inline bool is_mapped(const __u8 *address)
{
	return is_all_zero(address, 10) && address[10] == 0xff && address[11] == 0xff;
}

static __always_inline void map_ipv4(__u8 *address, __u32 ipv4)
{
	address[10] = address[11] = 0xff;
	__builtin_memcpy(address + 12, &ipv4, sizeof(ipv4));
}

#endif
