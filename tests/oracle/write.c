// SPDX-License-Identifier: BSD-2-Clause
/* The bytes of a draft, piece by piece, and what is wrong with them on purpose. */
#include <string.h>

#include "tests/oracle/draft.h"
#include "tests/oracle/segment.h"

/* The checksum of what it carries; VRRP's has no pseudo-header in IPv4, like ICMP's and IGMP's. */
void draft_checksum(struct draft *draft)
{
	uint8_t *at = draft->transport;
	uint32_t offset, pseudo = draft->ipv6;
	uint16_t sum;

	switch (draft->protocol) {
	case 6:
		offset = 16;
		pseudo = 1;
		break;
	case 17:
		offset = 6;
		pseudo = 1;
		break;
	case 112:
		offset = 6;
		break;
	default:
		offset = 2;
	}
	put16(at + offset, 0);
	sum = pseudo ? checksum_transport(draft->source, draft->final, draft->ipv6, draft->protocol,
					  at, draft->transport_size)
		     : checksum_fold(checksum_add(0, at, draft->transport_size));
	if (draft_has(draft, FEATURE_CHECKSUM)) {
		draw_begin(draft, FEATURE_CHECKSUM, 0);
		sum = draw(draft, 3) ? (uint16_t)draw(draft, 65536) : 0;
	}
	put16(at + offset, sum);
}

/* Headers [from, to) in a row; the last is followed by @next. Returns the size. */
static uint32_t write_headers(const struct draft *draft, bool plain, uint32_t from, uint32_t to,
			      uint8_t next, uint8_t *at, uint8_t *first)
{
	uint8_t *name = first;
	uint32_t size = 0;

	for (uint32_t i = from; i < to; i++) {
		const struct draft_header *header = &draft->headers[i];

		if (plain && header->kind == KIND_AH)
			continue;
		*name = header->kind;
		memcpy(at + size, draft->pool + header->offset, header->size);
		name = at + size;
		size += header->size;
	}
	*name = next;
	return size;
}

static void lie_about_length(struct draft *draft, uint8_t *at)
{
	if (!draft_has(draft, FEATURE_LENGTH))
		return;
	draw_begin(draft, FEATURE_LENGTH, 0);
	if (draw(draft, 3))
		put16(at, get16(at) + draw(draft, 48) - 24);
	else
		put16(at, draw(draft, 4) ? 0 : draw(draft, 65536));
}

static void lie_about_version(struct draft *draft, uint8_t *at)
{
	if (!draft_has(draft, FEATURE_VERSION))
		return;
	draw_begin(draft, FEATURE_VERSION, 0);
	at[0] ^= (uint8_t)(1u << draw(draft, 8));
}

/* Appends an IPv4 header. Returns where the payload goes. */
static uint8_t *write_ipv4(struct draft *draft, uint8_t *ip, const struct piece *piece)
{
	const uint32_t header = 20 + draft->options_size;

	memset(ip, 0, 20);
	ip[0] = (uint8_t)(0x40 | header / 4);
	put16(ip + 2, header + piece->size + piece->extra);
	put16(ip + 4, draft->identification);
	put16(ip + 6, piece->offset / 8 | (piece->more ? 0x2000u : 0));
	ip[8] = 64;
	if (draft_has(draft, FEATURE_TTL)) {
		draw_begin(draft, FEATURE_TTL, 0);
		ip[1] = (uint8_t)draw(draft, 256);
		ip[8] = (uint8_t)draw(draft, 256);
		ip[6] |= (uint8_t)(draw(draft, 2) && !piece->fragment ? 0x40 : 0);
	}
	memcpy(ip + 12, draft->source, 4);
	memcpy(ip + 16, draft->destination, 4);
	memcpy(ip + 20, draft->options, draft->options_size);
	lie_about_length(draft, ip + 2);
	lie_about_version(draft, ip);
	return ip + header;
}

static void write_ipv6(struct draft *draft, uint8_t *ip)
{
	memset(ip, 0, 40);
	ip[0] = 0x60;
	ip[7] = draft->protocol == 58 ? 255 : 64;
	if (draft_has(draft, FEATURE_TTL)) {
		draw_begin(draft, FEATURE_TTL, 0);
		ip[0] |= (uint8_t)draw(draft, 16);
		draw_bytes(draft, ip + 1, 3);
		ip[7] = (uint8_t)draw(draft, 256);
	}
	memcpy(ip + 8, draft->source, 16);
	memcpy(ip + 24, draft->destination, 16);
}

static uint8_t *write_link_layer(struct draft *draft, bool plain, uint8_t *at)
{
	uint8_t *type = at + 12;

	memcpy(at, HOST_MAC CLIENT_MAC, 12);
	if (draft->protocol == 112 && !draft->link_only)
		memcpy(at, draft->ipv6 ? "\x33\x33\0\0\0\x12" : "\x01\0\x5e\0\0\x12", 6);
	if (draft_has(draft, FEATURE_MAC)) {
		draw_begin(draft, FEATURE_MAC, 0);
		at[0] = (uint8_t[]){0xff, 0x01, 0x02, 0x33}[draw(draft, 4)];
		memset(at + 1, at[0], 5);
	}
	for (uint32_t i = 0; i < draft->tag_count; i++) {
		if (plain && draft->tags[i] & 0xfff)
			continue;
		put16(type, draft->tag_protocols[i]);
		put16(type + 2, draft->tags[i]);
		type += 4;
	}
	put16(type, draft->link_only ? draft->ethertype : draft->ipv6 ? 0x86dd : 0x0800);
	return type + 2;
}

/* What no structure knows of: padding, an end too early, flipped bytes. */
static void damage(struct draft *draft, struct frame *frame, uint32_t number)
{
	if (draft_has(draft, FEATURE_PADDING)) {
		uint32_t size;

		draw_begin(draft, FEATURE_PADDING, number);
		size = frame->size < 60 ? 60u - frame->size : 1 + draw(draft, 64);
		if (frame->size + size > FRAME_BYTES)
			return;
		draw_bytes(draft, frame->bytes + frame->size, size);
		frame->size = (uint16_t)(frame->size + size);
	}
	if (draft_has(draft, FEATURE_TRUNCATE)) {
		draw_begin(draft, FEATURE_TRUNCATE, number);
		frame->size = (uint16_t)(14 + draw(draft, frame->size - 13u));
	}
	if (draft_has(draft, FEATURE_NOISE)) {
		draw_begin(draft, FEATURE_NOISE, number);
		for (uint32_t i = 1 + draw(draft, 3); i; i--)
			frame->bytes[draw(draft, frame->size < 80 ? frame->size : 80u)] =
				(uint8_t)draw(draft, 256);
	}
}

/* What is cut into fragments: in IPv6 without the headers that go before the fragment header. */
uint32_t draft_body(const struct draft *draft, bool plain, uint8_t *body, uint8_t *first)
{
	uint32_t size = write_headers(draft, plain, draft->unfragmentable, draft->header_count,
				      draft->protocol, body, first);

	memcpy(body + size, draft->transport, draft->transport_size);
	return size + draft->transport_size;
}

void draft_frame(struct draft *draft, bool plain, const struct piece *piece, const uint8_t *body,
		 uint8_t body_kind, struct frame *frame, uint32_t number)
{
	uint8_t *ip = write_link_layer(draft, plain, frame->bytes), *at = ip;

	if (!draft->link_only && draft->ipv6) {
		uint8_t *fragment;

		write_ipv6(draft, ip);
		at = ip + 40;
		at += write_headers(draft, plain, 0, draft->unfragmentable,
				    piece->fragment ? KIND_FRAGMENT : body_kind, at, ip + 6);
		fragment = at;
		if (piece->fragment) {
			memset(fragment, 0, 8);
			fragment[0] = body_kind;
			put16(fragment + 2, piece->offset | piece->more);
			put32(fragment + 4, draft->identification);
			at += 8;
		}
		put16(ip + 4, (uint32_t)(at - ip) - 40 + piece->size + piece->extra);
		lie_about_length(draft, ip + 4);
		lie_about_version(draft, ip);
	} else if (!draft->link_only) {
		at = write_ipv4(draft, ip, piece);
		ip[9] = body_kind;
		put16(ip + 10, checksum_fold(checksum_add(0, ip, 20 + draft->options_size)));
	}
	memcpy(at, body + piece->offset, piece->size);
	if (piece->other_port && piece->size >= 4)
		at[3] ^= 0xff;
	at += piece->size;
	if (piece->extra) {
		draw_begin(draft, FEATURE_UNEVEN, number + GROUP_FRAMES);
		draw_bytes(draft, at, piece->extra);
		at += piece->extra;
	}
	frame->size = (uint16_t)(at - frame->bytes);
	damage(draft, frame, number);
}
