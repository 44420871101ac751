// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/address.h"
#include "tests/seed.h"

static struct prefix parsed(const char *text)
{
	struct prefix prefix = {0};
	struct error error = {""};

	cr_assert_eq(prefix_parse(text, &prefix, &error), 0, "%s: %s", text, error.text);
	return prefix;
}

static void expect_text(const char *text, const char *expected)
{
	struct prefix prefix = parsed(text);
	char out[PREFIX_TEXT_SIZE];

	cr_expect_str_eq(prefix_format(&prefix, out), expected, "%s became %s", text, out);
}

Test(address, prints_the_shortest_usual_form)
{
	expect_text("10.0.1.0/24", "10.0.1.0/24");
	expect_text("10.0.1.7", "10.0.1.7/32");
	expect_text("0.0.0.0/0", "0.0.0.0/0");
	expect_text("fd00:0001:0:0::/64", "fd00:1::/64");
	expect_text("2001:DB8::1", "2001:db8::1/128");
	expect_text("::/0", "::/0");
	expect_text("::", "::/128");
	expect_text("::1/128", "::1/128");
}

Test(address, holds_ipv4_mapped_into_ipv6)
{
	static const uint8_t expected[16] = {[10] = 0xff, 0xff, 10, 0, 1, 0};
	struct prefix prefix = parsed("10.0.1.0/24");

	cr_assert_eq(memcmp(prefix.address, expected, sizeof(expected)), 0);
	cr_assert_eq(prefix.length, 120);
	cr_assert(prefix_is_ipv4(&prefix));
}

Test(address, tells_ipv6_prefixes_that_contain_the_mapped_range_from_ipv4)
{
	static const char *const ipv6[] = {"::/0", "::/80", "::/128", "::1", "fd00::/8"};
	struct prefix all_ipv4;

	for (size_t i = 0; i < sizeof(ipv6) / sizeof(ipv6[0]); i++) {
		struct prefix prefix = parsed(ipv6[i]);

		cr_expect_not(prefix_is_ipv4(&prefix), "%s", ipv6[i]);
	}
	all_ipv4 = parsed("0.0.0.0/0");
	cr_expect(prefix_is_ipv4(&all_ipv4));
}

struct refused {
	const char *text;
	const char *reason;
};

static void expect_refused(int (*parse)(const char *, struct prefix *, struct error *),
			   const struct refused *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct prefix prefix, untouched;
		struct error error = {""};

		memset(&prefix, 0x5a, sizeof(prefix));
		untouched = prefix;
		cr_expect_eq(parse(rows[i].text, &prefix, &error), -EINVAL, "%s taken",
			     rows[i].text);
		cr_expect(strstr(error.text, rows[i].reason), "%s: %s", rows[i].text, error.text);
		cr_expect_eq(memcmp(&prefix, &untouched, sizeof(prefix)), 0, "%s", rows[i].text);
		cr_expect_eq(parse(rows[i].text, &prefix, NULL), -EINVAL);
	}
}

Test(address, refuses_what_is_no_prefix)
{
	static const struct refused rows[] = {
		{"", "\"\" is not an address"},
		{"app", "\"app\" is not an address"},
		{"10.0.1", "is not an address"},
		{"10.0.1.256", "is not an address"},
		{"010.0.1.1", "is not an address"},
		{"0x0a.0.0.1", "is not an address"},
		{" 10.0.0.1", "is not an address"},
		{"10.0.0.1 ", "is not an address"},
		{"10.0.0.0 /8", "is not an address"},
		{"/24", "is not an address"},
		{"[::1]", "is not an address"},
		{"fe80::1%eth0", "is not an address"},
		{"1:2:3:4:5:6:7:8:9", "is not an address"},
		{"fd00::1::", "is not an address"},
		{"10.0.0.0/33", "0 to 32"},
		{"10.0.0.0/", "0 to 32"},
		{"10.0.0.0/-1", "0 to 32"},
		{"10.0.0.0/+8", "0 to 32"},
		{"10.0.0.0/08", "0 to 32"},
		{"10.0.0.0/8/8", "0 to 32"},
		{"10.0.0.0/ 8", "0 to 32"},
		{"10.0.0.0/255.0.0.0", "0 to 32"},
		{"10.0.0.0/4294967304", "0 to 32"},
		{"fd00::/129", "0 to 128"},
		{"fd00::/99999999999999999999", "0 to 128"},
		{"10.0.1.7/24", "did you mean \"10.0.1.0/24\"?"},
		{"10.0.0.1/0", "did you mean \"0.0.0.0/0\"?"},
		{"10.0.0.129/25", "did you mean \"10.0.0.128/25\"?"},
		{"fd00:1::1/64", "did you mean \"fd00:1::/64\"?"},
		{"8000::/0", "did you mean \"::/0\"?"},
		{"::ffff:10.0.1.7", "plain IPv4"},
		{"::ffff:a00:107", "plain IPv4"},
		{"::ffff:0:0/96", "plain IPv4"},
		{"::ffff:10.0.0.1/120", "plain IPv4"},
	};

	expect_refused(prefix_parse, rows, sizeof(rows) / sizeof(rows[0]));
}

Test(address, refuses_a_length_where_an_address_is_wanted)
{
	static const struct refused rows[] = {
		{"10.0.0.1/32", "is not an address"},
		{"::1/128", "is not an address"},
		{"", "is not an address"},
		{"::ffff:10.0.0.1", "plain IPv4"},
	};
	struct prefix prefix;

	expect_refused(address_parse, rows, sizeof(rows) / sizeof(rows[0]));
	cr_expect_eq(address_parse("fd00::1", &prefix, NULL), 0);
	cr_expect_eq(prefix.length, 128);
	cr_expect_eq(address_parse("10.0.0.1", &prefix, NULL), 0);
	cr_expect_eq(prefix.length, 128);
	cr_expect(prefix_is_ipv4(&prefix));
}

Test(address, keeps_the_reason_when_the_value_is_long)
{
	char text[5000];
	struct prefix prefix;
	struct error error = {""};

	memset(text, '1', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	cr_assert_eq(prefix_parse(text, &prefix, &error), -EINVAL);
	cr_assert(strstr(error.text, "is not an address or prefix"), "%s", error.text);
}

Test(address, orders_by_address_then_length)
{
	static const char *const ascending[] = {
		"::/0",	       "::/64",	      "::1",	     "0.0.0.0/0", "10.0.0.0/8",
		"10.0.0.0/24", "10.0.0.0/32", "10.0.0.1/32", "fd00::/8",  "fd00::/64"};
	const size_t count = sizeof(ascending) / sizeof(ascending[0]);

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < count; j++) {
			struct prefix a = parsed(ascending[i]), b = parsed(ascending[j]);
			int order = prefix_compare(&a, &b);

			cr_expect_eq((order > 0) - (order < 0), (i > j) - (i < j), "%s and %s: %d",
				     ascending[i], ascending[j], order);
		}
	}
}

/* The independent account of a prefix: the C library's address, masked bit by bit. */
static void random_prefix(bool ipv4, char text[static PREFIX_TEXT_SIZE], char host[static 72],
			  bool *host_bits)
{
	unsigned bits = ipv4 ? 32 : 128, length = (unsigned)rand() % (bits + 1);
	uint8_t bytes[16], masked[16] = {0};
	char address[INET6_ADDRSTRLEN];
	int family = ipv4 ? AF_INET : AF_INET6;

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = rand() % 3 ? (uint8_t)rand() : 0;
	bytes[0] |= 0x20; /* no IPv4 in IPv6 form */
	for (unsigned bit = 0; bit < length; bit++)
		masked[bit / 8] |= (uint8_t)(bytes[bit / 8] & (0x80 >> bit % 8));
	*host_bits = memcmp(bytes, masked, bits / 8) != 0;
	inet_ntop(family, masked, address, sizeof(address));
	snprintf(text, PREFIX_TEXT_SIZE, "%s/%u", address, length);
	inet_ntop(family, bytes, address, sizeof(address));
	snprintf(host, 72, "%s/%u", address, length);
}

Test(address, agrees_with_the_c_library_on_random_prefixes)
{
	const unsigned int seed = test_seed();

	srand(seed);
	for (int i = 0; i < 100000; i++) {
		char text[PREFIX_TEXT_SIZE], out[PREFIX_TEXT_SIZE], host[72];
		struct prefix prefix = {0};
		struct error error = {""};
		bool host_bits, ipv4 = rand() % 2;

		random_prefix(ipv4, text, host, &host_bits);
		cr_assert_eq(prefix_parse(text, &prefix, &error), 0, "seed %u: %s", seed,
			     error.text);
		cr_assert_eq(prefix_is_ipv4(&prefix), ipv4, "seed %u: %s", seed, text);
		cr_assert_str_eq(prefix_format(&prefix, out), text, "seed %u: %s", seed, text);
		cr_assert_eq(prefix_parse(host, &prefix, &error), host_bits ? -EINVAL : 0,
			     "seed %u: %s", seed, host);
		snprintf(host, sizeof(host), "\"%s\"?", text);
		if (host_bits)
			cr_assert(strstr(error.text, host), "seed %u: %s lacks %s", seed,
				  error.text, host);
	}
}
