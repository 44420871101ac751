// SPDX-License-Identifier: BSD-2-Clause
/*
 * Peers: every prefix length and every bit of an address, through what user space makes of them and
 * the real program, against a look-up that compares bit by bit.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/harness.h"
#include "tests/seed.h"
#include "user/core/policy.h"

static struct harness harness;
static struct test_frame frame;
static unsigned int seed;

static void open_harness(void)
{
	seed = test_seed();
	harness_open(&harness, true);
	harness_zone(&harness, ZONE_CLUSTER);
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(prefixes, .init = open_harness, .fini = close_harness);

static unsigned int any(unsigned int below)
{
	return (unsigned int)rand_r(&seed) % below;
}

static bool bit_of(const uint8_t address[static 16], unsigned int bit)
{
	return address[bit / 8] >> (7 - bit % 8) & 1;
}

static bool contains(const struct prefix *prefix, const uint8_t address[static 16])
{
	for (unsigned int bit = 0; bit < prefix->length; bit++)
		if (bit_of(prefix->address, bit) != bit_of(address, bit))
			return false;
	return true;
}

/* A prefix at random; its length counts from the first bit that the family leaves free. */
static struct prefix some_prefix(bool ipv4, unsigned int length)
{
	struct prefix prefix = {.length = (uint8_t)(ipv4 ? 96 + length : length)};

	for (unsigned int i = 0; i < 16; i++)
		prefix.address[i] = (uint8_t)any(256);
	if (ipv4) {
		memset(prefix.address, 0, 10);
		memset(prefix.address + 10, 0xff, 2);
	}
	for (unsigned int bit = prefix.length; bit < 128; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

/* Has the peers alone in the tables, as user space makes keys and masks of them. */
static void use_peers(struct runtime_peer *peers, size_t count)
{
	static char names[CLUSTERS_MAX][4];
	static struct cluster_config clusters[CLUSTERS_MAX];
	static struct peer_key keys[2000];
	static uint64_t values[2000];
	struct config config = {.clusters = clusters, .cluster_count = CLUSTERS_MAX};
	const struct policy_parts parts = {
		.config = &config, .runtime = peers, .runtime_count = count};
	struct policy *policy = NULL;
	struct error error = {""};

	for (int i = 0; i < CLUSTERS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		clusters[i].name = names[i];
	}
	cr_assert_eq(policy_build(&parts, &policy, &error), 0, "%s", error.text);
	for (size_t i = 0; i < policy->peer_count; i++) {
		policy_peer_key(&policy->peers[i].prefix, &keys[i]);
		values[i] = policy->peers[i].clusters;
	}
	harness_peer_table(&harness, keys, values, (uint32_t)policy->peer_count);
	harness.tables->policy[0].ipv4_lengths = policy->ipv4_lengths;
	harness.tables->policy[0].ipv6_lengths = policy->ipv6_lengths;
	policy_free(policy);
}

static bool admitted(bool ipv4, const uint8_t address[static 16])
{
	struct outcome outcome;

	if (ipv4)
		memcpy(frame.bytes + frame.ip + 12, address + 12, 4);
	else
		memcpy(frame.bytes + frame.ip + 8, address, 16);
	outcome = harness_run(&harness, &frame);
	cr_assert(outcome.reason == REASON_PEER || outcome.reason == REASON_STRANGER_NEW);
	return outcome.reason == REASON_PEER;
}

static void syn_for(bool ipv4, uint16_t port)
{
	frame_syn(&frame, ipv4 ? CLIENT_IPV4 : CLIENT_IPV6, port);
}

Test(prefixes, every_prefix_length_holds_exactly_its_bits)
{
	for (unsigned int i = 0; i <= 32 + 129; i++) {
		const bool ipv4 = i <= 32;
		struct runtime_peer peer = {.prefix = some_prefix(ipv4, ipv4 ? i : i - 33),
					    .cluster = "c0"};
		const unsigned int first = ipv4 ? 96 : 0;
		uint8_t address[16];

		use_peers(&peer, 1);
		syn_for(ipv4, CLUSTER_0_PORT);
		memcpy(address, peer.prefix.address, sizeof(address));
		for (unsigned int host = 0; host < 3; host++) {
			/* The first address, the last, and one between them; each bit turned. */
			for (unsigned int bit = peer.prefix.length; bit < 128; bit++)
				if (host == 1 ? !bit_of(address, bit) : host == 2 && any(2))
					address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			cr_assert(admitted(ipv4, address), "length %u", peer.prefix.length);
			for (unsigned int bit = first; bit < 128; bit++) {
				address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
				cr_assert_eq(admitted(ipv4, address),
					     contains(&peer.prefix, address), "length %u, bit %u",
					     peer.prefix.length, bit);
				address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			}
		}
	}
}

/* ::/0 too holds no address of the form ::ffff:a.b.c.d, which no host may send (RFC 4291). */
Test(prefixes, an_ipv6_source_in_mapped_form_is_a_peer_by_no_prefix)
{
	for (unsigned int i = 0; i <= 32 + 81; i++) {
		const bool ipv4 = i <= 32;
		struct runtime_peer peer = {.prefix = some_prefix(ipv4, ipv4 ? i : i - 33),
					    .cluster = "c0"};
		uint8_t address[16] = {[10] = 0xff, [11] = 0xff};

		if (!ipv4) /* a prefix around the mapped addresses */
			memset(peer.prefix.address, 0, sizeof(peer.prefix.address));
		use_peers(&peer, 1);
		memcpy(address + 12, peer.prefix.address + 12, 4);
		syn_for(false, CLUSTER_0_PORT);
		cr_assert(!admitted(false, address), "length %u", peer.prefix.length);
		syn_for(true, CLUSTER_0_PORT);
		cr_assert_eq(admitted(true, address), ipv4, "length %u", peer.prefix.length);
		address[9] = 1; /* next to the mapped ones */
		syn_for(false, CLUSTER_0_PORT);
		cr_assert_eq(admitted(false, address), !ipv4 && contains(&peer.prefix, address),
			     "length %u", peer.prefix.length);
	}
}

#define CROWD 1500

static struct runtime_peer crowd[CROWD];
static unsigned int crowd_clusters[CROWD];

/* 33 lengths of IPv6, as many as fit, and all of IPv4; nested in each other half of the time. */
static void make_crowd(unsigned int first_length)
{
	for (unsigned int i = 0; i < CROWD; i++) {
		const bool ipv4 = i % 2, nested = i > 1 && any(2);
		const unsigned int length = ipv4 ? any(33) : (first_length + 3 * any(33)) % 129;
		const struct prefix *outer = nested ? &crowd[i - 2 - any(i / 2) * 2].prefix : NULL;
		struct prefix prefix = some_prefix(ipv4, length);

		if (nested)
			for (unsigned int bit = 0; bit < prefix.length && bit < outer->length;
			     bit++)
				if (bit_of(prefix.address, bit) != bit_of(outer->address, bit))
					prefix.address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
		crowd[i].prefix = prefix;
		crowd_clusters[i] = any(CLUSTERS_MAX);
		snprintf(crowd[i].cluster, sizeof(crowd[i].cluster), "c%u", crowd_clusters[i]);
	}
}

/* @cluster: as in cluster_of[]. */
static bool in_crowd(bool ipv4, const uint8_t address[static 16], unsigned int cluster)
{
	for (unsigned int i = 0; i < CROWD; i++)
		if (prefix_is_ipv4(&crowd[i].prefix) == ipv4 &&
		    (cluster == CLUSTER_ANY || crowd_clusters[i] == cluster) &&
		    contains(&crowd[i].prefix, address))
			return true;
	return false;
}

Test(prefixes, among_many_prefixes_of_many_clusters_the_look_up_finds_the_right_ones)
{
	unsigned int inside = 0, outside = 0;

	for (unsigned int i = 0; i < CLUSTERS_MAX; i++)
		harness_protect(&harness, (uint16_t)(10000 + i), (uint8_t)i);
	for (unsigned int round = 0; round < 4; round++) {
		make_crowd(round == 3 ? 30 : round);
		use_peers(crowd, CROWD);
		for (unsigned int i = 0; i < 5000; i++) {
			const struct runtime_peer *near = &crowd[any(CROWD)];
			const bool ipv4 = prefix_is_ipv4(&near->prefix);
			const unsigned int cluster = any(8) ? any(CLUSTERS_MAX) : CLUSTER_ANY;
			struct prefix source = some_prefix(ipv4, ipv4 ? 32 : 128);

			for (unsigned int bit = 0; bit < near->prefix.length; bit++)
				if (bit_of(near->prefix.address, bit) !=
				    bit_of(source.address, bit))
					source.address[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
			if (any(2))
				source.address[15 - any(ipv4 ? 4 : 16)] ^= (uint8_t)(1u << any(8));
			syn_for(ipv4,
				cluster == CLUSTER_ANY ? EPMD_PORT : (uint16_t)(10000 + cluster));
			if (in_crowd(ipv4, source.address, cluster)) {
				inside++;
				cr_assert(admitted(ipv4, source.address), "source %u", i);
			} else {
				outside++;
				cr_assert(!admitted(ipv4, source.address), "source %u", i);
			}
		}
	}
	cr_expect_gt(inside, 1000, "%u inside", inside);
	cr_expect_gt(outside, 1000, "%u outside", outside);
}
