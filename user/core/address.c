// SPDX-License-Identifier: BSD-2-Clause
#include "core/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"

#define IPV4_BITS  32
#define IPV6_BITS  128
#define IPV4_START 96 /* where the IPv4 address starts in its mapped form, in bits */

static const uint8_t ipv4_mapped[IPV4_START / 8] = {[10] = 0xff, [11] = 0xff};

/* The characters of @text up to @length as an address of either family; -EINVAL if they are none.
 */
static int parse_address(const char *text, size_t length, uint8_t address[static 16], bool *ipv4)
{
	char copy[INET6_ADDRSTRLEN];

	if (length >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	*ipv4 = inet_pton(AF_INET, copy, address + IPV4_START / 8) == 1;
	if (*ipv4)
		memcpy(address, ipv4_mapped, sizeof(ipv4_mapped));
	else if (inet_pton(AF_INET6, copy, address) != 1)
		return -EINVAL;
	return 0;
}

/* Decimal digits only, without sign or needless zeros; -1 for anything else or beyond @max. */
static int parse_length(const char *text, int max)
{
	int value = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
		if (value > max)
			return -1;
	}
	return value;
}

/* Zeroes the bits past the length; returns whether one of them was set. */
static bool clear_host_bits(struct prefix *prefix)
{
	bool set = false;

	for (unsigned i = prefix->length / 8; i < sizeof(prefix->address); i++) {
		unsigned kept = i == prefix->length / 8 ? prefix->length % 8 : 0;
		uint8_t mask = (uint8_t)(0xff00u >> kept);

		set = set || (prefix->address[i] & ~mask & 0xff);
		prefix->address[i] &= mask;
	}
	return set;
}

int prefix_parse(const char *text, struct prefix *prefix, struct error *error)
{
	const char *slash = strchr(text, '/');
	struct prefix parsed = {0};
	bool ipv4;
	int length, bits;

	if (parse_address(text, slash ? (size_t)(slash - text) : strlen(text), parsed.address,
			  &ipv4))
		return error_set(
			error, -EINVAL,
			"%s is not an address or prefix such as 10.0.1.0/24 or fd00:1::/64",
			QUOTE(text));
	bits = ipv4 ? IPV4_BITS : IPV6_BITS;
	length = slash ? parse_length(slash + 1, bits) : bits;
	if (length < 0)
		return error_set(error, -EINVAL, "%s: the length after '/' must be 0 to %d",
				 QUOTE(text), bits);
	parsed.length = (uint8_t)(length + IPV6_BITS - bits);
	if (!ipv4 && prefix_is_ipv4(&parsed))
		return error_set(
			error, -EINVAL,
			"%s is IPv4 in IPv6 form: write it as plain IPv4, such as 10.0.1.0/24",
			QUOTE(text));
	if (clear_host_bits(&parsed))
		return error_set(error, -EINVAL,
				 "%s has bits set past its length: did you mean \"%s\"?",
				 QUOTE(text), prefix_format(&parsed, (char[PREFIX_TEXT_SIZE]){0}));
	*prefix = parsed;
	return 0;
}

int address_parse(const char *text, struct prefix *prefix, struct error *error)
{
	struct prefix parsed = {.length = IPV6_BITS};
	bool ipv4;

	if (parse_address(text, strlen(text), parsed.address, &ipv4))
		return error_set(error, -EINVAL,
				 "%s is not an address such as 10.0.1.7 or fd00:1::7", QUOTE(text));
	if (!ipv4 && prefix_is_ipv4(&parsed))
		return error_set(
			error, -EINVAL,
			"%s is IPv4 in IPv6 form: write it as plain IPv4, such as 10.0.1.7",
			QUOTE(text));
	*prefix = parsed;
	return 0;
}

const char *address_format(const struct prefix *address, char text[static PREFIX_TEXT_SIZE])
{
	const bool ipv4 = prefix_is_ipv4(address);

	/* Cannot fail: the family is known and the buffer large enough. */
	inet_ntop(ipv4 ? AF_INET : AF_INET6, address->address + (ipv4 ? IPV4_START / 8 : 0), text,
		  PREFIX_TEXT_SIZE);
	return text;
}

const char *prefix_format(const struct prefix *prefix, char text[static PREFIX_TEXT_SIZE])
{
	const size_t length = strlen(address_format(prefix, text));

	snprintf(text + length, PREFIX_TEXT_SIZE - length, "/%d",
		 prefix->length - (prefix_is_ipv4(prefix) ? IPV4_START : 0));
	return text;
}

bool prefix_is_ipv4(const struct prefix *prefix)
{
	return prefix->length >= IPV4_START &&
	       !memcmp(prefix->address, ipv4_mapped, sizeof(ipv4_mapped));
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	int order = memcmp(a->address, b->address, sizeof(a->address));

	return order ? order : (int)a->length - (int)b->length;
}
