/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A builder of frames, header by header from the outside in. Lengths and "next" fields are filled
 * in by frame_end(), unless a test wrote them wrong on purpose afterwards.
 */
#ifndef BEAMFENCE_TEST_FRAMES_H
#define BEAMFENCE_TEST_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE_MAX	9216

/* The hosts of every test, by what they are to the host under test. */
#define HOST_IPV4	"198.51.100.1"
#define HOST_IPV6	"2001:db8:1::1"
#define CLIENT_IPV4	"192.0.2.66"
#define CLIENT_IPV6	"2001:db8:66::66"
#define PEER_IPV4	"10.0.1.7" /* of cluster 0, within 10.0.1.0/24 */
#define PEER_IPV6	"fd00:1::7"
#define OTHER_PEER_IPV4 "10.0.2.9" /* of cluster 1 */
#define OTHER_PEER_IPV6 "fd00:2::9"

enum {
	FLAG_FIN = 0x01,
	FLAG_SYN = 0x02,
	FLAG_RST = 0x04,
	FLAG_PSH = 0x08,
	FLAG_ACK = 0x10,
};

struct test_frame {
	uint8_t bytes[FRAME_SIZE_MAX];
	size_t size;
	size_t ip;   /* offset of the IP header, 0 before there is one (IP-only frames: see ipv4) */
	size_t next; /* offset of the field that names what comes next */
	size_t next_size; /* 2 behind Ethernet and tags, 1 behind IP headers */
	bool ipv4, ipv6;
};

/* Each appends one header and returns the frame, so that calls can be chained. */
struct test_frame *frame_begin(struct test_frame *frame);    /* empty, as on an IP interface */
struct test_frame *frame_ethernet(struct test_frame *frame); /* begins, and appends Ethernet */
struct test_frame *frame_tag(struct test_frame *frame, uint16_t protocol, uint16_t vlan);
struct test_frame *frame_ipv4(struct test_frame *frame, const char *source,
			      const char *destination);
struct test_frame *frame_ipv4_options(struct test_frame *frame, size_t bytes);
struct test_frame *frame_ipv4_fragment(struct test_frame *frame, unsigned int offset, bool more);
struct test_frame *frame_ipv6(struct test_frame *frame, const char *source,
			      const char *destination);
/* An extension header of @units eight-byte units (at least 1); AH counts four-byte units less 2. */
struct test_frame *frame_extension(struct test_frame *frame, uint8_t kind, unsigned int units);
struct test_frame *frame_ah(struct test_frame *frame, unsigned int words);
struct test_frame *frame_ipv6_fragment(struct test_frame *frame, unsigned int offset, bool more);
struct test_frame *frame_tcp(struct test_frame *frame, uint16_t source, uint16_t destination,
			     uint8_t flags);
struct test_frame *frame_udp(struct test_frame *frame, uint16_t source, uint16_t destination);
struct test_frame *frame_arp(struct test_frame *frame);
struct test_frame *frame_other(struct test_frame *frame, uint16_t ethertype, size_t bytes);
struct test_frame *frame_payload(struct test_frame *frame, size_t bytes);

/* Writes the lengths. Padding appended after this is not part of the IP packet. */
struct test_frame *frame_end(struct test_frame *frame);

/* Whole frames in one call. */
struct test_frame *frame_syn(struct test_frame *frame, const char *source, uint16_t port);
struct test_frame *frame_segment(struct test_frame *frame, const char *source, uint16_t port,
				 uint8_t flags);

#endif
