/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A second decoder of frames, written from the documents and not from bpf/frame.h: bytes one by
 * one, no short path, no regard for speed. What both say must be the same.
 */
#ifndef BEAMFENCE_FUZZ_REFERENCE_H
#define BEAMFENCE_FUZZ_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/view.h"

struct reference {
	enum shape shape;
	int version; /* of IP: 4, 6, or 0 when no IP header was read */
	unsigned vlan;
	uint8_t source[16]; /* IPv4 mapped into IPv6 */
	uint8_t destination[16];
	unsigned source_port, destination_port, flags;
	bool payload;
};

struct reference reference_read(const uint8_t *frame, size_t size, bool ethernet);

#endif
