/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client asked of a protected port, read from the front of one frame: a request to epmd
 * (erts/epmd/src/epmd_srv.c), or the first message of the distribution's handshake
 * (lib/kernel/src/dist_util.erl). The bytes are anybody's; a sender that splits its request over
 * several segments is not understood.
 */
#ifndef BEAMFENCE_ASKED_H
#define BEAMFENCE_ASKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASKED_NAME_SIZE 256 /* with the NUL; longer names end in "..." */

struct asked {
	const char *protocol; /* "epmd", "dist" or "tls"; NULL: it is not understood */
	const char *request;  /* "NAMES", "PORT_PLEASE2", ...; "handshake" */
	/* Whose: the node's name, "" where none is given. What is not harmless text is \xNN. */
	char name[ASKED_NAME_SIZE];
};

/*
 * Finds the TCP payload in the first @size bytes of a frame: through VLAN tags, IPv4 with options
 * and plain IPv6. Returns its bytes that are there, in *@payload; 0 where it finds none.
 */
size_t asked_payload(const uint8_t *frame, size_t size, bool ethernet, const uint8_t **payload);

/* Reads a payload that was sent to an epmd, or to a distribution port. Any bytes may be given. */
void asked_epmd(const uint8_t *payload, size_t size, struct asked *asked);
void asked_dist(const uint8_t *payload, size_t size, struct asked *asked);

#endif
