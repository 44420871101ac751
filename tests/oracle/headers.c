// SPDX-License-Identifier: BSD-2-Clause
/* What stands before TCP: tags, IPv4 options, extension headers. */
#include <arpa/inet.h>
#include <string.h>

#include "tests/oracle/draft.h"
#include "tests/oracle/segment.h"

#define OPTION_UNKNOWN 0x1e /* a host skips it */

static void draw_tags(struct draft *draft)
{
	static const uint16_t protocols[] = {0x8100, 0x8100, 0x88a8};

	if (!draft_has(draft, FEATURE_TAGS))
		return;
	draw_begin(draft, FEATURE_TAGS, 0);
	draft->tag_count = draw(draft, 4) ? 1 + draw(draft, 2) : 1 + draw(draft, DRAFT_TAGS);
	for (uint32_t i = 0; i < draft->tag_count; i++) {
		draft->tag_protocols[i] = protocols[draw(draft, 3)];
		draft->tags[i] = (uint16_t)(draw(draft, 16) << 12);
		if (!draw(draft, 4))
			draft->tags[i] |= (uint16_t)draw(draft, 4096);
	}
}

/* A source route that goes on to another, or the same, address of this host. */
static uint32_t write_source_route(struct draft *draft, uint8_t *at)
{
	const uint32_t hops = 1 + draw(draft, 3);

	at[0] = draw(draft, 2) ? 0x83 : 0x89;
	at[1] = (uint8_t)(3 + 4 * hops);
	at[2] = 4;
	for (uint32_t i = 0; i < hops; i++)
		inet_pton(AF_INET, draw(draft, 2) ? HOST4_FIRST : HOST4_SECOND, at + 3 + 4 * i);
	if (draw(draft, 3))
		memcpy(draft->final, at + 3 + 4 * (hops - 1), 4);
	else
		at[2] = (uint8_t)(at[1] + 1); /* at its end */
	draft->rerouted = at[2] == 4;
	return 3 + 4 * hops;
}

static uint32_t write_option(struct draft *draft, uint8_t *at)
{
	static const struct {
		uint8_t kind, size, third, fourth;
	} known[] = {{7, 7, 4, 0},   {7, 11, 8, 0},   {68, 8, 5, 0}, {68, 12, 5, 1},
		     {148, 4, 0, 0}, {130, 11, 0, 0}, {30, 4, 0, 0}};
	const uint32_t kind = draw(draft, 10);

	memset(at, 0, 12);
	at[0] = 1;
	if (kind >= 7)
		return 1;
	at[0] = known[kind].kind;
	at[1] = known[kind].size;
	at[2] = known[kind].third;
	at[3] = known[kind].fourth;
	return known[kind].size;
}

static void draw_options(struct draft *draft)
{
	const bool routed = draft_has(draft, FEATURE_ROUTING);
	uint8_t options[64] = {};
	uint32_t size = 0, wanted = 0;

	if (draft->ipv6 || (!routed && !draft_has(draft, FEATURE_OPTIONS)))
		return;
	if (routed) {
		draw_begin(draft, FEATURE_ROUTING, 0);
		size = write_source_route(draft, options);
	}
	if (draft_has(draft, FEATURE_OPTIONS)) {
		draw_begin(draft, FEATURE_OPTIONS, 0);
		wanted = 4 * (1 + draw(draft, 10));
		if (!draw(draft, 20))
			draw_bytes(draft, options + size, sizeof(options) - size);
		while (size < wanted && size + 12 <= sizeof(options))
			size += write_option(draft, options + size);
	}
	if (size > 40) {
		memset(options + 28, 1, 12);
		size = 40;
	}
	memcpy(draft->options, options, 40);
	draft->options_size = (size + 3) / 4 * 4;
}

static uint8_t *add_header(struct draft *draft, uint32_t kind, uint32_t size)
{
	struct draft_header *header = &draft->headers[draft->header_count];
	uint8_t *at = draft->pool + draft->pool_size;

	if (draft->header_count == DRAFT_HEADERS || draft->pool_size + size > DRAFT_POOL)
		return NULL;
	*header = (struct draft_header){(uint8_t)kind, (uint16_t)draft->pool_size, (uint16_t)size};
	draft->header_count++;
	draft->pool_size += size;
	memset(at, 0, size);
	at[1] = (uint8_t)(size / 8 - 1);
	return at;
}

/* Options that Linux takes: no padding of more than seven bytes, no kind that it must refuse. */
static void fill_options(struct draft *draft, uint8_t *at, uint32_t size)
{
	while (size) {
		uint32_t part = size > 2 ? 2 + draw(draft, size - 1) : size;

		part = part > 257 ? 257 : part;
		if (part == 1) {
			at[0] = 0;
		} else {
			at[0] = part <= 7 && draw(draft, 2) ? 1 : OPTION_UNKNOWN;
			at[1] = (uint8_t)(part - 2);
		}
		at += part;
		size -= part;
	}
}

static void add_options(struct draft *draft, uint32_t kind)
{
	const uint32_t size = 8 * (draw(draft, 8) ? 1 + draw(draft, 3) : 1 + draw(draft, 34));
	uint8_t *at = add_header(draft, kind, size);

	if (!at)
		return;
	if (!draw(draft, 25))
		draw_bytes(draft, at + 2, size - 2);
	else
		fill_options(draft, at + 2, size - 2);
}

/* Types 0, 2, 3 (RPL) and 4 (segment routing), at their end or with segments left. */
static void add_routing(struct draft *draft)
{
	static const uint8_t types[] = {0, 2, 3, 4, 4, 4, 253};
	const uint32_t segments = 1 + draw(draft, 2);
	uint8_t *at = add_header(draft, KIND_ROUTING, 8 + 16 * segments);

	if (!at)
		return;
	at[2] = types[draw(draft, sizeof(types))];
	at[3] = draw(draft, 2) ? 0 : (uint8_t)draw(draft, segments + 1);
	if (at[2] == 4)
		at[4] = (uint8_t)(segments - 1);
	for (uint32_t i = 0; i < segments; i++)
		inet_pton(AF_INET6, draw(draft, 2) ? HOST6_FIRST : HOST6_SECOND, at + 8 + 16 * i);
	if (at[2] == 4 && at[3])
		memcpy(draft->final, at + 8, 16);
	draft->rerouted = at[3] != 0;
	if (draw(draft, 4))
		return;
	draft->rerouted = false;
	draft->pool_size -= 16 * segments; /* without its addresses */
	draft->headers[draft->header_count - 1].size = 8;
	at[1] = at[3] = at[4] = 0;
	memcpy(draft->final, draft->destination, 16);
}

static void add_ah(struct draft *draft)
{
	uint32_t size;
	uint8_t *at;

	draw_begin(draft, FEATURE_AH, 0);
	size = draft->ipv6 ? 16 + 8 * draw(draft, 4) : 12 + 4 * draw(draft, 6);
	at = add_header(draft, KIND_AH, size);
	if (!at)
		return;
	draw_bytes(draft, at + 4, size - 4);
	at[1] = (uint8_t)(size / 4 - 2);
}

static void add_atomic(struct draft *draft)
{
	uint8_t *at = add_header(draft, KIND_FRAGMENT, 8);

	if (!at)
		return;
	at[1] = 0;
	put32(at + 4, draft->identification);
}

static void draw_headers(struct draft *draft)
{
	static const uint8_t kinds[] = {KIND_HOP,     KIND_OPTIONS, KIND_OPTIONS, KIND_OPTIONS,
					KIND_OPTIONS, KIND_OPTIONS, KIND_OPTIONS, KIND_OPTIONS,
					KIND_OPTIONS, KIND_OPTIONS, 135,	  139,
					140};
	uint32_t count;

	draw_begin(draft, FEATURE_HEADERS, 0);
	count = 1 + draw(draft, 4);
	if (draw(draft, 2))
		add_options(draft, KIND_HOP);
	if (draft_has(draft, FEATURE_MANY_HEADERS)) {
		draw_begin(draft, FEATURE_MANY_HEADERS, 0);
		count = 6 + draw(draft, 13);
		while (draft->header_count < count && add_header(draft, KIND_OPTIONS, 8))
			fill_options(draft, draft->pool + draft->pool_size - 6, 6);
		return;
	}
	while (draft->header_count < count) {
		const uint32_t kind = kinds[draw(draft, draw(draft, 3) ? 10 : sizeof(kinds))];

		if (kind != KIND_HOP || !draft->header_count)
			add_options(draft,
				    kind == KIND_HOP && draw(draft, 5) ? KIND_OPTIONS : kind);
		else
			count--;
	}
}

/* Puts the last header to a place of its own choosing, but not before a hop-by-hop header. */
static void shuffle_last(struct draft *draft)
{
	const uint32_t last = draft->header_count - 1;
	const uint32_t first = draft->headers[0].kind == KIND_HOP ? 1 : 0;
	const uint32_t place = last > first ? first + draw(draft, last - first + 1) : last;
	const struct draft_header moved = draft->headers[last];

	memmove(&draft->headers[place + 1], &draft->headers[place], (last - place) * sizeof(moved));
	draft->headers[place] = moved;
}

void draft_headers(struct draft *draft)
{
	draw_tags(draft);
	memcpy(draft->final, draft->destination, 16);
	draw_options(draft);
	if (draft->ipv6 && draft_has(draft, FEATURE_HEADERS))
		draw_headers(draft);
	if (draft->ipv6 && draft_has(draft, FEATURE_ROUTING)) {
		draw_begin(draft, FEATURE_ROUTING, 0);
		add_routing(draft);
		shuffle_last(draft);
	}
	if (draft->ipv6 && draft_has(draft, FEATURE_ATOMIC)) {
		draw_begin(draft, FEATURE_ATOMIC, 0);
		add_atomic(draft);
		shuffle_last(draft);
	}
	if (draft_has(draft, FEATURE_AH)) {
		add_ah(draft);
		shuffle_last(draft);
	}
	draw_begin(draft, FEATURE_FRAGMENTS, 1);
	draft->unfragmentable = draft->ipv6 ? draw(draft, draft->header_count + 1) : 0;
	if (draft->header_count && draft->headers[0].kind == KIND_HOP && !draft->unfragmentable)
		draft->unfragmentable = 1;
}
