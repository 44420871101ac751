// SPDX-License-Identifier: BSD-2-Clause
/* From a seed to a group of frames. */
#include <arpa/inet.h>
#include <string.h>

#include "tests/oracle/draft.h"
#include "tests/oracle/segment.h"

/* How many in a hundred groups have a feature (where others allow it). */
static const uint8_t percent[FEATURE_COUNT] = {
	[FEATURE_TAGS] = 20,	    [FEATURE_OPTIONS] = 20,	[FEATURE_HEADERS] = 45,
	[FEATURE_MANY_HEADERS] = 8, [FEATURE_ATOMIC] = 12,	[FEATURE_ROUTING] = 8,
	[FEATURE_AH] = 8,	    [FEATURE_FRAGMENTS] = 20,	[FEATURE_ORDER] = 40,
	[FEATURE_OVERLAP] = 15,	    [FEATURE_MISSING] = 8,	[FEATURE_SHORT_FIRST] = 25,
	[FEATURE_UNEVEN] = 20,	    [FEATURE_PAYLOAD] = 30,	[FEATURE_TCP_OPTIONS] = 25,
	[FEATURE_FLAGS] = 45,	    [FEATURE_OFFSET] = 4,	[FEATURE_CHECKSUM] = 5,
	[FEATURE_LENGTH] = 4,	    [FEATURE_VERSION] = 2,	[FEATURE_PADDING] = 25,
	[FEATURE_TRUNCATE] = 4,	    [FEATURE_MAC] = 5,		[FEATURE_SOURCE] = 6,
	[FEATURE_TTL] = 15,	    [FEATURE_NOISE] = 5,	[FEATURE_NOT_TCP] = 15,
	[FEATURE_OTHER_PORT] = 35,  [FEATURE_SECOND_HOST] = 15, [FEATURE_CONNECTION] = 12,
	[FEATURE_IPV6] = 50,
};

static uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15ull;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9ull;
	value = (value ^ value >> 27) * 0x94d049bb133111ebull;
	return value ^ value >> 31;
}

void draw_begin(struct draft *draft, uint32_t feature, uint32_t salt)
{
	draft->state = mix(mix(draft->seed ^ mix(draft->index)) ^ (feature | (uint64_t)salt << 32));
}

uint32_t draw(struct draft *draft, uint32_t below)
{
	draft->state = mix(draft->state);
	return (uint32_t)((draft->state >> 32) * below >> 32);
}

void draw_bytes(struct draft *draft, uint8_t *to, size_t size)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)draw(draft, 256);
}

static void leave_out(struct draft *draft, enum feature feature)
{
	draft->features &= ~(1u << feature);
}

static void draw_features(struct draft *draft, uint32_t suppressed)
{
	static const enum feature of_fragments[] = {FEATURE_ORDER, FEATURE_OVERLAP, FEATURE_MISSING,
						    FEATURE_SHORT_FIRST, FEATURE_UNEVEN};

	for (uint32_t i = 0; i < FEATURE_COUNT; i++) {
		draw_begin(draft, i, 7);
		if (draw(draft, 100) < percent[i])
			draft->features |= 1u << i;
	}
	draft->features &= ~suppressed;
	draft->ipv6 = draft_has(draft, FEATURE_IPV6);
	for (size_t i = 0; i < sizeof(of_fragments) / sizeof(of_fragments[0]); i++)
		if (!draft_has(draft, FEATURE_FRAGMENTS))
			leave_out(draft, of_fragments[i]);
	if (draft->ipv6) {
		leave_out(draft, FEATURE_OPTIONS);
	} else {
		leave_out(draft, FEATURE_HEADERS);
		leave_out(draft, FEATURE_ATOMIC);
	}
	if (!draft_has(draft, FEATURE_HEADERS))
		leave_out(draft, FEATURE_MANY_HEADERS);
	if (draft_has(draft, FEATURE_NOT_TCP)) {
		for (uint32_t i = FEATURE_PAYLOAD; i <= FEATURE_OFFSET; i++)
			leave_out(draft, (enum feature)i);
		leave_out(draft, FEATURE_OTHER_PORT);
		leave_out(draft, FEATURE_CONNECTION);
	}
	if (draft_has(draft, FEATURE_OTHER_PORT))
		leave_out(draft, FEATURE_CONNECTION);
	if (draft_has(draft, FEATURE_CONNECTION)) {
		leave_out(draft, FEATURE_SECOND_HOST);
		leave_out(draft, FEATURE_SOURCE);
	}
}

static void draw_addresses(struct draft *draft)
{
	static const char *const odd[2][6] = {
		{HOST4_FIRST, "127.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "10.88.0.7"},
		{HOST6_FIRST, "::1", "::", "::ffff:10.88.1.5", "ff02::1", "fe80::7"}};
	const int family = draft->ipv6 ? AF_INET6 : AF_INET;
	const bool second = draft_has(draft, FEATURE_SECOND_HOST);

	inet_pton(family, draft->ipv6 ? CLIENT6 : CLIENT4, draft->source);
	draw_begin(draft, FEATURE_COUNT, 0);
	if (!draft_has(draft, FEATURE_CONNECTION) && draw(draft, 2))
		draft->source[draft->ipv6 ? 15 : 3] = (uint8_t)(1 + draw(draft, 250));
	if (draft_has(draft, FEATURE_SOURCE)) {
		draw_begin(draft, FEATURE_SOURCE, 0);
		inet_pton(family, odd[draft->ipv6][draw(draft, 6)], draft->source);
	}
	if (!draft->ipv6 && draft_has(draft, FEATURE_FRAGMENTS) &&
	    !draft_has(draft, FEATURE_CONNECTION) && !draft_has(draft, FEATURE_SOURCE)) {
		/* The identification has 16 bits; what waits for its first fragment must not meet.
		 */
		draft->source[1] = 89;
		draft->source[2] = (uint8_t)(draft->identification >> 16);
	}
	if (draft->ipv6)
		inet_pton(family, second ? HOST6_SECOND : HOST6_FIRST, draft->destination);
	else
		inet_pton(family, second ? HOST4_SECOND : HOST4_FIRST, draft->destination);
}

/* Cuts a body of @size bytes; returns the number of pieces. */
static uint32_t cut(struct draft *draft, uint32_t size, struct piece *pieces)
{
	uint32_t unit, count = 0, offset = 0, part;

	draw_begin(draft, FEATURE_FRAGMENTS, 0);
	unit = 8 * (1 + draw(draft, (size + 7) / 8));
	if (unit * 10 < size)
		unit = (size / 10 + 8) / 8 * 8;
	while (offset < size) {
		part = unit;
		if (!offset && draft_has(draft, FEATURE_SHORT_FIRST)) {
			draw_begin(draft, FEATURE_SHORT_FIRST, 0);
			part = 8 + 8 * draw(draft, 2);
		}
		if (part > size - offset)
			part = size - offset;
		pieces[count++] = (struct piece){
			.offset = offset,
			.size = part,
			.fragment = true,
			.more = offset + part < size,
		};
		offset += part;
	}
	return count;
}

/* Twice, another first one, or a piece that reaches into its neighbours. */
static uint32_t add_overlap(struct draft *draft, struct piece *pieces, uint32_t count,
			    uint32_t size, bool *mixed)
{
	struct piece extra;

	draw_begin(draft, FEATURE_OVERLAP, 0);
	extra = pieces[draw(draft, count)];
	switch (draw(draft, 3)) {
	case 0:
		break;
	case 1:
		extra = pieces[0];
		extra.other_port = *mixed = true;
		break;
	default:
		if (extra.offset >= 8 && draw(draft, 2)) {
			extra.offset -= 8;
			extra.size += 8;
		} else if (extra.offset + extra.size + 8 <= size) {
			extra.size += 8;
			extra.more = extra.offset + extra.size < size;
		}
	}
	pieces[count] = extra;
	if (draw(draft, 2)) { /* before the one that it repeats */
		pieces[count] = pieces[0];
		pieces[0] = extra;
	}
	return count + 1;
}

static uint32_t plan_pieces(struct draft *draft, uint32_t size, struct piece *pieces, bool *mixed)
{
	uint32_t count;

	if (!draft_has(draft, FEATURE_FRAGMENTS) || draft->link_only || !size) {
		pieces[0] = (struct piece){.size = size};
		return 1;
	}
	count = cut(draft, size, pieces);
	if (draft_has(draft, FEATURE_OVERLAP))
		count = add_overlap(draft, pieces, count, size, mixed);
	if (draft_has(draft, FEATURE_MISSING) && count > 1) {
		draw_begin(draft, FEATURE_MISSING, 0);
		pieces[draw(draft, count)] = pieces[count - 1];
		count--;
	}
	for (uint32_t i = 0; i < count && draft_has(draft, FEATURE_UNEVEN); i++) {
		draw_begin(draft, FEATURE_UNEVEN, i);
		if (pieces[i].more)
			pieces[i].extra = draw(draft, 8);
	}
	if (draft_has(draft, FEATURE_ORDER)) {
		draw_begin(draft, FEATURE_ORDER, 0);
		for (uint32_t i = count; i > 1; i--) {
			const uint32_t other = draw(draft, i);
			const struct piece piece = pieces[i - 1];

			pieces[i - 1] = pieces[other];
			pieces[other] = piece;
		}
	}
	return count;
}

static void write_group(struct draft *draft, bool plain, struct frames *frames, bool *mixed)
{
	uint8_t body[DRAFT_POOL + DRAFT_TRANSPORT], body_kind = draft->protocol;
	struct piece pieces[GROUP_FRAMES];
	uint32_t size = draft_body(draft, plain, body, &body_kind);

	frames->count = plan_pieces(draft, size, pieces, mixed);
	for (uint32_t i = 0; i < frames->count; i++)
		draft_frame(draft, plain, &pieces[i], body, body_kind, &frames->frames[i], i);
}

static bool is_harmless(const struct draft *draft, const struct group *group)
{
	const uint32_t unclear = 1u << FEATURE_NOISE | 1u << FEATURE_TRUNCATE |
				 1u << FEATURE_LENGTH | 1u << FEATURE_VERSION;
	const uint32_t elsewhere = 1u << FEATURE_NOT_TCP | 1u << FEATURE_OTHER_PORT;

	if (!(draft->features & elsewhere) || draft->features & unclear || group->mixed)
		return false;
	if (draft_has(draft, FEATURE_FRAGMENTS) && draft->header_count > draft->unfragmentable)
		return false; /* the first one may end within them */
	return draft->tag_count <= 4 && draft->header_count < 16;
}

void generate(struct group *group, uint64_t seed, uint64_t index, uint32_t suppressed,
	      uint32_t identification)
{
	struct draft draft = {.seed = seed, .index = index, .identification = identification};

	draw_features(&draft, suppressed);
	draw_addresses(&draft);
	draft_transport(&draft);
	if (draft.protocol == 112 && !draft.link_only) {
		inet_pton(draft.ipv6 ? AF_INET6 : AF_INET, draft.ipv6 ? "ff02::12" : VRRP4,
			  draft.destination);
		leave_out(&draft, FEATURE_ROUTING);
	}
	draft_headers(&draft);
	if (!draft.link_only)
		draft_checksum(&draft);
	group->stand_in = draft_has(&draft, FEATURE_AH) && !draft.link_only;
	for (uint32_t i = 0; i < draft.tag_count; i++)
		group->stand_in |= (draft.tags[i] & 0xfff) != 0;
	if (group->stand_in) { /* both must be cut into what means the same */
		leave_out(&draft, FEATURE_MISSING);
		leave_out(&draft, FEATURE_OVERLAP);
		leave_out(&draft, FEATURE_NOISE);
		leave_out(&draft, FEATURE_TRUNCATE);
	}
	group->headers = draft.header_count;
	group->tags = draft.tag_count;
	group->mixed = false;
	group->rerouted = draft.rerouted;
	write_group(&draft, false, &group->full, &group->mixed);
	if (group->stand_in)
		write_group(&draft, true, &group->plain, &group->mixed);
	group->identification = (uint16_t)identification;
	group->features = draft.features;
	group->harmless = is_harmless(&draft, group);
}

const char *feature_name(enum feature feature)
{
	static const char *const names[] = {
#define FEATURE_NAME(id, name) name,
		FEATURES(FEATURE_NAME)
#undef FEATURE_NAME
	};

	return names[feature];
}
