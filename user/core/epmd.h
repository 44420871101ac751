/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What epmd says of the nodes on this host: the reply to NAMES (erts/epmd/src/epmd_srv.c,
 * NAMES_REQ). Any local process can register any name with any port: this is hearsay.
 */
#ifndef BEAMFENCE_EPMD_H
#define BEAMFENCE_EPMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define EPMD_NAMES_REQUEST "\x00\x01n" /* 3 bytes: length 1, 'n' */
#define EPMD_REPLY_MAX	   (4u << 20)  /* bytes that are read of a reply */
#define EPMD_NODES_MAX	   16384       /* registrations that are kept of a reply */
#define EPMD_NAME_SIZE	   1021	       /* 255 characters of at most 4 bytes, and the NUL */

struct epmd_node {
	char *name; /* as registered, without "@host": UTF-8, harmless to print */
	uint16_t port;
};

struct epmd_nodes {
	struct epmd_node *items;
	size_t count;
	size_t refused; /* lines that were no registration, or beyond EPMD_NODES_MAX */
};

/*
 * Parses a whole reply: epmd's port as 32 bits, then lines "name NAME at port PORT\n". Lines that
 * are not well formed or lack their newline, names that are empty, not UTF-8, longer than 255
 * characters, or hold a space (and so another " at port ") or what would harm a terminal
 * (text_is_harmless()), and ports outside 1..65535 are refused one by one and counted. Returns 0
 * with a list for epmd_nodes_free(), -EPROTO when even the first four bytes are missing, -ENOMEM.
 */
int epmd_parse_names(const char *reply, size_t size, struct epmd_nodes *nodes, struct error *error);

/*
 * Whether a node could be called so, and the name can be shown as it is: as epmd_parse_names() has
 * it. @size is in bytes.
 */
bool epmd_name_is_acceptable(const char *name, size_t size);

void epmd_nodes_free(struct epmd_nodes *nodes);

#endif
