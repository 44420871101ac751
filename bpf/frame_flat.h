/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The readers of the shapes that nearly all traffic has: in the first buffer, flat and without a
 * loop. What they do not know is of SHAPE_UNCOMMON: frame_parse() reads it.
 */
#ifndef BEAMFENCE_FRAME_FLAT_H
#define BEAMFENCE_FRAME_FLAT_H

#include "headers.h"

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

/*
 * Where such a frame has its TCP header, in one word for another function, which finds all of it
 * again: its offset is below 64 and tells the version of IP, by what is before it.
 */
#define COMMON_WORD(data, common, ethernet)                                                     \
	((__u32)((const __u8 *)(common)->tcp - (const __u8 *)(data)) | (__u32)(ethernet) << 8 | \
	 (__u32)(common)->vlan << 16)
#define COMMON_ETHERNET(word) ((word) >> 8 & 1)
#define COMMON_DISCOVERED     (1u << 9) /* see struct view */

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

/* The same for the destination. */
static __always_inline void common_destination(const struct common *common, __u64 destination[2])
{
	const struct ipv4_header *ipv4 = common->ip;
	const struct ipv6_header *ipv6 = common->ip;

	if (common->ipv4) {
		destination[0] = 0;
		destination[1] = frame_map_ipv4(ipv4->destination);
	} else {
		destination[0] = ipv6->destination[0] | (__u64)ipv6->destination[1] << 32;
		destination[1] = ipv6->destination[2] | (__u64)ipv6->destination[3] << 32;
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
	view->discovered = 0;
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
		if (!common->vlan)
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

/*
 * The short path: no tag, one or two, then plain IPv4 or IPv6, then TCP or something else. @common
 * must be zero, but for the VLAN of a tag that comes before the bytes.
 */
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

#endif
