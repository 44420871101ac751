/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame bytes → a view: what shape the frame has, and for TCP the addresses, ports and flags.
 *
 * Two readers give the same answer: frame_common() for the shapes that nearly all traffic has,
 * flat and without a loop, and frame_parse() for everything that Linux would walk on its way to
 * TCP. Pure: this also builds natively, for tests. Whoever includes it defines frame_read_far().
 */
#ifndef BEAMFENCE_FRAME_H
#define BEAMFENCE_FRAME_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "view.h"

/*
 * Extension headers that are walked. Real traffic has two or three; RFC 8504 lets a host refuse
 * more than eight. Past this limit a frame "could be TCP for a protected port".
 */
#define EXTENSION_HEADERS_MAX 16

/* Where the bytes come from: natively any buffer, in the kernel the program's context. */
#ifdef __bpf__
#define frame_source xdp_md
#define FRAME_GLOBAL __noinline /* verified once, by itself */
#else
struct frame_source {
	const void *data; /* what can be read in place */
	const void *data_end;
	const void *far; /* what a multi-buffer frame goes on with, for frame_read_far() */
	__u32 far_size;
};
#define FRAME_GLOBAL static inline
#endif

/*
 * Hides from clang what it knows of a value, where it would use that to rearrange a check so that
 * the verifier (any kernel's) no longer sees it.
 */
#define frame_opaque(value) __asm__ volatile("" : "+r"(value))

/*
 * A number of two bytes out of a frame. Verifiers before Linux 6.18 know nothing of what a swap of
 * bytes leaves, and clang knows that it fits into sixteen bits: it is made to cut it all the same.
 */
static __always_inline __u16 frame_ntohs(__be16 value)
{
	__u32 host = __builtin_bswap16(value);

	frame_opaque(host);
	return (__u16)host;
}

/* Not struct ethhdr, which is packed: clang would read it byte by byte. */
struct ethernet_header {
	__u8 destination[6];
	__u8 source[6];
	__be16 protocol;
};

struct vlan_header {
	__be16 tci;
	__be16 next;
};

struct ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total_length;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__u32 source;
	__u32 destination;
};

struct ipv6_header {
	__u8 version_class;
	__u8 class_flow[3];
	__be16 payload_length;
	__u8 next;
	__u8 hop_limit;
	__u32 source[4];
	__u32 destination[4];
};

struct tcp_start {
	__be16 source_port;
	__be16 destination_port;
	__u32 sequence;
	__u32 acknowledgement;
	__u8 offset;
	__u8 flags;
};

/* The first bytes of any extension header; of the fragment header all of them. */
struct extension_header {
	__u8 next;
	__u8 length;
	__be16 fragment;
	__u32 rest;
};

#define IPV4_FRAGMENT_OFFSET   0x1fff
#define IPV4_MORE_FRAGMENTS    0x2000
#define IPV6_FRAGMENT_OFFSET   0xfff8
#define IPV6_MORE_FRAGMENTS    0x0001
#define IPV6_PROTOCOL_MOBILITY 135
#define IPV6_PROTOCOL_HIP      139
#define IPV6_PROTOCOL_SHIM6    140
#define ROUTING_SEGMENTS_LEFT  3      /* offset in a routing header */
#define FRAME_OFFSET_MAX       0x3fff /* keeps a packet offset provably small */

/*
 * BPF on x86-64 and arm64 reads a packet at any address; told that nothing is aligned, clang would
 * read it byte by byte.
 */
#ifdef __bpf__
#define FRAME_ALIGNMENT 4
#else
#define FRAME_ALIGNMENT 1
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "x86-64 and arm64 are little-endian");

/*
 * Copies @size bytes at @offset of a frame whose first buffer ends before them. False: the frame
 * does not have them (or, on kernels without multi-buffer support, there is only one buffer).
 */
static __always_inline bool frame_read_far(struct frame_source *source, __u32 offset, void *to,
					   __u32 size);

static __always_inline bool frame_read(struct frame_source *source, __u32 offset, void *to,
				       const __u32 size)
{
	const __u8 *from;

	if (offset > FRAME_OFFSET_MAX)
		return false;
	frame_opaque(offset); /* else clang tests one copy of it and adds another */
	from = (const __u8 *)(long)source->data + (offset & FRAME_OFFSET_MAX);
	if ((const void *)(from + size) > (const void *)(long)source->data_end)
		return frame_read_far(source, offset, to, size);
	__builtin_memcpy(to, __builtin_assume_aligned(from, FRAME_ALIGNMENT), size);
	return true;
}

static __always_inline __u64 frame_map_ipv4(__u32 address)
{
	return IPV4_MAPPED_HIGH_WORD | (__u64)address << 32;
}

static __always_inline void view_set_ipv4(struct view *view, const struct ipv4_header *ip)
{
	view->ipv4 = 1;
	view->has_source = 1;
	view->source[0] = 0;
	view->source[1] = frame_map_ipv4(ip->source);
	view->destination[0] = 0;
	view->destination[1] = frame_map_ipv4(ip->destination);
}

static __always_inline void view_set_ipv6(struct view *view, const struct ipv6_header *ip)
{
	view->ipv4 = 0;
	view->has_source = 1;
	view->source[0] = ip->source[0] | (__u64)ip->source[1] << 32;
	view->source[1] = ip->source[2] | (__u64)ip->source[3] << 32;
	view->destination[0] = ip->destination[0] | (__u64)ip->destination[1] << 32;
	view->destination[1] = ip->destination[2] | (__u64)ip->destination[3] << 32;
}

static __always_inline bool frame_is_vlan(__be16 protocol)
{
	return protocol == frame_htons(ETH_P_8021Q) || protocol == frame_htons(ETH_P_8021AD);
}

/* Where a frame of common shape has its headers; for SHAPE_TCP they are there in full. */
struct common {
	const void *ip;
	const struct tcp_start *tcp;
	__u32 ipv4;
	__u16 vlan;
};

static __always_inline enum shape common_ipv4(const void *at, const void *end,
					      struct common *common)
{
	const struct ipv4_header *ip = at;
	const struct tcp_start *tcp = (const void *)(ip + 1);

	if ((const void *)(ip + 1) > end)
		return SHAPE_UNCOMMON;
	if (ip->version_ihl != 0x45)
		return SHAPE_UNCOMMON;
	if (ip->protocol != IPPROTO_TCP)
		return ip->protocol == IPPROTO_AH ? SHAPE_UNCOMMON : SHAPE_NOT_TCP;
	if (ip->fragment & frame_htons(IPV4_FRAGMENT_OFFSET | IPV4_MORE_FRAGMENTS))
		return SHAPE_UNCOMMON;
	if ((const void *)(tcp + 1) > end)
		return SHAPE_UNCOMMON;
	common->ip = ip;
	common->ipv4 = 1;
	frame_opaque(common->ipv4);
	common->tcp = tcp;
	return SHAPE_TCP;
}

static __always_inline enum shape common_ipv6(const void *at, const void *end,
					      struct common *common)
{
	const struct ipv6_header *ip = at;
	const struct tcp_start *tcp = (const void *)(ip + 1);

	if ((const void *)(ip + 1) > end)
		return SHAPE_UNCOMMON;
	if (ip->next == IPPROTO_UDP || ip->next == IPPROTO_ICMPV6)
		return SHAPE_NOT_TCP;
	if (ip->next != IPPROTO_TCP || (const void *)(tcp + 1) > end)
		return SHAPE_UNCOMMON;
	common->ip = ip;
	common->ipv4 = 0;
	frame_opaque(common->ipv4);
	common->tcp = tcp;
	return SHAPE_TCP;
}

static __always_inline __u32 tcp_header_size(__u8 offset)
{
	return (offset >> 4) * 4u;
}

/*
 * Where such a frame has its TCP header, in one word for another function, which finds all of it
 * again: its offset is below 64 and tells the version of IP, by what is before it.
 */
#define COMMON_WORD(data, common, ethernet)                                                     \
	((__u32)((const __u8 *)(common)->tcp - (const __u8 *)(data)) | (__u32)(ethernet) << 8 | \
	 (__u32)(common)->vlan << 16)
#define COMMON_ETHERNET(word) ((word) >> 8 & 1)

/* Returns false where there is no such frame, which cannot be. */
static __always_inline bool common_find(const void *data, const void *end, __u32 word,
					struct common *common)
{
	__u32 at = word & 0x3f, ip_size;

	common->vlan = (__u16)(word >> 16);
	common->ipv4 = at < sizeof(struct ipv6_header) +
				    (COMMON_ETHERNET(word) ? sizeof(struct ethernet_header) : 0u);
	/* Compared once: verifiers before Linux 6.12 do not see that a second time gives the same.
	 */
	frame_opaque(common->ipv4);
	ip_size = (__u32)sizeof(struct ipv6_header) -
		  common->ipv4 * (__u32)(sizeof(struct ipv6_header) - sizeof(struct ipv4_header));
	at -= ip_size;
	frame_opaque(at);
	common->ip = (const __u8 *)data + (at & 0x1f);
	common->tcp = (const void *)((const __u8 *)common->ip + ip_size);
	return (const void *)(common->tcp + 1) <= end;
}

/* Whether such a frame carries a payload. Apart from its view, because few want to know. */
static __always_inline bool common_has_payload(const struct common *common)
{
	const __u32 header_size = tcp_header_size(common->tcp->offset);
	const struct ipv4_header *ipv4 = common->ip;
	const struct ipv6_header *ipv6 = common->ip;

	if (common->ipv4)
		return frame_ntohs(ipv4->total_length) > sizeof(*ipv4) + header_size;
	return frame_ntohs(ipv6->payload_length) > header_size;
}

/* The source address alone, as in a view. */
static __always_inline void common_source(const struct common *common, __u64 source[2])
{
	const struct ipv4_header *ipv4 = common->ip;
	const struct ipv6_header *ipv6 = common->ip;

	if (common->ipv4) {
		source[0] = 0;
		source[1] = frame_map_ipv4(ipv4->source);
	} else {
		source[0] = ipv6->source[0] | (__u64)ipv6->source[1] << 32;
		source[1] = ipv6->source[2] | (__u64)ipv6->source[3] << 32;
	}
}

/* The view of a frame of common shape that is TCP. */
static __always_inline void common_view(const struct common *common, struct view *view)
{
	if (common->ipv4)
		view_set_ipv4(view, common->ip);
	else
		view_set_ipv6(view, common->ip);
	view->vlan = common->vlan;
	view->source_port = common->tcp->source_port;
	view->destination_port = common->tcp->destination_port;
	view->tcp_flags = common->tcp->flags;
	view->payload = 0;
	view->ip_behind = 0;
}

/* IPv6 with a few of the headers that are met most, all in the first buffer: flat as well. */
#define CHAIN_HEADERS (1ull << IPPROTO_HOPOPTS | 1ull << IPPROTO_ROUTING | 1ull << IPPROTO_DSTOPTS)

/* Steps over one of them, if there is one. False: it is not there in full. */
static __always_inline bool chain_step(const struct extension_header **header, const void *end,
				       __u32 *next)
{
	if (*next >= 64 || !(CHAIN_HEADERS >> *next & 1))
		return true;
	if ((const void *)(*header + 1) > end)
		return false;
	*next = (*header)->next;
	*header = (const void *)*header + ((*header)->length + 1u) * 8;
	return true;
}

static __always_inline enum shape chain_ipv6(const void *at, const void *end, struct common *common)
{
	const struct ipv6_header *ip = at;
	const struct extension_header *header = (const void *)(ip + 1);
	const struct tcp_start *tcp;
	__u32 next;

	if ((const void *)header > end)
		return SHAPE_UNCOMMON;
	next = ip->next;
	if (!chain_step(&header, end, &next) || !chain_step(&header, end, &next) ||
	    !chain_step(&header, end, &next) || !chain_step(&header, end, &next))
		return SHAPE_UNCOMMON;
	tcp = (const void *)header;
	if (next == IPPROTO_UDP || next == IPPROTO_ICMPV6)
		return SHAPE_NOT_TCP;
	if (next != IPPROTO_TCP || (const void *)(tcp + 1) > end)
		return SHAPE_UNCOMMON;
	common->tcp = tcp;
	return SHAPE_TCP;
}

static __always_inline enum shape flat_ip(const void *at, const void *end, bool ipv4,
					  const bool chain, struct common *common)
{
	if (chain)
		return ipv4 ? SHAPE_UNCOMMON : chain_ipv6(at, end, common);
	return ipv4 ? common_ipv4(at, end, common) : common_ipv6(at, end, common);
}

static __always_inline enum shape frame_flat(const void *data, const void *end, const bool ethernet,
					     const bool chain, struct common *common)
{
	const struct ethernet_header *ethernet_header = data;
	const struct vlan_header *tag;
	const void *at = ethernet_header + 1;
	__be16 protocol;

	if (!ethernet) {
		if (data + 1 > end)
			return SHAPE_UNCOMMON;
		return flat_ip(data, end, *(const __u8 *)data >> 4 != 6, chain, common);
	}
	if (at > end)
		return SHAPE_UNCOMMON;
	protocol = ethernet_header->protocol;
	if (__builtin_expect(frame_is_vlan(protocol), 0)) {
		tag = at;
		at = tag + 1;
		if (at > end)
			return SHAPE_UNCOMMON;
		common->vlan = frame_ntohs(tag->tci) & (VLAN_IDS - 1);
		protocol = tag->next;
		if (frame_is_vlan(protocol)) {
			tag = at;
			at = tag + 1;
			if (at > end || !common->vlan)
				return SHAPE_UNCOMMON;
			protocol = tag->next;
			if (frame_is_vlan(protocol))
				return SHAPE_UNCOMMON;
		}
	}
	if (protocol == frame_htons(ETH_P_IP))
		return flat_ip(at, end, true, chain, common);
	if (protocol == frame_htons(ETH_P_IPV6))
		return flat_ip(at, end, false, chain, common);
	return SHAPE_NOT_TCP;
}

/* The short path: no tag, one or two, then plain IPv4 or IPv6, then TCP or something else. */
static __always_inline enum shape frame_common(const void *data, const void *end,
					       const bool ethernet, struct common *common)
{
	return frame_flat(data, end, ethernet, false, common);
}

/*
 * The next shortest, for what that one does not know: the same with IPv6 extension headers. Gives
 * the TCP header and the VLAN alone.
 */
static __always_inline enum shape frame_chain(const void *data, const void *end,
					      const bool ethernet, struct common *common)
{
	return frame_flat(data, end, ethernet, true, common);
}

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

/* Any frame. @view must be zero; what shape does not vouch for stays zero. */
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
