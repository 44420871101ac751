// SPDX-License-Identifier: BSD-2-Clause
#include "tests/oracle/segment.h"

#include <arpa/inet.h>
#include <string.h>

#include "tests/oracle/oracle.h"

void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

uint32_t checksum_add(uint32_t sum, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;

	for (; size > 1; size -= 2, at += 2)
		sum += get16(at);
	return size ? sum + ((uint32_t)at[0] << 8) : sum;
}

uint16_t checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

uint16_t checksum_transport(const uint8_t *source, const uint8_t *destination, bool ipv6,
			    uint8_t protocol, const uint8_t *payload, size_t size)
{
	const size_t address = ipv6 ? 16 : 4;
	uint32_t sum = checksum_add(0, source, address);

	sum = checksum_add(sum, destination, address);
	sum = checksum_add(sum, payload, size);
	return checksum_fold(sum + protocol + (uint32_t)size);
}

struct segment segment_to_host(bool ipv6, uint16_t source, uint16_t destination, uint8_t flags)
{
	return (struct segment){.ipv6 = ipv6,
				.source_port = source,
				.destination_port = destination,
				.sequence = 1000,
				.flags = flags};
}

size_t segment_write(const struct segment *segment, uint8_t *frame)
{
	const size_t header = segment->ipv6 ? 40 : 20, address = segment->ipv6 ? 16 : 4;
	const int family = segment->ipv6 ? AF_INET6 : AF_INET;
	uint8_t *ip = frame + 14, *tcp = ip + header, *source = tcp - 2 * address;

	memset(frame, 0, 14 + header + 20);
	memcpy(frame, HOST_MAC CLIENT_MAC, 12);
	put16(frame + 12, segment->ipv6 ? 0x86dd : 0x0800);
	inet_pton(family, segment->ipv6 ? CLIENT6 : CLIENT4, source);
	inet_pton(family, segment->ipv6 ? HOST6_FIRST : HOST4_FIRST, source + address);
	put16(tcp, segment->source_port);
	put16(tcp + 2, segment->destination_port);
	put32(tcp + 4, segment->sequence);
	put32(tcp + 8, segment->acknowledgement);
	tcp[12] = 0x50;
	tcp[13] = segment->flags;
	put16(tcp + 14, 8192);
	put16(tcp + 16, checksum_transport(source, source + address, segment->ipv6, 6, tcp, 20));
	if (segment->ipv6) {
		ip[0] = 0x60;
		ip[5] = 20;
		ip[6] = 6;
		ip[7] = 64;
	} else {
		ip[0] = 0x45;
		ip[3] = 40;
		ip[8] = 64;
		ip[9] = 6;
		put16(ip + 10, checksum_fold(checksum_add(0, ip, 20)));
	}
	return 14 + header + 20;
}

bool segment_read(struct segment *segment, const uint8_t *frame, size_t size)
{
	const bool ipv6 = size > 14 && get16(frame + 12) == 0x86dd;
	const uint8_t *tcp = frame + (ipv6 ? 54 : 34);

	if (size < (ipv6 ? 74 : 54) || (!ipv6 && get16(frame + 12) != 0x0800) ||
	    frame[ipv6 ? 20 : 23] != 6)
		return false;
	*segment = (struct segment){.ipv6 = ipv6,
				    .source_port = get16(tcp),
				    .destination_port = get16(tcp + 2),
				    .sequence = get32(tcp + 4),
				    .acknowledgement = get32(tcp + 8),
				    .flags = tcp[13]};
	return true;
}
