/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captured frames as a pcapng file (draft-ietf-opsawg-pcapng), with nanoseconds, the interface by
 * its name, and a comment for each frame. All interfaces are of one link type, Ethernet, because
 * libpcap reads no file of several.
 */
#ifndef BEAMFENCE_PCAPNG_H
#define BEAMFENCE_PCAPNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PCAPNG_FRAME_MAX  2048
#define PCAPNG_NAME_MAX	  64 /* bytes of an interface's name and of a comment that are kept */
#define PCAPNG_INTERFACES 256

struct pcapng {
	FILE *out;
	uint64_t size;	    /* bytes written */
	uint64_t size_max;  /* never more than these */
	uint32_t snap_size; /* bytes of a frame that are kept at most */
	char interfaces[PCAPNG_INTERFACES][PCAPNG_NAME_MAX];
	uint32_t interface_count;
};

struct pcapng_frame {
	uint64_t time_ns; /* since 1970 */
	const char *interface;
	const char *comment;
	bool ethernet; /* false: it starts with the IP header, and is given one */
	const uint8_t *bytes;
	uint32_t size;	    /* bytes that there are, PCAPNG_FRAME_MAX at most */
	uint32_t wire_size; /* that it had */
};

/* Each returns 0, -ENOSPC when it would be larger than size_max (nothing is written), or -EIO. */
int pcapng_begin(struct pcapng *file);
/* Names an interface before it has a frame: libpcap reads no file without any. */
int pcapng_name(struct pcapng *file, const char *interface);
int pcapng_add(struct pcapng *file, const struct pcapng_frame *frame);

#endif
