// SPDX-License-Identifier: BSD-2-Clause
/* Who is a peer, through the sieve and the table behind it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/harness.h"

#define PREFIXES 4000

static struct harness harness;
static struct test_frame frame;

static void open_harness(void)
{
	harness_open(&harness, true);
	harness_zone(&harness, ZONE_CLUSTER);
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(peers, .init = open_harness, .fini = close_harness);

static enum reason reason_for(const char *source)
{
	frame_syn(&frame, source, CLUSTER_0_PORT);
	return harness_run(&harness, &frame).reason;
}

static void random_prefix(struct prefix *prefix, bool ipv4, unsigned int *seed)
{
	static const uint8_t ipv4_lengths[] = {128, 124, 120, 112, 104};
	static const uint8_t ipv6_lengths[] = {128, 127, 64, 65, 56, 48, 32};

	*prefix = (struct prefix){};
	prefix->length = ipv4 ? ipv4_lengths[(size_t)rand_r(seed) % sizeof(ipv4_lengths)]
			      : ipv6_lengths[(size_t)rand_r(seed) % sizeof(ipv6_lengths)];
	for (size_t i = ipv4 ? 12 : 0; i < sizeof(prefix->address); i++)
		prefix->address[i] = (uint8_t)rand_r(seed);
	if (ipv4)
		prefix->address[10] = prefix->address[11] = 0xff;
	else
		prefix->address[0] = 0x20;
}

Test(peers, every_one_among_many_prefixes_of_many_lengths_gets_in)
{
	static struct prefix prefixes[PREFIXES];
	static const size_t source_offset[] = {22, 26};
	unsigned int seed = 11;

	for (int ipv4 = 0; ipv4 < 2; ipv4++) {
		frame_syn(&frame, ipv4 ? CLIENT_IPV4 : CLIENT_IPV6, CLUSTER_0_PORT);
		for (size_t i = 0; i < PREFIXES; i++)
			random_prefix(&prefixes[i], ipv4, &seed);
		harness_peers(&harness, prefixes, PREFIXES);
		for (size_t i = 0; i < PREFIXES; i++) {
			memcpy(frame.bytes + source_offset[ipv4],
			       prefixes[i].address + (ipv4 ? 12 : 0), ipv4 ? 4 : 16);
			cr_assert_eq(harness_run(&harness, &frame).reason, REASON_PEER,
				     "number %zu, length %u", i, prefixes[i].length);
		}
	}
}

Test(peers, one_whose_bit_is_missing_is_not_looked_up)
{
	cr_expect_eq(reason_for(PEER_IPV4), REASON_PEER);
	sieve_clear(harness.sieves, 0);
	cr_expect_eq(reason_for(PEER_IPV4), REASON_STRANGER_NEW);
	cr_expect_eq(reason_for(PEER_IPV6), REASON_STRANGER_NEW);
}

Test(peers, a_bit_alone_lets_nobody_in)
{
	memset(harness.sieves, 0xff, sizeof(*harness.sieves));
	cr_expect_eq(reason_for(PEER_IPV4), REASON_PEER);
	cr_expect_eq(reason_for(CLIENT_IPV4), REASON_STRANGER_NEW);
	cr_expect_eq(reason_for(CLIENT_IPV6), REASON_STRANGER_NEW);
}

Test(peers, the_sieve_of_the_policy_aside_is_not_asked)
{
	memset(&harness.sieves[1], 0xff, sizeof(harness.sieves[1]));
	sieve_clear(&harness.sieves[0], 0);
	cr_expect_eq(reason_for(PEER_IPV4), REASON_STRANGER_NEW);
}
