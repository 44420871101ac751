/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of a frame once it was read: its shape, and for TCP addresses, ports and flags. */
#ifndef BEAMFENCE_VIEW_H
#define BEAMFENCE_VIEW_H

#include <linux/types.h>

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#define frame_htons(value) __builtin_bswap16(value)

#define TCP_SYN		   0x02
#define TCP_ACK		   0x10

enum shape {
	SHAPE_NOT_TCP,
	SHAPE_TCP,
	SHAPE_LATER_FRAGMENT,
	SHAPE_VLAN_TOO_DEEP,
	SHAPE_HEADERS_TOO_MANY,
	SHAPE_HEADERS_TRUNCATED,
	SHAPE_PORTS_TRUNCATED, /* TCP, but its ports are not there */
	SHAPE_FLAGS_TRUNCATED, /* TCP, with its ports, but without its flags */
	SHAPE_UNCOMMON,	       /* from frame_common() only: ask frame_parse() */
};

/* Whether the view of a frame of such a shape has its ports. */
static __always_inline _Bool shape_has_ports(enum shape shape)
{
	return shape == SHAPE_TCP || shape == SHAPE_FLAGS_TRUNCATED;
}

/* Addresses as two words in network byte order, IPv4 mapped into IPv6 as in struct peer_key. */
struct view {
	__u64 source[2]; /* zero until an IP header was read */
	__u64 destination[2];
	__be16 source_port;
	__be16 destination_port;
	__u16 vlan; /* of the outermost tag with an ID, or 0; host byte order */
	__u8 ipv4;
	__u8 has_source; /* an IP header was read */
	__u8 tcp_flags;
	__u8 payload;	 /* the segment carries some, by the lengths in its headers */
	__u16 ip_behind; /* 1 + the offset of the IP header; 0: of common shape, without options */
	__u8 discovered; /* the port is protected for who listens on it, by no configuration */
};

#define IPV4_MAPPED_HIGH_WORD 0xffff0000u /* bytes 00 00 ff ff, read on a little-endian CPU */

#endif
