/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame bytes → a view: what shape the frame has, and for TCP the addresses, ports and flags.
 *
 * Two readers give the same answer: frame_common() (frame_flat.h) for the shapes that nearly all
 * traffic has, and frame_parse() for everything that Linux would walk on its way to TCP. Pure: this
 * also builds natively, for tests.
 */
#ifndef BEAMFENCE_FRAME_H
#define BEAMFENCE_FRAME_H

#include "frame_flat.h"
#include "headers.h"

/*
 * Extension headers that are walked. Real traffic has two or three; RFC 8504 lets a host refuse
 * more than eight. Past this limit a frame "could be TCP for a protected port".
 */
#define EXTENSION_HEADERS_MAX 16

/*
 * Where a walk over the headers of one frame has got to. In a first fragment nothing is read past
 * @limit, where the IP packet ends by its own length: the padding behind it must not be taken for
 * the flags that only the next fragment brings. A whole packet that is cut so short is no
 * packet to the stack, whatever is read here.
 */
struct walk {
	__u32 offset;
	__u32 packet_end;
	__u32 limit;
	__u32 next;
	bool ipv6;
};

static __always_inline enum shape walk_tcp(struct frame_source *source, const struct walk *walk,
					   struct view *view)
{
	struct {
		__be16 source;
		__be16 destination;
	} ports;
	struct {
		__u8 offset;
		__u8 flags;
	} end;

	if (walk->offset + sizeof(ports) > walk->limit ||
	    !frame_read(source, walk->offset, &ports, sizeof(ports)))
		return SHAPE_PORTS_TRUNCATED;
	view->source_port = ports.source;
	view->destination_port = ports.destination;
	if (walk->offset + sizeof(struct tcp_start) > walk->limit ||
	    !frame_read(source, walk->offset + __builtin_offsetof(struct tcp_start, offset), &end,
			sizeof(end)))
		return SHAPE_FLAGS_TRUNCATED;
	view->tcp_flags = end.flags;
	view->payload = walk->offset + tcp_header_size(end.offset) < walk->packet_end;
	return SHAPE_TCP;
}

static __always_inline bool is_extension_header(__u32 next, bool ipv6)
{
	switch (next) {
	case IPPROTO_AH:
		return true;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_FRAGMENT:
	case IPPROTO_DSTOPTS:
	case IPV6_PROTOCOL_MOBILITY:
	case IPV6_PROTOCOL_HIP:
	case IPV6_PROTOCOL_SHIM6:
		return ipv6;
	default:
		return false;
	}
}

#define WALK_STEP(next, offset) ((__u64)(next) << 32 | (offset))
#define WALK_END(shape)		(1ull << 63 | (shape))

/*
 * Steps over one header of kind @next at @offset: WALK_STEP() of what follows it, or WALK_END().
 * A function of its own, because the verifier would follow every path through every header of the
 * chain: what comes back from here it takes for any number.
 */
FRAME_GLOBAL __u64 walk_step(struct frame_source *source, __u32 offset, __u32 limit, __u32 next)
{
	struct extension_header header;

	if (offset > FRAME_OFFSET_MAX || offset + sizeof(header) > limit ||
	    !frame_read(source, offset, &header, sizeof(header)))
		return WALK_END(SHAPE_HEADERS_TRUNCATED);
	if (next == IPPROTO_FRAGMENT) {
		if (header.fragment & frame_htons(IPV6_FRAGMENT_OFFSET))
			return WALK_END(SHAPE_LATER_FRAGMENT);
		return WALK_STEP(header.next, offset + sizeof(header));
	}
	if (next == IPPROTO_AH)
		return WALK_STEP(header.next, offset + (header.length + 2u) * 4);
	return WALK_STEP(header.next, offset + (header.length + 1u) * 8);
}

/*
 * Steps over what may stand between the IP header and TCP: the IPv6 headers of RFC 8200, 4.1,
 * RFC 6275 (mobility), RFC 7401 (HIP), RFC 5533 (shim6), and RFC 4302 (authentication) in either
 * version. Linux: net/ipv6/{exthdrs,reassembly,ah6}.c, net/ipv4/ah4.c.
 */
static __always_inline enum shape walk_headers(struct frame_source *source, struct walk *walk,
					       struct view *view)
{
	__u64 step;

	for (int i = 0; i <= EXTENSION_HEADERS_MAX; i++) {
		if (walk->next == IPPROTO_TCP)
			return walk_tcp(source, walk, view);
		if (!is_extension_header(walk->next, walk->ipv6))
			return SHAPE_NOT_TCP;
		if (walk->next == IPPROTO_FRAGMENT)
			walk->limit = walk->packet_end;
		step = walk_step(source, walk->offset, walk->limit, walk->next);
		if (step >> 63)
			return (enum shape)(step & 0xff);
		walk->next = step >> 32 & 0xff;
		walk->offset = (__u32)step;
	}
	return SHAPE_HEADERS_TOO_MANY;
}

static __always_inline enum shape parse_ipv4(struct frame_source *source, __u32 offset,
					     struct view *view)
{
	struct walk walk = {.limit = ~0u};
	struct ipv4_header ip;
	__u32 header_size;

	if (!frame_read(source, offset, &ip, sizeof(ip)))
		return SHAPE_HEADERS_TRUNCATED;
	header_size = (ip.version_ihl & 0xfu) * 4;
	if (ip.version_ihl >> 4 != 4 || header_size < sizeof(ip))
		return SHAPE_NOT_TCP; /* the stack discards it */
	view_set_ipv4(view, &ip);
	view->ip_behind = (__u16)(offset + 1);
	if (ip.protocol != IPPROTO_TCP && ip.protocol != IPPROTO_AH)
		return SHAPE_NOT_TCP;
	if (ip.fragment & frame_htons(IPV4_FRAGMENT_OFFSET))
		return SHAPE_LATER_FRAGMENT;
	walk.packet_end = offset + frame_ntohs(ip.total_length);
	walk.offset = offset + header_size;
	/* The stack cuts off what is not a multiple of eight bytes (ip_frag_queue()). */
	if (ip.fragment & frame_htons(IPV4_MORE_FRAGMENTS))
		walk.limit = walk.offset + ((walk.packet_end - walk.offset) & ~7u);
	walk.next = ip.protocol;
	return walk_headers(source, &walk, view);
}

static __always_inline enum shape parse_ipv6(struct frame_source *source, __u32 offset,
					     struct view *view)
{
	struct walk walk = {.limit = ~0u, .ipv6 = true};
	struct ipv6_header ip;

	if (!frame_read(source, offset, &ip, sizeof(ip)))
		return SHAPE_HEADERS_TRUNCATED;
	/* Whatever its version says: the stack looks at that, and the short path need not. */
	view_set_ipv6(view, &ip);
	view->ip_behind = (__u16)(offset + 1);
	walk.offset = offset + sizeof(ip);
	walk.packet_end = walk.offset + frame_ntohs(ip.payload_length);
	walk.next = ip.next;
	return walk_headers(source, &walk, view);
}

/*
 * Any frame. @view must be zero, but for the VLAN of a tag that comes before the bytes; what shape
 * does not vouch for stays zero.
 */
static __always_inline enum shape frame_parse(struct frame_source *source, const bool ethernet,
					      struct view *view)
{
	__u32 offset = sizeof(struct ethernet_header);
	struct vlan_header tag;
	__be16 protocol;
	__u8 version;

	if (!ethernet) {
		if (!frame_read(source, 0, &version, sizeof(version)))
			return SHAPE_NOT_TCP;
		if (version >> 4 == 6)
			return parse_ipv6(source, 0, view);
		/* What is neither was read from the wrong place: it could be anything. */
		return version >> 4 == 4 ? parse_ipv4(source, 0, view) : SHAPE_HEADERS_TRUNCATED;
	}
	if (!frame_read(source, __builtin_offsetof(struct ethernet_header, protocol), &protocol,
			sizeof(protocol)))
		return SHAPE_NOT_TCP;
	for (int i = 0; i < VLAN_TAGS_MAX && frame_is_vlan(protocol); i++) {
		if (!frame_read(source, offset, &tag, sizeof(tag)))
			return SHAPE_NOT_TCP;
		if (!view->vlan)
			view->vlan = frame_ntohs(tag.tci) & (VLAN_IDS - 1);
		protocol = tag.next;
		offset += sizeof(tag);
	}
	if (protocol == frame_htons(ETH_P_IP))
		return parse_ipv4(source, offset, view);
	if (protocol == frame_htons(ETH_P_IPV6))
		return parse_ipv6(source, offset, view);
	return frame_is_vlan(protocol) ? SHAPE_VLAN_TOO_DEEP : SHAPE_NOT_TCP;
}

#define OPTIONS_END	    0
#define OPTIONS_LEAD_ON	    1
#define OPTION_NOP	    1
#define OPTION_LOOSE_ROUTE  131
#define OPTION_STRICT_ROUTE 137
#define IPV4_OPTIONS_MAX    40

/* Where the option after the one at @offset begins, or one of the first two above. */
FRAME_GLOBAL __u32 option_step(struct frame_source *source, __u32 offset)
{
	struct {
		__u8 kind;
		__u8 length;
		__u8 pointer;
	} option;

	if (!frame_read(source, offset, &option, sizeof(option)))
		return OPTIONS_END;
	if (option.kind == OPTION_NOP)
		return offset + 1;
	if ((option.kind == OPTION_LOOSE_ROUTE || option.kind == OPTION_STRICT_ROUTE) &&
	    option.pointer <= option.length)
		return OPTIONS_LEAD_ON;
	return option.kind && option.length > 1 ? offset + option.length : OPTIONS_END;
}

/* Linux: net/ipv4/ip_options.c. */
FRAME_GLOBAL __u32 ipv4_leads_on(struct frame_source *source, __u32 offset)
{
	__u32 end;
	__u8 version_ihl;

	if (!frame_read(source, offset, &version_ihl, sizeof(version_ihl)))
		return 0;
	end = offset + (version_ihl & 0xfu) * 4;
	offset += sizeof(struct ipv4_header);
	for (int i = 0; i < IPV4_OPTIONS_MAX && offset < end; i++) {
		offset = option_step(source, offset);
		if (offset <= OPTIONS_LEAD_ON)
			return offset == OPTIONS_LEAD_ON;
	}
	return 0;
}

/* Linux: ipv6_rthdr_rcv() in net/ipv6/exthdrs.c. */
FRAME_GLOBAL __u32 ipv6_leads_on(struct frame_source *source, __u32 offset)
{
	__u8 next, segments_left;
	__u64 step;

	if (!frame_read(source, offset + __builtin_offsetof(struct ipv6_header, next), &next,
			sizeof(next)))
		return 0;
	offset += sizeof(struct ipv6_header);
	for (int i = 0; i < EXTENSION_HEADERS_MAX; i++) {
		if (!is_extension_header(next, true))
			return 0;
		if (next == IPPROTO_ROUTING &&
		    frame_read(source, offset + ROUTING_SEGMENTS_LEFT, &segments_left,
			       sizeof(segments_left)) &&
		    segments_left)
			return 1;
		step = walk_step(source, offset, ~0u, next);
		if (step >> 63)
			return 0;
		next = step >> 32 & 0xff;
		offset = (__u32)step;
	}
	return 0;
}

/*
 * Whether the packet goes on from the destination in its header, by an IPv4 source route or an IPv6
 * routing header: it may end at another address of this host. @view is of SHAPE_TCP.
 */
static __always_inline bool frame_leads_on(struct frame_source *source, const struct view *view)
{
	if (!view->ip_behind)
		return false;
	return view->ipv4 ? ipv4_leads_on(source, view->ip_behind - 1u)
			  : ipv6_leads_on(source, view->ip_behind - 1u);
}

#endif
