/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel as oracle. Frames are generated from a seed and written to TAP devices in network
 * namespaces of their own ("worlds") that differ only in the filter: one without it, one with it in
 * native mode, one in generic mode. A write to a TAP device returns when the stack has dealt with
 * the frame, so what its probes tell is the truth about that frame and no other.
 */
#ifndef BEAMFENCE_ORACLE_H
#define BEAMFENCE_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/oracle/signals.h"

#define FRAME_BYTES	2048
#define GROUP_FRAMES	24

#define PORT_EPMD	4369 /* listened on at every address, like the next three */
#define PORT_NODE	9100
#define PORT_BYTES	4386 /* 0x1122: its bytes differ */
#define PORT_TOOL	25672
#define PORT_OUTBOUND	9101 /* the host's own connection to PORT_REMOTE, established */
#define PORT_CONNECTING 9102 /* the same, its SYN not answered yet */
#define PORT_FIRST	9103 /* listened on at the first address only */
#define PORT_SECOND	9104 /* and at the second only */
#define PORT_NOBODY	9105
#define PORT_REMOTE	7000
#define PORT_CHILD	5000 /* the client's end of a connection to PORT_NODE */

#define HOST4_FIRST	"10.88.0.1"
#define HOST4_SECOND	"10.88.0.2"
#define CLIENT4		"10.88.1.5"
#define HOST6_FIRST	"fd88::1"
#define HOST6_SECOND	"fd88::2"
#define CLIENT6		"fd88:1::5"
#define VRRP4		"224.0.0.18"
#define HOST_MAC	"\x02\x88\0\0\0\x01"
#define CLIENT_MAC	"\x02\x88\0\0\0\x02"

/* What may be odd about a group, each by its own draw of the seed, so that each can be left out. */
#define FEATURES(X)                                            \
	X(TAGS, "VLAN tags")                                   \
	X(OPTIONS, "IPv4 options")                             \
	X(HEADERS, "IPv6 extension headers")                   \
	X(MANY_HEADERS, "more than six extension headers")     \
	X(ATOMIC, "atomic fragment")                           \
	X(ROUTING, "routing header or source route")           \
	X(AH, "authentication header")                         \
	X(FRAGMENTS, "in fragments")                           \
	X(ORDER, "fragments out of order")                     \
	X(OVERLAP, "fragments that overlap, or twice")         \
	X(MISSING, "a fragment missing")                       \
	X(SHORT_FIRST, "first fragment of 8 or 16 bytes")      \
	X(UNEVEN, "fragments of no multiple of 8 bytes")       \
	X(PAYLOAD, "TCP data")                                 \
	X(TCP_OPTIONS, "TCP options")                          \
	X(FLAGS, "TCP flags other than SYN")                   \
	X(OFFSET, "TCP offset wrong")                          \
	X(CHECKSUM, "checksum wrong")                          \
	X(LENGTH, "IP length wrong")                           \
	X(VERSION, "IP version or header length wrong")        \
	X(PADDING, "padding behind the packet")                \
	X(TRUNCATE, "frame cut short")                         \
	X(MAC, "another destination MAC")                      \
	X(SOURCE, "odd source address")                        \
	X(TTL, "odd TTL, TOS, DF or flow label")               \
	X(NOISE, "random bytes flipped")                       \
	X(NOT_TCP, "UDP, ICMP, VRRP, IGMP, ARP, ND, LLDP ...") \
	X(OTHER_PORT, "a port that is not protected")          \
	X(SECOND_HOST, "the host's second address")            \
	X(CONNECTION, "addressed to a connection")             \
	X(IPV6, "IPv6")

enum feature {
#define FEATURE_ENUMERATOR(id, name) FEATURE_##id,
	FEATURES(FEATURE_ENUMERATOR)
#undef FEATURE_ENUMERATOR
		FEATURE_COUNT,
};

struct frame {
	uint16_t size;
	uint8_t bytes[FRAME_BYTES];
};

struct frames {
	uint32_t count;
	struct frame frames[GROUP_FRAMES];
};

/*
 * One packet: a frame, or its fragments. Where it has a header that takes a module to strip (a VLAN
 * device, the authentication header), @plain has the packet without it: what the stack goes on with
 * on a host that has the module. Else @plain is the same.
 */
struct group {
	uint32_t features;
	uint32_t headers, tags;
	uint16_t identification; /* of the datagram, in the low half for IPv6 */
	bool stand_in;		 /* @plain differs */
	bool mixed;		 /* two first fragments that name different ports */
	bool rerouted; /* by a source route or routing header, to another address of the host */
	bool harmless; /* well formed, and nothing to do with a protected port */
	struct frames full, plain;
};

/* Deterministic: seed and index say all but what is suppressed, and the identification. */
void generate(struct group *group, uint64_t seed, uint64_t index, uint32_t suppressed,
	      uint32_t identification);

const char *feature_name(enum feature feature);

bool port_is_protected(uint16_t port);

enum filter_mode { FILTER_NONE, FILTER_NATIVE, FILTER_GENERIC };

struct world {
	enum filter_mode mode;
	int namespace_fd;
	int tap_fd;
	uint32_t ifindex;
	volatile struct signals *signals;
	struct judge *judge; /* NULL without a filter */
};

/* Makes the namespace and all in it, and enters it; ends the program when it cannot. */
void world_make(struct world *world, enum filter_mode mode, const char *object);

/* Writes one frame. Returns whether it got past XDP. */
bool world_send(struct world *world, const struct frame *frame);

/* judge.c: the filter loaded from an object file, with a policy, for one world. */
struct judge *judge_load(const char *object, uint32_t ifindex);
int judge_program(const struct judge *judge);

/* The reason for a verdict, from the same code and tables; in the world's namespace. */
uint32_t judge_explain(const struct judge *judge, const struct frame *frame, bool *drop);

#endif
