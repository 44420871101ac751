// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/frames.h"

#include <arpa/inet.h>
#include <assert.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <string.h>

static uint8_t *append(struct test_frame *frame, size_t size)
{
	uint8_t *at = frame->bytes + frame->size;

	assert(frame->size + size <= sizeof(frame->bytes));
	memset(at, 0, size);
	frame->size += size;
	return at;
}

static void write16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* Names the header that is about to be appended in the field before it. */
static void name_next(struct test_frame *frame, uint16_t protocol)
{
	if (frame->next_size == 2)
		write16(frame->bytes + frame->next, protocol);
	else if (frame->next_size == 1)
		frame->bytes[frame->next] = (uint8_t)protocol;
}

static void set_next(struct test_frame *frame, size_t offset, size_t size)
{
	frame->next = offset;
	frame->next_size = size;
}

struct test_frame *frame_begin(struct test_frame *frame)
{
	memset(frame, 0, sizeof(*frame));
	return frame;
}

struct test_frame *frame_ethernet(struct test_frame *frame)
{
	uint8_t *at = append(frame_begin(frame), ETH_HLEN);

	memcpy(at, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	set_next(frame, 12, 2);
	return frame;
}

struct test_frame *frame_tag(struct test_frame *frame, uint16_t protocol, uint16_t vlan)
{
	const size_t start = frame->size;

	name_next(frame, protocol);
	write16(append(frame, 4), vlan);
	set_next(frame, start + 2, 2);
	return frame;
}

struct test_frame *frame_ipv4(struct test_frame *frame, const char *source, const char *destination)
{
	const size_t start = frame->size;
	uint8_t *at;

	name_next(frame, ETH_P_IP);
	at = append(frame, 20);
	at[0] = 0x45;
	at[8] = 64;
	inet_pton(AF_INET, source, at + 12);
	inet_pton(AF_INET, destination, at + 16);
	frame->ip = start;
	frame->ipv4 = true;
	set_next(frame, start + 9, 1);
	return frame;
}

struct test_frame *frame_ipv4_options(struct test_frame *frame, size_t bytes)
{
	memset(append(frame, bytes), 1, bytes); /* no-operation options */
	frame->bytes[frame->ip] = (uint8_t)(0x40 | (5 + bytes / 4));
	return frame;
}

struct test_frame *frame_ipv4_fragment(struct test_frame *frame, unsigned int offset, bool more)
{
	write16(frame->bytes + frame->ip + 6, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)));
	return frame;
}

struct test_frame *frame_ipv6(struct test_frame *frame, const char *source, const char *destination)
{
	const size_t start = frame->size;
	uint8_t *at;

	name_next(frame, ETH_P_IPV6);
	at = append(frame, 40);
	at[0] = 0x60;
	at[7] = 64;
	inet_pton(AF_INET6, source, at + 8);
	inet_pton(AF_INET6, destination, at + 24);
	frame->ip = start;
	frame->ipv6 = true;
	set_next(frame, start + 6, 1);
	return frame;
}

struct test_frame *frame_extension(struct test_frame *frame, uint8_t kind, unsigned int units)
{
	const size_t start = frame->size;
	uint8_t *at;

	name_next(frame, kind);
	at = append(frame, units * 8u);
	at[1] = (uint8_t)(units - 1);
	if (kind == IPPROTO_DSTOPTS || kind == IPPROTO_HOPOPTS) {
		/* PadN options of at most 255 bytes fill it. */
		for (size_t left = units * 8u - 2, done = 2; left;) {
			const size_t size = left > 257 ? (left == 258 ? 256 : 257) : left;

			at[done] = size > 1;
			if (size > 1)
				at[done + 1] = (uint8_t)(size - 2);
			done += size;
			left -= size;
		}
	}
	set_next(frame, start, 1);
	return frame;
}

struct test_frame *frame_ah(struct test_frame *frame, unsigned int words)
{
	const size_t start = frame->size;

	name_next(frame, IPPROTO_AH);
	append(frame, words * 4u)[1] = (uint8_t)(words - 2);
	set_next(frame, start, 1);
	return frame;
}

struct test_frame *frame_ipv6_fragment(struct test_frame *frame, unsigned int offset, bool more)
{
	const size_t start = frame->size;

	name_next(frame, IPPROTO_FRAGMENT);
	write16(append(frame, 8) + 2, (uint16_t)(offset | more));
	set_next(frame, start, 1);
	return frame;
}

struct test_frame *frame_tcp(struct test_frame *frame, uint16_t source, uint16_t destination,
			     uint8_t flags)
{
	uint8_t *at;

	name_next(frame, IPPROTO_TCP);
	at = append(frame, 20);
	write16(at, source);
	write16(at + 2, destination);
	at[12] = 0x50;
	at[13] = flags;
	return frame;
}

struct test_frame *frame_udp(struct test_frame *frame, uint16_t source, uint16_t destination)
{
	uint8_t *at;

	name_next(frame, IPPROTO_UDP);
	at = append(frame, 8);
	write16(at, source);
	write16(at + 2, destination);
	write16(at + 4, 8);
	return frame;
}

struct test_frame *frame_arp(struct test_frame *frame)
{
	name_next(frame, ETH_P_ARP);
	memcpy(append(frame, 28), "\0\x01\x08\0\x06\x04\0\x01", 8);
	return frame;
}

struct test_frame *frame_other(struct test_frame *frame, uint16_t ethertype, size_t bytes)
{
	name_next(frame, ethertype);
	append(frame, bytes);
	return frame;
}

struct test_frame *frame_payload(struct test_frame *frame, size_t bytes)
{
	append(frame, bytes);
	return frame;
}

struct test_frame *frame_end(struct test_frame *frame)
{
	const size_t packet = frame->size - frame->ip;

	if (frame->ipv4)
		write16(frame->bytes + frame->ip + 2, (uint16_t)packet);
	else if (frame->ipv6)
		write16(frame->bytes + frame->ip + 4, (uint16_t)(packet - 40));
	return frame;
}

struct test_frame *frame_segment(struct test_frame *frame, const char *source, uint16_t port,
				 uint8_t flags)
{
	frame_ethernet(frame);
	if (strchr(source, ':'))
		frame_ipv6(frame, source, HOST_IPV6);
	else
		frame_ipv4(frame, source, HOST_IPV4);
	return frame_end(frame_tcp(frame, 40000, port, flags));
}

struct test_frame *frame_syn(struct test_frame *frame, const char *source, uint16_t port)
{
	return frame_segment(frame, source, port, FLAG_SYN);
}
