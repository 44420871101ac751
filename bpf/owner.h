/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose segment is it? For segments that open no connection and go to a protected port: a reply
 * to the host's own outbound connection must pass, even where its local port is a protected one.
 */
#ifndef BEAMFENCE_OWNER_H
#define BEAMFENCE_OWNER_H

#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "context.h"
#include "policy.h"
#include "verdict.h"

/* include/net/tcp_states.h; the values are those of BPF_TCP_* in linux/bpf.h. */
#define STATE_NONE		    0

#define FAMILY_IPV4		    2
#define FAMILY_IPV6		    10

#define CONNTRACK_SOURCE_TRANSLATED (1ul << 4) /* IPS_SRC_NAT */
#define CONNTRACK_REPLY		    1	       /* IP_CT_DIR_REPLY */

/* Linux 5.18 and later, as the look-up. */
extern void bpf_ct_release(struct nf_conn *connection) __ksym __weak;

static __always_inline __u32 owner_tuple(const struct view *view, struct bpf_sock_tuple *tuple)
{
	if (view->ipv4) {
		tuple->ipv4.saddr = view->source[1] >> 32;
		tuple->ipv4.daddr = view->destination[1] >> 32;
		tuple->ipv4.sport = view->source_port;
		tuple->ipv4.dport = view->destination_port;
		return sizeof(tuple->ipv4);
	}
	__builtin_memcpy(tuple->ipv6.saddr, view->source, sizeof(tuple->ipv6.saddr));
	__builtin_memcpy(tuple->ipv6.daddr, view->destination, sizeof(tuple->ipv6.daddr));
	tuple->ipv6.sport = view->source_port;
	tuple->ipv6.dport = view->destination_port;
	return sizeof(tuple->ipv6);
}

/* A kuid_t, by BTF. */
struct owner_uid {
	unsigned int val;
};

struct sock___owner {
	struct owner_uid sk_uid;
} __attribute__((preserve_access_index));

#define UID_UNKNOWN 0xffffffffu

/*
 * The state of the socket that a segment with this tuple would reach, or STATE_NONE; and in *@uid
 * whose it is, where @uid is given.
 */
static __always_inline __u32 socket_state(struct frame_source *context,
					  struct bpf_sock_tuple *tuple, const bool ipv4, __u32 *uid)
{
	struct bpf_sock *socket;
	const void *full;
	__u32 state;

	if (ipv4)
		socket = bpf_skc_lookup_tcp(context, tuple, sizeof(tuple->ipv4),
					    BPF_F_CURRENT_NETNS, 0);
	else
		socket = bpf_skc_lookup_tcp(context, tuple, sizeof(tuple->ipv6),
					    BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return STATE_NONE;
	state = socket->state;
	if (uid) {
		full = bpf_skc_to_tcp_sock(socket);
		*uid = full ? BPF_CORE_READ((const struct sock___owner *)full, sk_uid.val)
			    : UID_UNKNOWN;
	}
	bpf_sk_release(socket);
	return state;
}

/* Whether it is the reply to a connection whose source address this host replaced by its own. */
static __always_inline bool is_masqueraded(struct frame_source *context,
					   struct bpf_sock_tuple *tuple, const bool ipv4)
{
	struct bpf_ct_opts options = {.netns_id = BPF_F_CURRENT_NETNS, .l4proto = IPPROTO_TCP};
	struct nf_conn *connection;
	unsigned long status;

	if (ipv4)
		connection = context_tracked(context, tuple, sizeof(tuple->ipv4), &options);
	else
		connection = context_tracked(context, tuple, sizeof(tuple->ipv6), &options);
	if (!connection)
		return false;
	status = connection->status;
	bpf_ct_release(connection);
	return options.dir == CONNTRACK_REPLY && status & CONNTRACK_SOURCE_TRANSLATED;
}

/* Read where the routes do not tell: which addresses are the host's own. User space writes it. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, ADDRESSES_MAX);
	__type(key, struct address_key);
	__type(value, __u8);
} addresses SEC(".maps");

/* Whether the destination is certainly not the host's own address. */
static __always_inline bool is_elsewhere(const struct view *view)
{
	struct address_key key = {.length = 8 * sizeof(key.address)};

	if (bpf_ktime_get_ns() >= tables.host.addresses_until_ns)
		return false;
	__builtin_memcpy(key.address, view->destination, sizeof(key.address));
	return !bpf_map_lookup_elem(&addresses, &key);
}

/* Whether the host would send the segment on to another host, by its routes as they are now. */
static __always_inline bool is_routed(struct frame_source *context, const struct view *view)
{
	struct bpf_fib_lookup route = {
		.family = view->ipv4 ? FAMILY_IPV4 : FAMILY_IPV6,
		.l4_protocol = IPPROTO_TCP,
		.sport = view->source_port,
		.dport = view->destination_port,
		.ifindex = context_interface(context),
	};
	long result;

	if (view->ipv4) {
		route.ipv4_src = view->source[1] >> 32;
		route.ipv4_dst = view->destination[1] >> 32;
	} else {
		__builtin_memcpy(route.ipv6_src, view->source, sizeof(route.ipv6_src));
		__builtin_memcpy(route.ipv6_dst, view->destination, sizeof(route.ipv6_dst));
	}
	result = bpf_fib_lookup(context, &route, sizeof(route), 0);
	return result == BPF_FIB_LKUP_RET_SUCCESS || result == BPF_FIB_LKUP_RET_NO_NEIGH ||
	       result == BPF_FIB_LKUP_RET_FRAG_NEEDED || result == BPF_FIB_LKUP_RET_UNSUPP_LWT;
}

/*
 * Whether a connection on a discovered port is not the listener's, but was there before it: of a
 * service whose port somebody else has taken while it restarts. Root may pass a listener on.
 */
static __always_inline bool is_foreign(__u32 session_uid, __u32 listener_uid)
{
	return session_uid != UID_UNKNOWN && listener_uid != UID_UNKNOWN && listener_uid &&
	       session_uid != listener_uid;
}

/*
 * Finds the owner of a segment. A connection is taken for the host's own when nothing listens on
 * its local address and port. That holds because connect() is given no port that a bound socket
 * holds (inet_hash_connect()), and bind() none that a connection uses (inet_csk_get_port()), unless
 * both sockets were bound to it by name with SO_REUSEADDR. A listener on the wildcard is found for
 * addresses that are not the host's, too: what is routed on, for a guest, or translated, it does
 * not get.
 * @conntrack: whether the connection tracker may be asked.
 */
static __always_inline enum owner owner_find(struct frame_source *context, const struct view *view,
					     const bool conntrack)
{
	__u32 state, session_uid, listener_uid;
	struct bpf_sock_tuple tuple = {};

	owner_tuple(view, &tuple);
	state = socket_state(context, &tuple, view->ipv4, &session_uid);
	if (state == STATE_NONE)
		return OWNER_NOBODY;
	if (state == BPF_TCP_SYN_SENT)
		return OWNER_OUTBOUND;
	if (state == BPF_TCP_LISTEN) {
		/*
		 * Where forwarding is off, or no route leads there, the routes say nothing of who
		 * has the address: it may be a guest's behind a bridge or on a macvlan.
		 */
		if (is_routed(context, view) || is_elsewhere(view))
			return OWNER_NOBODY;
		if (conntrack && is_masqueraded(context, &tuple, view->ipv4))
			return OWNER_MASQUERADED;
		return OWNER_LISTENER;
	}
	if (state == BPF_TCP_SYN_RECV || state == BPF_TCP_NEW_SYN_RECV)
		return OWNER_LISTENER;
	if (view->ipv4) {
		tuple.ipv4.saddr = 0;
		tuple.ipv4.sport = 0;
	} else {
		__builtin_memset(tuple.ipv6.saddr, 0, sizeof(tuple.ipv6.saddr));
		tuple.ipv6.sport = 0;
	}
	if (socket_state(context, &tuple, view->ipv4, &listener_uid) != BPF_TCP_LISTEN)
		return OWNER_OUTBOUND;
	return view->discovered && is_foreign(session_uid, listener_uid) ? OWNER_NOBODY
									 : OWNER_LISTENER;
}

/*
 * Out of line: a frame that is dropped at sight need not pay for the stack that this takes. Two,
 * because Linux 5.15 refuses a program that merely names a function of the tracker's.
 */
static __noinline enum owner owner_of(struct frame_source *context, const struct view *view)
{
	return owner_find(context, view, false);
}

static __noinline enum owner owner_of_ct(struct frame_source *context, const struct view *view)
{
	return owner_find(context, view, true);
}

#endif
