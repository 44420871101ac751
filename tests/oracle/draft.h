/* SPDX-License-Identifier: BSD-2-Clause */
/* A packet in its parts, as drawn from a seed, before it is cut into frames. */
#ifndef BEAMFENCE_ORACLE_DRAFT_H
#define BEAMFENCE_ORACLE_DRAFT_H

#include "tests/oracle/oracle.h"

#define DRAFT_HEADERS	20
#define DRAFT_TAGS	7
#define DRAFT_TRANSPORT 1300
#define DRAFT_POOL	1024
#define KIND_HOP	0
#define KIND_ROUTING	43
#define KIND_FRAGMENT	44
#define KIND_AH		51
#define KIND_OPTIONS	60

struct draft_header {
	uint8_t kind;
	uint16_t offset, size; /* in the pool */
};

struct draft {
	uint64_t seed, index, state;
	uint32_t features, identification;
	bool rerouted;	      /* its destination is not where it ends */
	bool ipv6, link_only; /* not IP at all: @transport follows @ethertype */
	uint16_t ethertype;
	uint8_t source[16], destination[16];
	uint8_t final[16]; /* where a source route or routing header ends */
	uint16_t tags[DRAFT_TAGS], tag_protocols[DRAFT_TAGS];
	uint32_t tag_count;
	uint8_t options[40];
	uint32_t options_size;
	struct draft_header headers[DRAFT_HEADERS];
	uint32_t header_count, unfragmentable;
	uint8_t pool[DRAFT_POOL];
	uint32_t pool_size;
	uint8_t protocol;
	uint8_t transport[DRAFT_TRANSPORT];
	uint32_t transport_size;
};

static inline bool draft_has(const struct draft *draft, enum feature feature)
{
	return draft->features >> feature & 1;
}

/* Begins the draws of one feature; they do not depend on any other. */
void draw_begin(struct draft *draft, uint32_t feature, uint32_t salt);
uint32_t draw(struct draft *draft, uint32_t below);
void draw_bytes(struct draft *draft, uint8_t *to, size_t size);

/* transport.c: what is behind the IP headers, or a frame that is not IP. */
void draft_transport(struct draft *draft);

/* headers.c: tags, options and extension headers. */
void draft_headers(struct draft *draft);

/* What goes into one frame: the whole body of a packet, or a fragment of it. */
struct piece {
	uint32_t offset, size;
	uint32_t extra; /* bytes more, that the stack cuts off */
	bool fragment, more, other_port;
};

/*
 * write.c. First the checksum; then the body, which is what is cut into fragments: in IPv6 without
 * the headers that go before the fragment header. @plain: without what takes a module to strip.
 */
void draft_checksum(struct draft *draft);
uint32_t draft_body(const struct draft *draft, bool plain, uint8_t *body, uint8_t *first);
void draft_frame(struct draft *draft, bool plain, const struct piece *piece, const uint8_t *body,
		 uint8_t body_kind, struct frame *frame, uint32_t number);

#endif
