/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses and prefixes: the one parser and the one printer of them. */
#ifndef BEAMFENCE_ADDRESS_H
#define BEAMFENCE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define PREFIX_TEXT_SIZE 64

/*
 * An address prefix of either family. IPv4 is held mapped into IPv6 (RFC 4291, 2.5.5.2): address
 * ::ffff:a.b.c.d and length 96 + n. Network byte order; every bit past the length is zero.
 */
struct prefix {
	uint8_t address[16];
	uint8_t length; /* 0..128 */
};

/*
 * Parses "10.0.1.0/24", "fd00:1::/64", or an address alone (which means its full length).
 * Returns 0, or -EINVAL with a text that quotes the value: not an address, length out of range,
 * bits set past the length (the text offers the prefix that was probably meant), or an IPv4
 * address written in mapped form (the text asks for plain IPv4).
 */
int prefix_parse(const char *text, struct prefix *prefix, struct error *error);

/* Parses an address without a length, into a prefix of full length; errors as prefix_parse(). */
int address_parse(const char *text, struct prefix *prefix, struct error *error);

/* Writes the shortest usual form, with its length ("10.0.1.0/24", "10.0.1.7/32") and returns @text.
 */
const char *prefix_format(const struct prefix *prefix, char text[static PREFIX_TEXT_SIZE]);

/* The same without its length: for an address alone. */
const char *address_format(const struct prefix *address, char text[static PREFIX_TEXT_SIZE]);

bool prefix_is_ipv4(const struct prefix *prefix);

/* Orders by address, then length, for qsort(3) and bsearch(3): <0, 0, >0. */
int prefix_compare(const struct prefix *a, const struct prefix *b);

#endif
