// SPDX-License-Identifier: GPL-2.0-only
/*
 * The listener watch: sees every TCP socket of the host's network namespace enter LISTEN, in the
 * context of its process, before the socket is hashed and so before it can answer a SYN
 * (inet_csk_listen_start() in net/ipv4/inet_connection_sock.c). If the process is a BEAM or epmd,
 * the port is protected from here on, with no trip through user space.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "contract.h"
#include "sockets.h"

/* The filter's tables: the agent puts that map in the place of this one. */
struct tables tables;

/* By socket: while such a connection is open, a node is registered. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, REGISTRATIONS_MAX);
	__type(key, __u64);
	__type(value, struct registration);
} registrations SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CHANGES_SIZE);
} changes SEC(".maps");

/* A full ring holds hints enough: whoever empties it looks at everything. */
static __always_inline void report(__u32 change)
{
	bpf_ringbuf_output(&changes, &change, sizeof(change), 0);
}

static __always_inline bool starts_with(const char *text, const char *start, const __u32 size)
{
	for (__u32 i = 0; i < size; i++)
		if (text[i] != start[i])
			return false;
	return true;
}

/* "beam", "beam.smp", "beam.debug.smp" and the like (erts/emulator/Makefile.in). */
static __always_inline bool is_beam(const char *name)
{
	return starts_with(name, "beam", 4) && (!name[4] || name[4] == '.');
}

static __always_inline bool is_epmd(const char *name)
{
	return starts_with(name, "epmd", 5);
}

enum process_kind { PROCESS_OTHER, PROCESS_BEAM, PROCESS_EPMD };

static __always_inline enum process_kind name_kind(const char *name)
{
	return is_epmd(name) ? PROCESS_EPMD : is_beam(name) ? PROCESS_BEAM : PROCESS_OTHER;
}

/*
 * What a process is, by its name and, since any process may call itself anything, by that of its
 * program too: either will do, since it can only close what the process itself listens on.
 */
static __always_inline enum process_kind process_kind(struct task_struct *leader, char *name)
{
	char program[PROCESS_NAME_SIZE] = {};
	const unsigned char *file_name;
	enum process_kind kind;

	bpf_core_read(name, PROCESS_NAME_SIZE, &leader->comm);
	kind = name_kind(name);
	if (kind != PROCESS_OTHER)
		return kind;
	file_name = BPF_CORE_READ(leader, mm, exe_file, f_path.dentry, d_name.name);
	bpf_probe_read_kernel_str(program, sizeof(program), file_name);
	return name_kind(program);
}

static __always_inline void read_address(const struct sock *sk, struct listener *listener)
{
	__u32 ipv4;

	if (BPF_CORE_READ(sk, __sk_common.skc_family) == FAMILY_IPV6) {
		BPF_CORE_READ_INTO(&listener->address, sk, __sk_common.skc_v6_rcv_saddr);
		return;
	}
	listener->ipv4 = 1;
	ipv4 = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
	listener->address[10] = listener->address[11] = 0xff;
	__builtin_memcpy(listener->address + 12, &ipv4, sizeof(ipv4));
}

static __always_inline __u32 *count_of(__u16 port, __u32 kind)
{
	struct port_listeners *counts = &tables.listeners[port];

	return kind == LISTENER_EPMD	    ? &counts->epmd
	       : kind == LISTENER_AUTOBOUND ? &counts->autobound
					    : &counts->fixed;
}

/*
 * The order matters: first the count, then the suspicion. An agent that builds a policy clears
 * suspicions first and reads counts after, so one of the two always sees the other.
 */
static __always_inline void protect(__u16 port, __u32 kind)
{
	const __u64 bit = 1ull << (port % 64);

	__sync_fetch_and_add(count_of(port, kind), 1);
	if (kind == LISTENER_FIXED && !tables.claimed[port])
		return; /* what serves clients stays on the short path */
	__sync_fetch_and_or(&tables.policy[0].suspects[port / 64], bit);
	__sync_fetch_and_or(&tables.policy[1].suspects[port / 64], bit);
}

/* The next node on this port may be of another cluster. */
static __always_inline void forget_cluster(__u16 port)
{
	for (int i = 0; i < 2; i++)
		if (!(tables.policy[i].configured[port / 64] >> (port % 64) & 1))
			tables.policy[i].cluster_of[port] = CLUSTER_NOBODY;
}

static __always_inline void release(__u16 port, __u32 kind)
{
	const struct port_listeners *counts = &tables.listeners[port];

	__sync_fetch_and_add(count_of(port, kind), -1);
	if (!counts->epmd && !counts->autobound && !counts->fixed)
		forget_cluster(port);
}

/*
 * A socket that listens, or is about to. Returns whether it is a new one of a BEAM or epmd. One
 * that is known under this address with another port is long gone: its end was missed.
 */
static __always_inline bool add_listener(const struct sock *sk, struct task_struct *leader,
					 __u64 since_ns)
{
	const __u64 key = (__u64)sk;
	struct listener listener = {.since_ns = since_ns};
	const enum process_kind kind = process_kind(leader, listener.process);
	struct listener *known;

	if (kind == PROCESS_OTHER)
		return false;
	listener.port = BPF_CORE_READ(sk, __sk_common.skc_num);
	listener.kind = kind == PROCESS_EPMD ? LISTENER_EPMD
			: port_is_chosen(sk) ? LISTENER_FIXED
					     : LISTENER_AUTOBOUND;
	listener.pid = BPF_CORE_READ(leader, tgid);
	read_address(sk, &listener);
	known = bpf_map_lookup_elem(&listeners, &key);
	if (known && known->port == listener.port && known->kind == listener.kind)
		return false;
	/* First of all: the rest is time for frames that were judged before, and are under way. */
	protect(listener.port, listener.kind);
	if (known) {
		const __u16 port = known->port;
		const __u8 known_kind = known->kind;

		if (!bpf_map_delete_elem(&listeners, &key)) /* or it is closed just now */
			release(port, known_kind);
	}
	if (bpf_map_update_elem(&listeners, &key, &listener, BPF_ANY))
		__sync_fetch_and_add(&tables.listeners_untracked, 1);
	return true;
}

static __always_inline void remove_listener(const struct sock *sk)
{
	const __u64 key = (__u64)sk;
	const struct listener *known = bpf_map_lookup_elem(&listeners, &key);
	__u16 port;
	__u8 kind;

	if (!known)
		return; /* a child that was cloned from a listener, or nobody's */
	port = known->port;
	kind = known->kind;
	if (bpf_map_delete_elem(&listeners, &key))
		return;
	release(port, kind);
	report(CHANGE_LISTENERS);
}

/* Whether a TCP port of this host is known for epmd's. */
static __always_inline bool is_epmd_port(__u16 port)
{
	const struct policy_tables *policy = &tables.policy[tables.generation & 1];

	return tables.listeners[port].epmd || policy->cluster_of[port] == CLUSTER_ANY;
}

/* The port of a connection's other end; cut to sixteen bits for the reason in frame_ntohs(). */
static __always_inline __u16 remote_port(const struct sock *sk)
{
	__u32 port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));

	__asm__ volatile("" : "+r"(port));
	return (__u16)port;
}

static __always_inline void add_registration(const struct sock *sk, struct task_struct *leader)
{
	const __u16 port = remote_port(sk);
	struct registration registration = {.epmd_port = port};
	char name[PROCESS_NAME_SIZE] = {};
	const __u64 key = (__u64)sk;

	if (!is_epmd_port(port) || process_kind(leader, name) != PROCESS_BEAM)
		return;
	registration.pid = BPF_CORE_READ(leader, tgid);
	bpf_map_update_elem(&registrations, &key, &registration, BPF_ANY);
	report(CHANGE_REGISTRATIONS);
}

static __always_inline void remove_registration(const struct sock *sk)
{
	const __u64 key = (__u64)sk;

	if (!bpf_map_delete_elem(&registrations, &key))
		report(CHANGE_REGISTRATIONS);
}

/* Arguments as in include/trace/events/sock.h. */
SEC("tp_btf/inet_sock_set_state")
int watch_states(__u64 *arguments)
{
	const struct sock *sk = (const struct sock *)arguments[0];
	const int old_state = (int)arguments[1], new_state = (int)arguments[2];
	struct task_struct *leader;

	if (old_state != BPF_TCP_LISTEN && new_state != BPF_TCP_LISTEN &&
	    new_state != BPF_TCP_SYN_SENT && new_state != BPF_TCP_CLOSE)
		return 0;
	if (!is_ours(sk))
		return 0;
	if (old_state == BPF_TCP_LISTEN) {
		remove_listener(sk);
		return 0;
	}
	if (new_state == BPF_TCP_CLOSE) {
		remove_registration(sk);
		return 0;
	}
	leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
	if (new_state == BPF_TCP_SYN_SENT)
		add_registration(sk, leader);
	else if (add_listener(sk, leader, bpf_ktime_get_boot_ns()))
		/* Without bind(2) the port comes after this: the listing will find it. */
		report(BPF_CORE_READ(sk, __sk_common.skc_num) ? CHANGE_LISTENERS : CHANGE_UNBOUND);
	return 0;
}

/*
 * Listeners, and connections to epmd, that were there before the watch. Run after the watch is
 * attached, so that none falls between; one that both see is counted once.
 */
SEC("iter/task_file")
int list_listeners(struct bpf_iter__task_file *context)
{
	struct task_struct *task = context->task;
	struct file *file = context->file;
	struct task_struct *leader;
	struct socket *socket;
	struct sock *sk;
	__u8 state;

	if (!task || !file)
		return 0;
	socket = bpf_sock_from_file(file);
	if (!socket)
		return 0;
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, sk_protocol) != PROTOCOL_TCP || !is_ours(sk))
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	leader = BPF_CORE_READ(task, group_leader);
	if (state == BPF_TCP_ESTABLISHED)
		add_registration(sk, leader);
	else if (state == BPF_TCP_LISTEN && add_listener(sk, leader, 0) &&
		 BPF_CORE_READ(sk, __sk_common.skc_state) != BPF_TCP_LISTEN)
		remove_listener(sk); /* it was closed before it was added */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
