/* SPDX-License-Identifier: BSD-2-Clause */
/* Plain TCP segments, for the handshakes before the first frame; and checksums. */
#ifndef BEAMFENCE_ORACLE_SEGMENT_H
#define BEAMFENCE_ORACLE_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10

struct segment {
	bool ipv6;
	uint16_t source_port, destination_port;
	uint32_t sequence, acknowledgement;
	uint8_t flags;
};

/* From the client to the host's first address. */
struct segment segment_to_host(bool ipv6, uint16_t source, uint16_t destination, uint8_t flags);

/* Writes a frame of at most 128 bytes; returns its size. */
size_t segment_write(const struct segment *segment, uint8_t *frame);

/* Reads a frame of the host's; false: not TCP. */
bool segment_read(struct segment *segment, const uint8_t *frame, size_t size);

uint32_t checksum_add(uint32_t sum, const void *bytes, size_t size);
uint16_t checksum_fold(uint32_t sum); /* in host byte order */

/* The checksum of a payload behind an IP header; addresses of 4 or 16 bytes. */
uint16_t checksum_transport(const uint8_t *source, const uint8_t *destination, bool ipv6,
			    uint8_t protocol, const uint8_t *payload, size_t size);

void put16(uint8_t *at, uint32_t value);
void put32(uint8_t *at, uint32_t value);
uint16_t get16(const uint8_t *at);

#endif
