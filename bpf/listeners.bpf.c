// SPDX-License-Identifier: GPL-2.0-only
/*
 * The listener watch: sees every TCP socket of the host's network namespace enter LISTEN, in the
 * context of its process, before the socket is hashed and so before it can answer a SYN
 * (inet_csk_listen_start() in net/ipv4/inet_connection_sock.c). If the process is a BEAM or epmd,
 * the port is protected from here on, with no trip through user space: at the address that it is
 * bound to, since a listener may close nobody's port but its own.
 */
#include "bystanders.h"
#include "registering.h"

/* One that enters LISTEN or leaves it for good, and is not followed. */
static __always_inline void watch_bystanders(const struct sock *sk, struct task_struct *leader,
					     bool ours)
{
	if (!ours)
		hear_elsewhere(leader);
	else if (is_configured(BPF_CORE_READ(sk, __sk_common.skc_num)))
		hear_bystander();
}

/* Arguments as in include/trace/events/sock.h. */
SEC("tp_btf/inet_sock_set_state")
int watch_states(__u64 *arguments)
{
	const struct sock *sk = (const struct sock *)arguments[0];
	const int old_state = (int)arguments[1], new_state = (int)arguments[2];
	struct task_struct *leader;
	int change;
	bool ours;

	if (old_state != BPF_TCP_LISTEN && new_state != BPF_TCP_LISTEN &&
	    new_state != BPF_TCP_SYN_SENT && new_state != BPF_TCP_CLOSE &&
	    new_state != BPF_TCP_CLOSE_WAIT)
		return 0;
	ours = is_ours(sk);
	leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
	if (new_state == BPF_TCP_LISTEN ||
	    (old_state == BPF_TCP_LISTEN && new_state == BPF_TCP_CLOSE))
		watch_bystanders(sk, leader, ours);
	if (!ours)
		return 0;
	if (old_state == BPF_TCP_LISTEN) {
		remove_listener(sk);
		return 0;
	}
	/* epmd ends a connection that was a question by its answer, and no registration. */
	if (new_state == BPF_TCP_CLOSE || new_state == BPF_TCP_CLOSE_WAIT) {
		remove_registration(sk);
		return 0;
	}
	if (new_state == BPF_TCP_SYN_SENT) {
		add_registration(sk, leader, bpf_ktime_get_boot_ns());
		return 0;
	}
	change = add_listener(sk, leader, bpf_ktime_get_boot_ns(), true);
	if (change != NO_CHANGE) /* without bind(2) the port comes after this: it is listed */
		report(BPF_CORE_READ(sk, __sk_common.skc_num) ? (__u32)change : CHANGE_UNBOUND);
	return 0;
}

/*
 * The same in a hook that is never skipped (the kernel may run another task while watch_states()
 * is at work, and keep that one's events from it: Linux 7 and later do). Only listen(2) itself, and
 * before it has begun: where it fails, the state changes tell, or the agent's next check.
 */
SEC("?lsm/socket_listen")
int watch_listens(__u64 *arguments)
{
	const struct socket *socket = (const struct socket *)arguments[0];
	struct task_struct *leader;
	struct sock *sk = BPF_CORE_READ(socket, sk);
	int change;

	__sync_fetch_and_add(&tables.host.listens_heard, 1);
	if (!sk || !is_ours(sk) || BPF_CORE_READ(socket, state) != SOCKET_UNCONNECTED)
		return 0;
	sk = tcp_socket(sk);
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_state) != BPF_TCP_CLOSE ||
	    !BPF_CORE_READ(sk, __sk_common.skc_num))
		return 0;
	leader = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), group_leader);
	change = add_listener(sk, leader, bpf_ktime_get_boot_ns(), false);
	if (change != NO_CHANGE)
		report((__u32)change);
	return 0;
}

/*
 * An epmd that a service manager starts has its listener from it: to be seen in a listing alone.
 * Arguments as in include/trace/events/sched.h.
 */
SEC("tp_btf/sched_process_exec")
int watch_programs(__u64 *arguments)
{
	struct task_struct *task = (struct task_struct *)arguments[0];
	char name[PROCESS_NAME_SIZE] = {};

	bpf_core_read(name, sizeof(name), &task->comm);
	if (is_epmd(name))
		report(CHANGE_UNBOUND);
	return 0;
}

/*
 * Listeners, and connections to epmd, that were there before the watch, or were handed over to
 * their process since. Run after the watch is attached, so that none falls between; one that both
 * see is counted once. Writes the bystanders.
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
	if (!sk)
		return 0;
	sk = tcp_socket(sk);
	if (!sk)
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	leader = BPF_CORE_READ(task, group_leader);
	if (state == BPF_TCP_ESTABLISHED && is_ours(sk))
		add_registration(sk, leader, 0);
	if (state != BPF_TCP_LISTEN)
		return 0;
	if (is_ours(sk) && add_listener(sk, leader, 0, true) != NO_CHANGE) {
		report(CHANGE_LISTENERS);
		if (BPF_CORE_READ(sk, __sk_common.skc_state) != BPF_TCP_LISTEN)
			remove_listener(sk); /* it was closed before it was added */
	}
	show_bystander(context->meta->seq, sk, leader);
	return 0;
}

static __always_inline bool still_listens(__u64 key, const struct listener *listener)
{
	const struct sock *sk = (const struct sock *)key;

	return BPF_CORE_READ(sk, __sk_common.skc_state) == BPF_TCP_LISTEN && is_ours(sk) &&
	       BPF_CORE_READ(sk, __sk_common.skc_num) == listener->port &&
	       socket_inode(sk) == listener->inode;
}

/*
 * Writes the socket of each listener that listens no more: its end was missed. One whose beginning
 * is under way is among them too: the agent waits for the next time.
 */
SEC("iter/bpf_map_elem")
int find_stale_listeners(struct bpf_iter__bpf_map_elem *context)
{
	const __u64 *key = context->key;
	const struct listener *listener = context->value;
	__u64 socket;

	if (!key || !listener)
		return 0;
	socket = *key;
	if (!still_listens(socket, listener))
		bpf_seq_write(context->meta->seq, &socket, sizeof(socket));
	return 0;
}

#define REGISTRATION_YOUNG_NS 1000000000u

SEC("iter/bpf_map_elem")
int find_stale_registrations(struct bpf_iter__bpf_map_elem *context)
{
	const __u64 *key = context->key;
	const struct registration *registration = context->value;
	const struct sock *sk;
	__u64 socket;
	__u8 state;

	if (!key || !registration ||
	    bpf_ktime_get_boot_ns() - registration->since_ns < REGISTRATION_YOUNG_NS)
		return 0; /* its beginning may be under way */
	socket = *key;
	sk = (const struct sock *)socket;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == BPF_TCP_CLOSE || state == BPF_TCP_CLOSE_WAIT || state == BPF_TCP_LISTEN ||
	    !is_ours(sk) || remote_port(sk) != registration->epmd_port)
		bpf_seq_write(context->meta->seq, &socket, sizeof(socket));
	return 0;
}

/*
 * What the agent orders, each by BPF_PROG_TEST_RUN: changes of what the watch counts, which only
 * a program can make in one step.
 */

/* Arguments: a listener's socket, and whether its port is a node's. */
SEC("raw_tp")
int settle_listener(__u64 *arguments)
{
	const __u64 key = arguments[0];
	struct listener *known = bpf_map_lookup_elem(&listeners, &key);
	struct listener listener;
	__u32 wanted = STANDING_SURE;

	if (!known)
		return 0;
	listener = *known;
	if (!arguments[1] && listener.kind != LISTENER_EPMD)
		wanted = listener.kind == LISTENER_AUTOBOUND ? STANDING_AUTOBOUND : STANDING_FIXED;
	if (listener.standing >= STANDING_COUNT || listener.standing == wanted)
		return 0;
	change_begin();
	if (count_up(&listener, wanted))
		count_down(&listener,
			   __sync_val_compare_and_swap(&known->standing, listener.standing,
						       wanted) == listener.standing
				   ? listener.standing
				   : wanted);
	change_end();
	return 0;
}

/* Arguments: the socket, and since when it listens. */
SEC("raw_tp")
int drop_listener(__u64 *arguments)
{
	const __u64 key = arguments[0];
	const struct listener *known = bpf_map_lookup_elem(&listeners, &key);

	if (known && known->since_ns == arguments[1] && !still_listens(key, known) &&
	    remove_entry(key, known->heard ? 0 : FAILED_UNHEARD))
		report(CHANGE_LISTENERS);
	return 0;
}

SEC("raw_tp")
int drop_registration(__u64 *arguments)
{
	remove_registration((const struct sock *)arguments[0]);
	return 0;
}

/* Arguments: the address in two words, the port, the policy and the cluster. */
SEC("raw_tp")
int assign_binding(__u64 *arguments)
{
	struct binding *binding = binding_find(arguments[0], arguments[1], (__u16)arguments[2]);

	if (binding)
		binding->cluster[arguments[3] & 1] = (__u8)arguments[4];
	return 0;
}

/* Arguments: the address in two words, the port, and what to add to each count. */
SEC("raw_tp")
int correct_binding(__u64 *arguments)
{
	struct binding *binding = binding_find(arguments[0], arguments[1], (__u16)arguments[2]);

	if (!binding)
		return 0;
	__sync_fetch_and_add(&binding->counts[STANDING_SURE], (__u32)arguments[3]);
	__sync_fetch_and_add(&binding->counts[STANDING_AUTOBOUND], (__u32)arguments[4]);
	__sync_fetch_and_add(&binding->counts[STANDING_FIXED], (__u32)arguments[5]);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
