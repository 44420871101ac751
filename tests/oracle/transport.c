// SPDX-License-Identifier: BSD-2-Clause
/* What an IP packet carries: TCP, or one of the things that must pass whatever its bytes say. */
#include <string.h>

#include "tests/oracle/draft.h"
#include "tests/oracle/segment.h"

#define PROTOCOL_VRRP 112

static const uint16_t protected_ports[] = {
	PORT_EPMD,   PORT_NODE, PORT_BYTES,    PORT_TOOL, PORT_FIRST, PORT_SECOND,
	PORT_NOBODY, PORT_EPMD, PORT_OUTBOUND, PORT_NODE, PORT_BYTES, PORT_CONNECTING};

bool port_is_protected(uint16_t port)
{
	return port == PORT_EPMD || port == PORT_BYTES || port == PORT_TOOL ||
	       (port >= PORT_NODE && port < PORT_NODE + 10);
}

/* Neighbours of protected ports, those that share a byte or have their bytes swapped, any. */
static uint16_t draw_other_port(struct draft *draft)
{
	const uint16_t near = protected_ports[draw(draft, 12)];
	uint32_t port;

	switch (draw(draft, 8)) {
	case 0:
		port = near + 1u;
		break;
	case 1:
		port = near - 1u;
		break;
	case 2:
		port = near ^ 1u << (8 + draw(draft, 8));
		break;
	case 3:
		port = near ^ 1u << draw(draft, 8);
		break;
	case 4:
		port = (uint32_t)near >> 8 | (uint32_t)near << 8;
		break;
	case 5:
		port = draw(draft, 2) ? 443 : 80;
		break;
	default:
		port = draw(draft, 65536);
	}
	return port_is_protected((uint16_t)port) ? 443 : (uint16_t)port;
}

static void draw_ports(struct draft *draft, uint16_t *source, uint16_t *destination)
{
	draw_begin(draft, FEATURE_COUNT + 1, 0);
	*source = (uint16_t)draw(draft, 65536);
	*destination = protected_ports[draw(draft, 12)];
	if (draft_has(draft, FEATURE_OTHER_PORT)) {
		draw_begin(draft, FEATURE_OTHER_PORT, 0);
		*destination = draw_other_port(draft);
		if (!draw(draft, 4))
			*source = PORT_NODE;
	} else if (draft_has(draft, FEATURE_CONNECTION)) {
		static const uint16_t pairs[][2] = {{PORT_CHILD, PORT_NODE},
						    {PORT_REMOTE, PORT_OUTBOUND},
						    {PORT_REMOTE, PORT_CONNECTING}};
		const uint16_t *pair;

		draw_begin(draft, FEATURE_CONNECTION, 0);
		pair = pairs[draw(draft, 3)];
		*source = pair[0];
		*destination = pair[1];
	}
}

static uint8_t draw_flags(struct draft *draft)
{
	static const uint8_t usual[] = {0x10, 0x12, 0x18, 0x04, 0x14, 0x11, 0x00, 0x29, 0x03, 0xc2};

	if (!draft_has(draft, FEATURE_FLAGS))
		return draft_has(draft, FEATURE_CONNECTION) ? 0x10 : 0x02;
	draw_begin(draft, FEATURE_FLAGS, 0);
	return draw(draft, 2) ? usual[draw(draft, sizeof(usual))] : (uint8_t)draw(draft, 256);
}

static uint32_t draw_tcp_options(struct draft *draft, uint8_t *at)
{
	uint32_t size;

	if (!draft_has(draft, FEATURE_TCP_OPTIONS))
		return 0;
	draw_begin(draft, FEATURE_TCP_OPTIONS, 0);
	size = 4 * (1 + draw(draft, 10));
	if (draw(draft, 3)) {
		memset(at, 1, size);
		memcpy(at, "\x02\x04\x05\xb4", 4);
	} else {
		draw_bytes(draft, at, size);
	}
	return size;
}

static void draw_tcp(struct draft *draft)
{
	uint8_t *tcp = draft->transport;
	uint16_t source, destination;
	uint32_t size = 20;

	draw_ports(draft, &source, &destination);
	draft->protocol = 6;
	put16(tcp, source);
	put16(tcp + 2, destination);
	draw_begin(draft, FEATURE_COUNT + 2, 0);
	draw_bytes(draft, tcp + 4, 8);
	tcp[13] = draw_flags(draft);
	put16(tcp + 14, 1024);
	size += draw_tcp_options(draft, tcp + 20);
	tcp[12] = (uint8_t)(size / 4 << 4);
	if (draft_has(draft, FEATURE_OFFSET)) {
		draw_begin(draft, FEATURE_OFFSET, 0);
		tcp[12] = (uint8_t)draw(draft, 256);
	}
	if (draft_has(draft, FEATURE_PAYLOAD)) {
		const uint32_t room = draw(draft, 4) ? 64 : 1000;
		uint32_t payload;

		draw_begin(draft, FEATURE_PAYLOAD, 0);
		payload = 1 + draw(draft, room);
		draw_bytes(draft, tcp + size, payload);
		size += payload;
	}
	draft->transport_size = size;
}

/* "Too big" for the host's own connection, as a router on its path would say it. */
static void write_too_big(struct draft *draft, uint8_t *at)
{
	uint8_t *quoted = at + 8, *tcp = quoted + (draft->ipv6 ? 40 : 20);

	at[0] = draft->ipv6 ? 2 : 3;
	at[1] = draft->ipv6 ? 0 : 4;
	put16(at + 6, 1400);
	quoted[0] = draft->ipv6 ? 0x60 : 0x45;
	quoted[draft->ipv6 ? 5 : 3] = draft->ipv6 ? 20 : 40;
	quoted[draft->ipv6 ? 6 : 9] = 6;
	memcpy(tcp - (draft->ipv6 ? 32 : 8), draft->destination, draft->ipv6 ? 16 : 4);
	memcpy(tcp - (draft->ipv6 ? 16 : 4), draft->source, draft->ipv6 ? 16 : 4);
	put16(tcp, PORT_OUTBOUND);
	put16(tcp + 2, PORT_REMOTE);
	draft->transport_size = (uint32_t)(tcp + 20 - at);
}

static void draw_icmp(struct draft *draft)
{
	uint8_t *at = draft->transport;

	draft->protocol = draft->ipv6 ? 58 : 1;
	switch (draw(draft, 3)) {
	case 0:
		write_too_big(draft, at);
		break;
	case 1:
		at[0] = draft->ipv6 ? 128 : 8;
		draft->transport_size = 8 + draw(draft, 64);
		break;
	default:
		/* Who has this address? A neighbour solicitation, or a request for a timestamp. */
		at[0] = draft->ipv6 ? 135 : 13;
		memcpy(at + 8, draft->destination, 16);
		draft->transport_size = 24;
	}
}

static void draw_link_layer(struct draft *draft)
{
	static const uint16_t types[] = {0x0806, 0x88cc, 0x8864, 0x8847, 0x002e, 0x0842};
	uint8_t *at = draft->transport;

	draft->link_only = true;
	draft->ethertype = types[draw(draft, 6)];
	draw_bytes(draft, at, 64);
	draft->transport_size = 46 + draw(draft, 18);
	if (draft->ethertype == 0x0806) {
		memcpy(at,
		       "\0\x01\x08\0\x06\x04\0\x01" CLIENT_MAC "\x0a\x58\0\x09\0\0\0\0\0\0"
		       "\x0a\x58\0\x01",
		       28);
		draft->transport_size = 28;
	}
}

static void draw_not_tcp(struct draft *draft)
{
	uint8_t *at = draft->transport;

	draw_begin(draft, FEATURE_NOT_TCP, 0);
	switch (draw(draft, 8)) {
	case 0:
	case 1:
		draft->protocol = 17;
		put16(at, draw(draft, 65536));
		put16(at + 2, protected_ports[draw(draft, 12)]);
		draft->transport_size = 8 + draw(draft, 100);
		put16(at + 4, draft->transport_size);
		break;
	case 2:
	case 3:
	case 4:
		draw_icmp(draft);
		break;
	case 5:
		draft->protocol = draft->ipv6 || draw(draft, 2) ? PROTOCOL_VRRP : 2;
		memcpy(at, "\x21\x01\x64\x01\0\x01", 6);
		draft->transport_size = 20;
		break;
	case 6:
		draft->protocol = (uint8_t)(61 + draw(draft, 40)); /* nothing that is walked */
		draft->transport_size = 40;
		break;
	default:
		draw_link_layer(draft);
	}
}

void draft_transport(struct draft *draft)
{
	if (draft_has(draft, FEATURE_NOT_TCP))
		draw_not_tcp(draft);
	else
		draw_tcp(draft);
}
