// SPDX-License-Identifier: BSD-2-Clause
#include "core/asked.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define ETHERNET_SIZE 14
#define TAG_SIZE      4
#define IPV4_SIZE     20
#define IPV6_SIZE     40
#define TCP_SIZE      20
#define TCP	      6

static unsigned int read16(const uint8_t *bytes)
{
	return bytes[0] * 256u + bytes[1];
}

/* What is left of @size past @offset; 0 where nothing is. */
static size_t left_of(size_t size, size_t offset)
{
	return offset < size ? size - offset : 0;
}

/* Steps over the link-layer header. Returns the offset of the IP header, 0 for none. */
static size_t skip_ethernet(const uint8_t *frame, size_t size, unsigned int *version)
{
	size_t offset = ETHERNET_SIZE;
	unsigned int type;

	if (size < ETHERNET_SIZE)
		return 0;
	type = read16(frame + ETHERNET_SIZE - 2);
	while ((type == 0x8100 || type == 0x88a8) && left_of(size, offset) >= TAG_SIZE) {
		type = read16(frame + offset + 2);
		offset += TAG_SIZE;
	}
	*version = type == 0x0800 ? 4 : type == 0x86dd ? 6 : 0;
	return offset;
}

/* The end of the IP packet by its own length is where padding begins. */
static size_t tcp_payload(const uint8_t *frame, size_t offset, size_t end, const uint8_t **payload)
{
	size_t header;

	if (left_of(end, offset) < TCP_SIZE)
		return 0;
	header = (frame[offset + 12] >> 4) * 4u;
	if (header < TCP_SIZE)
		return 0;
	*payload = frame + offset + header;
	return left_of(end, offset + header);
}

size_t asked_payload(const uint8_t *frame, size_t size, bool ethernet, const uint8_t **payload)
{
	unsigned int version = size ? frame[0] >> 4 : 0;
	const size_t ip = ethernet ? skip_ethernet(frame, size, &version) : 0;
	size_t header, end;

	*payload = NULL;
	if (version == 4 && left_of(size, ip) >= IPV4_SIZE) {
		header = (frame[ip] & 15) * 4u;
		end = ip + read16(frame + ip + 2);
		if (frame[ip + 9] != TCP || header < IPV4_SIZE)
			return 0;
	} else if (version == 6 && left_of(size, ip) >= IPV6_SIZE) {
		header = IPV6_SIZE;
		end = ip + IPV6_SIZE + read16(frame + ip + 4);
		if (frame[ip + 6] != TCP)
			return 0;
	} else {
		return 0;
	}
	return tcp_payload(frame, ip + header, end < size ? end : size, payload);
}

/* @cut: the name goes on behind the bytes that are there. */
static void set_name(struct asked *asked, const uint8_t *bytes, size_t size, bool cut)
{
	const size_t end = sizeof(asked->name) - sizeof("...");
	const char *text = (const char *)bytes;
	size_t used = 0;

	while (size) {
		uint32_t character = 0;
		size_t taken = text_decode(text, size, &character);
		const bool keep = taken && character != '\\' && text_is_harmless(character);
		const size_t needed = keep ? taken : strlen("\\xNN");

		if (used + needed > end) {
			cut = true;
			break;
		}
		taken = keep ? taken : 1;
		if (keep)
			memcpy(asked->name + used, text, taken);
		else
			snprintf(asked->name + used, needed + 1, "\\x%02x", (unsigned char)*text);
		used += needed;
		text += taken;
		size -= taken;
	}
	strcpy(asked->name + used, cut ? "..." : "");
}

void asked_epmd(const uint8_t *payload, size_t size, struct asked *asked)
{
	static const struct {
		uint8_t tag;
		const char *request;
		unsigned int name_at; /* behind the tag; 0: no name */
		bool name_length;     /* two bytes before the name tell its length */
	} requests[] = {
		{'n', "NAMES", 0, false},  {'z', "PORT_PLEASE2", 1, false},
		{'x', "ALIVE2", 11, true}, {'k', "KILL", 0, false},
		{'d', "DUMP", 0, false},   {'s', "STOP", 1, false},
	};
	size_t length, name_size;

	*asked = (struct asked){};
	if (size < 3)
		return;
	length = read16(payload);
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		const size_t at = 2 + (size_t)requests[i].name_at;

		if (payload[2] != requests[i].tag || length < (requests[i].name_at ?: 1))
			continue;
		asked->protocol = "epmd";
		asked->request = requests[i].request;
		if (!requests[i].name_at || size <= at)
			return;
		name_size = requests[i].name_length ? read16(payload + at - 2)
						    : length - requests[i].name_at;
		set_name(asked, payload + at, name_size < size - at ? name_size : size - at,
			 name_size > size - at);
		return;
	}
}

/* The name is what is printed; a handshake's is "name@host". */
static void asked_handshake(const uint8_t *payload, size_t size, size_t name_at, size_t name_size,
			    struct asked *asked)
{
	asked->protocol = "dist";
	asked->request = "handshake";
	if (size > name_at)
		set_name(asked, payload + name_at,
			 name_size < size - name_at ? name_size : size - name_at,
			 name_size > size - name_at);
}

void asked_dist(const uint8_t *payload, size_t size, struct asked *asked)
{
	size_t length;

	*asked = (struct asked){};
	if (size < 3)
		return;
	length = read16(payload);
	if (payload[0] == 0x16 && payload[1] == 3) {
		asked->protocol = "tls";
		asked->request = "handshake";
	} else if (payload[2] == 'N' && length >= 15 && size >= 17) {
		asked_handshake(payload, size, 17, read16(payload + 15), asked);
	} else if (payload[2] == 'n' && length > 7) {
		asked_handshake(payload, size, 9, length - 7, asked);
	}
}
