// SPDX-License-Identifier: BSD-2-Clause
#include "tests/fuzz/reference.h"

#include <string.h>

#define TAGS_READ    4
#define HEADERS_READ 16

/* A frame, and how far into it a header may reach. */
struct bytes {
	const uint8_t *at;
	size_t size;  /* what was received */
	size_t limit; /* what is looked at */
};

static bool there(const struct bytes *bytes, size_t from, size_t count)
{
	const size_t end = bytes->size < bytes->limit ? bytes->size : bytes->limit;

	return from <= end && count <= end - from;
}

static unsigned two(const struct bytes *bytes, size_t from)
{
	return (unsigned)bytes->at[from] << 8 | bytes->at[from + 1];
}

/*
 * RFC 9293, 3.1. Flags are the fourteenth byte, but a fragment that others follow ends on a
 * multiple of eight (Linux cuts it to that, or discards it): what brings the flags brings sixteen
 * bytes.
 */
static enum shape tcp(const struct bytes *bytes, size_t from, size_t packet_end,
		      struct reference *reference)
{
	if (!there(bytes, from, 4))
		return SHAPE_PORTS_TRUNCATED;
	reference->source_port = two(bytes, from);
	reference->destination_port = two(bytes, from + 2);
	if (!there(bytes, from, 14) || from + 16 > bytes->limit)
		return SHAPE_FLAGS_TRUNCATED;
	reference->flags = bytes->at[from + 13];
	reference->payload = from + (size_t)(bytes->at[from + 12] >> 4) * 4 < packet_end;
	return SHAPE_TCP;
}

/*
 * The chain behind an IP header. RFC 8200, 4.1 to 4.6; RFC 4302, 2.2: the one whose length counts
 * four bytes each; RFC 6275, 7401, 5533 have the usual form.
 */
static enum shape chain(struct bytes *bytes, size_t from, unsigned kind, size_t packet_end,
			struct reference *reference)
{
	static const unsigned extensions[] = {0, 43, 44, 51, 60, 135, 139, 140};

	for (int headers = 0;; headers++) {
		bool extension = false;

		for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++)
			extension |= kind == extensions[i] &&
				     (reference->version == 6 || kind == 51);
		if (kind == 6 && headers <= HEADERS_READ)
			return tcp(bytes, from, packet_end, reference);
		if (headers > HEADERS_READ)
			return SHAPE_HEADERS_TOO_MANY;
		if (!extension)
			return SHAPE_NOT_TCP;
		if (kind == 44)
			bytes->limit = packet_end;
		if (!there(bytes, from, 8))
			return SHAPE_HEADERS_TRUNCATED;
		if (kind == 44 && two(bytes, from + 2) >> 3)
			return SHAPE_LATER_FRAGMENT;
		const unsigned next = bytes->at[from], length = bytes->at[from + 1];

		from += kind == 44 ? 8 : kind == 51 ? (length + 2) * 4 : (length + 1) * 8;
		kind = next;
	}
}

/* RFC 791, 3.1. */
static enum shape ipv4(struct bytes *bytes, size_t from, struct reference *reference)
{
	const uint8_t *header = bytes->at + from;
	size_t end, payload;

	if (!there(bytes, from, 20))
		return SHAPE_HEADERS_TRUNCATED;
	if (header[0] >> 4 != 4 || (header[0] & 15) < 5)
		return SHAPE_NOT_TCP;
	reference->version = 4;
	reference->source[10] = reference->source[11] = 0xff;
	reference->destination[10] = reference->destination[11] = 0xff;
	memcpy(reference->source + 12, header + 12, 4);
	memcpy(reference->destination + 12, header + 16, 4);
	if (header[9] != 6 && header[9] != 51)
		return SHAPE_NOT_TCP;
	if (two(bytes, from + 6) & 0x1fff)
		return SHAPE_LATER_FRAGMENT;
	end = from + two(bytes, from + 2);
	payload = from + (size_t)(header[0] & 15) * 4;
	if (header[6] & 0x20) /* RFC 791: fragments are of eight bytes, but the last */
		bytes->limit = payload + ((end - payload) & ~(size_t)7);
	return chain(bytes, from + (size_t)(header[0] & 15) * 4, header[9], end, reference);
}

/* RFC 8200, 3. */
static enum shape ipv6(struct bytes *bytes, size_t from, struct reference *reference)
{
	const uint8_t *header = bytes->at + from;

	if (!there(bytes, from, 40))
		return SHAPE_HEADERS_TRUNCATED;
	reference->version = 6;
	memcpy(reference->source, header + 8, 16);
	memcpy(reference->destination, header + 24, 16);
	return chain(bytes, from + 40, header[6], from + 40 + two(bytes, from + 4), reference);
}

/* IEEE 802.3 and 802.1Q, 9.3: tags until there is something else. */
static enum shape ethernet_frame(struct bytes *bytes, struct reference *reference)
{
	size_t from = 12;

	for (int tags = 0;; tags++, from += 4) {
		unsigned type;

		if (!there(bytes, from, 2))
			return SHAPE_NOT_TCP;
		type = two(bytes, from);
		if (type == 0x0800)
			return ipv4(bytes, from + 2, reference);
		if (type == 0x86dd)
			return ipv6(bytes, from + 2, reference);
		if (type != 0x8100 && type != 0x88a8)
			return SHAPE_NOT_TCP;
		if (tags == TAGS_READ)
			return SHAPE_VLAN_TOO_DEEP;
		if (!there(bytes, from, 6))
			return SHAPE_NOT_TCP;
		if (!reference->vlan)
			reference->vlan = two(bytes, from + 2) & 0xfff;
	}
}

struct reference reference_read(const uint8_t *frame, size_t size, bool ethernet)
{
	struct bytes bytes = {.at = frame, .size = size, .limit = SIZE_MAX};
	struct reference reference = {};

	if (ethernet)
		reference.shape = ethernet_frame(&bytes, &reference);
	else if (!size)
		reference.shape = SHAPE_NOT_TCP;
	else if (frame[0] >> 4 == 6)
		reference.shape = ipv6(&bytes, 0, &reference);
	else if (frame[0] >> 4 == 4)
		reference.shape = ipv4(&bytes, 0, &reference);
	else
		reference.shape = SHAPE_HEADERS_TRUNCATED;
	return reference;
}
