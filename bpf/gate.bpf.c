// SPDX-License-Identifier: GPL-2.0-only
/*
 * The gate: asks once more, where the TCP stack has found the listener for a SYN and is about to
 * answer (tcp_conn_request() in net/ipv4/tcp_input.c). A SYN that the filter passed just before
 * the listener watch protected its port ends here: the listener was protected before it could be
 * found. So does one for another port that was redirected to a protected one. Runs once for each
 * new connection, on no other frame.
 */
#include "sockets.h"

#include "judge.h"

/* Arguments of security_inet_conn_request() in security/security.c, and what it would return. */
enum { ARGUMENT_LISTENER, ARGUMENT_SKB, ARGUMENT_REQUEST, ARGUMENT_RESULT };

#define REFUSED (-1)

/* What came through a transform (IPsec) was sealed by somebody that the host trusts. */
static __always_inline bool was_sealed(const struct sk_buff *skb)
{
	if (!bpf_core_enum_value_exists(enum skb_ext_id, SKB_EXT_SEC_PATH) ||
	    !bpf_core_field_exists(skb->active_extensions))
		return false;
	return BPF_CORE_READ(skb, active_extensions) >>
		       bpf_core_enum_value(enum skb_ext_id, SKB_EXT_SEC_PATH) &
	       1;
}

/*
 * The slot of the device that handed the SYN to IP; 0 if it has none. That is the last one that it
 * passed through: a VLAN device, bond or bridge rather than the interface that the filter is on.
 */
static __always_inline __u32 arrival_slot(const struct policy_tables *policy,
					  const struct sk_buff *skb)
{
	const __u32 ifindex = (__u32)BPF_CORE_READ(skb, skb_iif);
	__u32 base = tables.host.base_of[ifindex & (INTERFACE_RESIDUES - 1)];

	/* Unlike the filter this runs for devices that are not ours, and share an entry with one.
	 */
	if (tables.host.index_of[base] != ifindex)
		return 0;
	if (base < BASES_MAX)
		return policy->slot_of[base][0] & (SLOTS_MAX - 1);
	base -= BASES_MAX;
	return base < UPPER_BASES_MAX ? policy->upper_slot_of[base] & (SLOTS_MAX - 1) : 0;
}

/* The addresses, as the listener gets them: behind all translation. */
static __always_inline void read_addresses(const struct sk_buff *skb, struct view *view)
{
	const unsigned char *ip = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	__u32 ipv4[2] = {};
	__u8 version = 0;

	bpf_probe_read_kernel(&version, sizeof(version), ip);
	view->has_source = 1;
	view->ipv4 = version >> 4 == 4;
	if (!view->ipv4) {
		bpf_probe_read_kernel(view->source, sizeof(view->source), ip + 8);
		bpf_probe_read_kernel(view->destination, sizeof(view->destination), ip + 24);
		return;
	}
	bpf_probe_read_kernel(&ipv4, sizeof(ipv4), ip + 12);
	view->source[1] = IPV4_MAPPED_HIGH_WORD | (__u64)ipv4[0] << 32;
	view->destination[1] = IPV4_MAPPED_HIGH_WORD | (__u64)ipv4[1] << 32;
}

/*
 * Whether the listener is protected, by its own standing where the watch knows it: others on its
 * port are not asked. Returns the cluster whose peers may reach it, or NOT_PROTECTED. The view gets
 * its addresses where it is protected.
 */
static __always_inline int listener_cluster(const struct policy_tables *policy, __u32 generation,
					    const struct sock *sk, const struct sk_buff *skb,
					    struct view *view)
{
	const __u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);
	const enum protection protection = port_protection(policy, port);
	const struct listener *listener = NULL;
	const __u64 key = (__u64)sk;
	int cluster;

	if (protection == PROTECTION_EXEMPT)
		return NOT_PROTECTED;
	if (protection == PROTECTION_LISTENERS) {
		listener = bpf_map_lookup_elem(&listeners, &key);
		if (listener ? !standing_protects(policy, listener->standing)
			     : !policy_suspects(generation, port))
			return NOT_PROTECTED;
	}
	read_addresses(skb, view);
	cluster = policy_cluster(generation, port, view->destination, view->ipv4);
	return listener && cluster == NOT_PROTECTED ? CLUSTER_NOBODY : cluster;
}

/*
 * Without bind(2) a socket listens before it has a port, so the watch could protect none: until the
 * agent has told it, the socket itself is known.
 */
static __always_inline bool is_portless(const struct policy_tables *policy, const struct sock *sk)
{
	const __u64 key = (__u64)sk;
	const struct listener *listener;

	if (port_is_chosen(sk))
		return false;
	listener = bpf_map_lookup_elem(&listeners, &key);
	if (!listener || listener->port)
		return false;
	return listener->kind == LISTENER_EPMD || policy->protect_autobound;
}

/*
 * Whether a listener is being closed whose port the watch may have let go of: that comes after it
 * was taken out of the tables (tcp_set_state() in net/ipv4/tcp.c), and a SYN that had found it
 * there would still be answered. All that would come of the connection is a reset.
 */
static __always_inline bool is_let_go(__u32 generation, const struct sock *sk, __u16 port)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];

	if (BPF_CORE_READ(sk, __sk_common.skc_node.pprev))
		return false;
	return policy_suspects(generation, port) ||
	       (policy->protect_autobound && !port_is_chosen(sk));
}

static __always_inline __u64 frame_bytes(const struct sk_buff *skb)
{
	const unsigned char *link_layer = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, mac_header);

	return BPF_CORE_READ(skb, len) + (__u64)(BPF_CORE_READ(skb, data) - link_layer);
}

/* What is judged is a connection that @skb would open with the listener @sk. */
struct origin {
	const struct sock *sk;
	const struct sk_buff *skb;
	struct view view;
	int result; /* of the hooks before */
};

static __always_inline int subject_cluster(struct subject *subject)
{
	const __u32 generation = subject->generation & 1;
	const struct policy_tables *policy = &tables.policy[generation];
	struct view *view = &subject->origin->view;
	const struct sock *sk = subject->origin->sk;
	const __u16 port = BPF_CORE_READ(sk, __sk_common.skc_num);
	const int cluster = listener_cluster(policy, generation, sk, subject->origin->skb, view);

	subject->ipv4 = view->ipv4;
	if (cluster != NOT_PROTECTED)
		return cluster;
	if (!port_bit(policy->exempt, port) &&
	    (is_portless(policy, sk) || is_let_go(generation, sk, port)))
		return CLUSTER_NOBODY;
	return NOT_PROTECTED;
}

static __always_inline int subject_leave(const struct subject *subject)
{
	return subject->origin->result;
}

static __always_inline void subject_place(struct subject *subject)
{
	subject->slot = arrival_slot(&tables.policy[subject->generation & 1], subject->origin->skb);
}

/* Nobody asks: it is a new connection. */
static __always_inline enum owner subject_owner(const struct subject *subject)
{
	(void)subject;
	return OWNER_LISTENER;
}

/* There is no frame any more to tell of. */
static __always_inline void subject_tell(const struct subject *subject, __u32 reason)
{
	(void)subject;
	(void)reason;
}

static __always_inline int subject_conclude(const struct subject *subject, __u32 reason,
					    int cluster)
{
	const struct origin *origin = subject->origin;

	(void)cluster;
	/* A device that IPsec hands its packets to has a zone of its own where a list names it. */
	if (!reason_drops(reason) ||
	    (!tables.host.slots[subject->slot].gated && was_sealed(origin->skb)))
		return origin->result;
	count_judged(subject->slot, MODE_ENFORCE, REASON_GATE, frame_bytes(origin->skb));
	return REFUSED;
}

SEC("fmod_ret/security_inet_conn_request")
int gate(__u64 *arguments)
{
	struct origin origin = {
		.sk = (const struct sock *)arguments[ARGUMENT_LISTENER],
		.skb = (const struct sk_buff *)arguments[ARGUMENT_SKB],
		.result = (int)arguments[ARGUMENT_RESULT],
	};
	struct subject subject = {
		.origin = &origin,
		.generation = tables.generation & 1,
		.shape = SHAPE_TCP,
		.source = origin.view.source,
		.has_source = true,
		.new_connection = true,
	};

	if (origin.result || !is_ours(origin.sk) ||
	    tables.policy[subject.generation].mode == MODE_AUDIT)
		return origin.result;
	return judge(&subject);
}

char LICENSE[] SEC("license") = "GPL";
