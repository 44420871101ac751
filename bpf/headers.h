/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The bytes of a frame: how they are read, and the headers that are in them. Whoever includes this
 * defines frame_read_far().
 */
#ifndef BEAMFENCE_HEADERS_H
#define BEAMFENCE_HEADERS_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <stdbool.h>

#include "contract.h"
#include "view.h"

/* Where the bytes come from: natively any buffer, in the kernel the program's context. */
#ifdef __bpf__
#include "context.h"
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

static __always_inline __u32 tcp_header_size(__u8 offset)
{
	return (offset >> 4) * 4u;
}

#endif
