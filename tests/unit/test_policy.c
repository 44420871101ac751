// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/policy.h"
#include "tests/seed.h"

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}
#define _cleanup_policy_ _cleanup_(cleanup_policy)

/* A configuration of two clusters, built by hand: what the reader does is tested elsewhere. */
static char name_app[] = "app", name_db[] = "db";
static struct port_range app_ports[] = {{9100, 9155, 1}, {25672, 25672, 1}};
static struct port_range db_ports[] = {{1, 1, 2}, {65535, 65535, 2}};
static struct port_range epmd_ports[] = {{4369, 4370, 3}};
static struct prefix app_peers[3], db_peers[2];
static struct cluster_config clusters[2];
static struct config config;

static struct prefix parsed(const char *text)
{
	struct prefix prefix = {0};
	struct error error = {""};

	cr_assert_eq(prefix_parse(text, &prefix, &error), 0, "%s", error.text);
	return prefix;
}

static void make_config(void)
{
	app_peers[0] = parsed("10.0.0.0/8");
	app_peers[1] = parsed("10.0.1.0/24");
	app_peers[2] = parsed("fd00:1::/64");
	db_peers[0] = parsed("::/0");
	db_peers[1] = parsed("10.0.1.0/24");
	clusters[0] = (struct cluster_config){
		.name = name_app,
		.ports = {app_ports, 2},
		.peers = app_peers,
		.peer_count = 3,
	};
	clusters[1] = (struct cluster_config){
		.name = name_db,
		.ports = {db_ports, 2},
		.peers = db_peers,
		.peer_count = 2,
	};
	config = (struct config){
		.mode = MODE_AUDIT,
		.epmd_ports = {epmd_ports, 1},
		.clusters = clusters,
		.cluster_count = 2,
	};
}

TestSuite(policy, .init = make_config);

static int build(const struct runtime_peer *runtime, size_t count, struct policy **policy,
		 struct error *error)
{
	const struct policy_parts parts = {
		.config = &config,
		.runtime = runtime,
		.runtime_count = count,
	};

	return policy_build(&parts, policy, error);
}

static struct policy *built(const struct runtime_peer *runtime, size_t count)
{
	struct policy *policy = NULL;
	struct error error = {""};

	cr_assert_eq(build(runtime, count, &policy, &error), 0, "%s", error.text);
	return policy;
}

/* The clusters that a prefix is a peer of, 0 when it is in no list. */
static uint64_t clusters_of(const struct policy *policy, const char *text)
{
	struct prefix prefix = parsed(text);

	for (size_t i = 0; i < policy->peer_count; i++)
		if (!prefix_compare(&policy->peers[i].prefix, &prefix))
			return policy->peers[i].clusters;
	return 0;
}

static bool is_protected(const struct policy *policy, unsigned port)
{
	return policy->ports[port / 64] >> (port % 64) & 1;
}

Test(policy, protects_the_configured_ports_and_no_other)
{
	_cleanup_policy_ struct policy *policy = built(NULL, 0);

	for (unsigned port = 0; port < PORTS; port++) {
		bool app = (port >= 9100 && port <= 9155) || port == 25672;
		bool db = port == 1 || port == 65535;
		bool epmd = port == 4369 || port == 4370;

		cr_expect_eq(is_protected(policy, port), app || db || epmd, "port %u", port);
		cr_expect_eq(policy->cluster_of[0][port],
			     epmd  ? CLUSTER_ANY
			     : app ? 0
			     : db  ? 1
				   : CLUSTER_NOBODY,
			     "port %u", port);
	}
	cr_expect_eq(policy->mode, MODE_AUDIT);
}

Test(policy, protects_all_ports_without_end)
{
	static struct port_range all[] = {{1, 65535, 1}};
	_cleanup_policy_ struct policy *policy = NULL;

	clusters[0].ports = (struct port_ranges){all, 1};
	clusters[1].ports.count = 0;
	config.epmd_ports.count = 0;
	policy = built(NULL, 0);
	cr_expect_not(is_protected(policy, 0));
	cr_expect(is_protected(policy, 1));
	cr_expect(is_protected(policy, 65535));
	cr_expect_eq(policy->cluster_of[0][65535], 0);
}

Test(policy, merges_a_prefix_that_two_clusters_name)
{
	_cleanup_policy_ struct policy *policy = built(NULL, 0);

	cr_expect_eq(policy->peer_count, 4);
	cr_expect_eq(clusters_of(policy, "10.0.1.0/24"), 3);
	cr_expect_eq(clusters_of(policy, "10.0.0.0/8"), 1);
	cr_expect_eq(clusters_of(policy, "fd00:1::/64"), 1);
	cr_expect_eq(clusters_of(policy, "::/0"), 2);
	for (size_t i = 1; i < policy->peer_count; i++)
		cr_expect_lt(prefix_compare(&policy->peers[i - 1].prefix, &policy->peers[i].prefix),
			     0);
}

Test(policy, adds_runtime_peers_of_known_clusters_only)
{
	const struct runtime_peer runtime[] = {
		{.prefix = parsed("10.0.0.0/8"), .cluster = "db"},
		{.prefix = parsed("10.0.0.0/8"), .cluster = "app"},
		{.prefix = parsed("192.0.2.1"), .cluster = "db"},
		{.prefix = parsed("192.0.2.2"), .cluster = "gone"},
	};
	_cleanup_policy_ struct policy *policy = built(runtime, 4);

	cr_expect_eq(policy->peer_count, 5);
	cr_expect_eq(clusters_of(policy, "10.0.0.0/8"), 3);
	cr_expect_eq(clusters_of(policy, "192.0.2.1"), 2);
	cr_expect_eq(clusters_of(policy, "192.0.2.2"), 0);
}

Test(policy, tells_of_which_clusters_the_configuration_makes_a_prefix_a_peer)
{
	const struct {
		const char *prefix;
		uint64_t clusters;
	} rows[] = {{"10.0.0.0/8", 1}, {"10.0.1.0/24", 3}, {"::/0", 2},
		    {"192.0.2.1", 0},  {"192.0.2.2", 0},   {"10.0.1.0/25", 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct prefix prefix = parsed(rows[i].prefix);

		cr_expect_eq(policy_configured(&config, &prefix), rows[i].clusters, "%s",
			     rows[i].prefix);
		for (size_t c = 0; c < config.cluster_count; c++)
			cr_expect_eq(policy_cluster_has(&config.clusters[c], &prefix),
				     rows[i].clusters >> c & 1, "%s", rows[i].prefix);
	}
}

Test(policy, without_clusters_no_address_is_a_peer)
{
	_cleanup_policy_ struct policy *policy = NULL;

	config.cluster_count = 0;
	policy = built(NULL, 0);
	cr_expect_eq(policy->peer_count, 0);
	cr_expect_eq(policy->ipv4_lengths.count, 0);
	cr_expect_eq(policy->ipv6_lengths.count, 0);
	cr_expect(is_protected(policy, 4369));
}

Test(policy, uses_the_last_bit_for_the_last_cluster)
{
	static struct cluster_config many[CLUSTERS_MAX];
	static char names[CLUSTERS_MAX][16];
	_cleanup_policy_ struct policy *policy = NULL;

	for (int i = 0; i < CLUSTERS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		many[i] = (struct cluster_config){
			.name = names[i],
			.peers = app_peers,
			.peer_count = 1,
		};
	}
	config.clusters = many;
	config.cluster_count = CLUSTERS_MAX;
	policy = built(NULL, 0);
	cr_expect_eq(policy->peer_count, 1);
	cr_expect_eq(policy->peers[0].clusters, UINT64_MAX);
	cr_expect_eq(policy_cluster_index(&config, "c63"), 63);
}

Test(policy, lists_each_length_once_and_the_longest_first)
{
	_cleanup_policy_ struct policy *policy = built(NULL, 0);

	cr_assert_eq(policy->ipv4_lengths.count, 2);
	cr_expect_eq(policy->ipv4_lengths.masks[0].length, 120);
	cr_expect_eq(policy->ipv4_lengths.masks[1].length, 104);
	cr_assert_eq(policy->ipv6_lengths.count, 2);
	cr_expect_eq(policy->ipv6_lengths.masks[0].length, 64);
	cr_expect_eq(policy->ipv6_lengths.masks[1].length, 0);
}

Test(policy, masks_keep_the_bytes_of_an_address_in_memory)
{
	static const uint8_t expected[16] = {255, 255, 255, 255, 255, 255, 255, 255,
					     255, 255, 255, 255, 255, 255, 255, 0};
	static const uint8_t odd[16] = {255, 255, 255, 255, 255, 0xe0};
	_cleanup_policy_ struct policy *policy = NULL;
	const struct prefix_mask *mask;

	app_peers[2] = parsed("fd00:1::/43");
	policy = built(NULL, 0);
	mask = &policy->ipv4_lengths.masks[0];
	cr_expect_eq(memcmp(&mask->high, expected, 8), 0);
	cr_expect_eq(memcmp(&mask->low, expected + 8, 8), 0);
	mask = &policy->ipv6_lengths.masks[0];
	cr_expect_eq(mask->length, 43);
	cr_expect_eq(memcmp(&mask->high, odd, 8), 0);
	cr_expect_eq(mask->low, 0);
	cr_expect_eq(policy->ipv6_lengths.masks[1].high, 0);
}

Test(policy, every_ipv4_length_fits_and_one_ipv6_length_too_many_is_refused)
{
	static struct runtime_peer runtime[2 * PREFIX_LENGTHS_MAX];
	_cleanup_policy_ struct policy *policy = NULL;
	struct policy *refused = NULL;
	struct error error = {""};
	char text[64];

	for (int i = 0; i < PREFIX_LENGTHS_MAX; i++) {
		snprintf(text, sizeof(text), "0.0.0.0/%d", i);
		runtime[i] = (struct runtime_peer){.prefix = parsed(text), .cluster = "db"};
		snprintf(text, sizeof(text), "::/%d", i);
		runtime[i + PREFIX_LENGTHS_MAX] = (struct runtime_peer){.prefix = parsed(text),
									.cluster = "db"};
	}
	clusters[0].peer_count = 0;
	policy = built(runtime, 2 * PREFIX_LENGTHS_MAX);
	cr_expect_eq(policy->ipv4_lengths.count, PREFIX_LENGTHS_MAX);
	cr_expect_eq(policy->ipv6_lengths.count, PREFIX_LENGTHS_MAX);
	clusters[0].peer_count = 3;
	cr_expect_eq(build(runtime, 2 * PREFIX_LENGTHS_MAX, &refused, &error), -E2BIG);
	cr_expect_null(refused);
	cr_expect(strstr(error.text, "33 different prefix lengths"), "%s", error.text);
}

Test(policy, counts_different_prefixes_against_the_limit)
{
	const size_t count = PEERS_MAX + 2;
	_cleanup_free_ struct prefix *peers = calloc(count, sizeof(*peers));
	_cleanup_policy_ struct policy *policy = NULL;
	struct policy *refused = NULL;
	struct error error = {""};

	alarm(120);
	cr_assert_not_null(peers);
	for (size_t i = 0; i < count; i++) {
		peers[i] = parsed("10.0.0.0");
		peers[i].address[13] = (uint8_t)(i >> 16);
		peers[i].address[14] = (uint8_t)(i >> 8);
		peers[i].address[15] = (uint8_t)i;
	}
	clusters[0].peers = peers;
	clusters[0].peer_count = PEERS_MAX;
	clusters[1].peers = peers + 1;
	clusters[1].peer_count = PEERS_MAX - 1;
	policy = built(NULL, 0);
	cr_expect_eq(policy->peer_count, PEERS_MAX);
	clusters[1].peer_count = PEERS_MAX;
	cr_expect_eq(build(NULL, 0, &refused, &error), -E2BIG);
	cr_expect_null(refused);
	cr_expect(strstr(error.text, "1000001 different peers"), "%s", error.text);
}

Test(policy, takes_over_which_listeners_are_protected_for_being_seen)
{
	for (unsigned choice = 0; choice < 4; choice++) {
		_cleanup_policy_ struct policy *policy = NULL;

		config.discovery_autobound = choice & 1;
		config.discovery_fixed = choice & 2;
		policy = built(NULL, 0);
		cr_expect_eq(policy->protect_autobound, config.discovery_autobound);
		cr_expect_eq(policy->protect_fixed, config.discovery_fixed);
	}
}

Test(policy, finds_clusters_by_name)
{
	cr_expect_eq(policy_cluster_index(&config, "app"), 0);
	cr_expect_eq(policy_cluster_index(&config, "db"), 1);
	cr_expect_eq(policy_cluster_index(&config, "ap"), -ENOENT);
	cr_expect_eq(policy_cluster_index(&config, ""), -ENOENT);
}

/* The filter's look-up, as the contract describes it, against the prefixes themselves. */
static uint64_t look_up(const struct policy *policy, const struct prefix *address)
{
	const struct prefix_lengths *lengths = prefix_is_ipv4(address) ? &policy->ipv4_lengths
								       : &policy->ipv6_lengths;
	uint64_t found = 0, high, low;

	memcpy(&high, address->address, sizeof(high));
	memcpy(&low, address->address + 8, sizeof(low));
	for (uint32_t i = 0; i < lengths->count; i++) {
		uint64_t masked[2] = {high & lengths->masks[i].high, low & lengths->masks[i].low};
		struct peer_key wanted = {.length = lengths->masks[i].length}, key;

		memcpy(wanted.address, masked, sizeof(masked));
		for (size_t j = 0; j < policy->peer_count; j++) {
			policy_peer_key(&policy->peers[j].prefix, &key);
			if (!memcmp(&key, &wanted, sizeof(key)))
				found |= policy->peers[j].clusters;
		}
	}
	return found;
}

static uint64_t contained(const struct config *of, const struct prefix *address)
{
	uint64_t found = 0;

	for (size_t i = 0; i < of->cluster_count; i++) {
		for (size_t j = 0; j < of->clusters[i].peer_count; j++) {
			const struct prefix *peer = &of->clusters[i].peers[j];
			bool same = prefix_is_ipv4(peer) == prefix_is_ipv4(address);

			for (unsigned bit = 0; bit < peer->length; bit++)
				same = same &&
				       !((peer->address[bit / 8] ^ address->address[bit / 8]) &
					 0x80 >> bit % 8);
			found |= same ? UINT64_C(1) << i : 0;
		}
	}
	return found;
}

static struct prefix random_prefix(void)
{
	bool ipv4 = rand() % 2;
	struct prefix prefix = {.length = (uint8_t)(ipv4 ? 96 + rand() % 33 : rand() % 129)};

	/* Few different bits, so that prefixes often contain one another. */
	for (size_t i = 0; i < 16; i++)
		prefix.address[i] = (uint8_t)(rand() % 8 ? 0 : 1 << rand() % 8);
	if (ipv4)
		memcpy(prefix.address, (uint8_t[12]){[10] = 0xff, [11] = 0xff}, 12);
	else
		prefix.address[0] |= 0x20;
	for (unsigned bit = prefix.length; bit < 128; bit++)
		prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return prefix;
}

Test(policy, the_look_up_it_describes_finds_the_clusters_of_random_addresses)
{
	const unsigned int seed = test_seed();
	struct prefix peers[2][12];
	size_t hits = 0;

	srand(seed);
	for (int round = 0; round < 500; round++) {
		_cleanup_policy_ struct policy *policy = NULL;

		for (int i = 0; i < 24; i++)
			peers[i / 12][i % 12] = random_prefix();
		clusters[0].peers = peers[0];
		clusters[1].peers = peers[1];
		clusters[0].peer_count = clusters[1].peer_count = 12;
		policy = built(NULL, 0);
		for (int i = 0; i < 50; i++) {
			struct prefix address = random_prefix();
			uint64_t expected;

			address.length = 128;
			expected = contained(&config, &address);
			hits += expected != 0;
			cr_assert_eq(look_up(policy, &address), expected, "seed %u, round %d", seed,
				     round);
		}
	}
	cr_assert_gt(hits, 100, "seed %u: too few hits to prove anything", seed);
}

Test(policy, a_listener_that_was_found_is_in_its_cluster_where_it_can_be_reached)
{
	static const struct policy_listener listeners[] = {
		{.port = 40000, .reach = REACH_IPV4, .cluster = 0},
		{.port = 40001, .reach = REACH_IPV6, .cluster = 1},
		{.port = 40002, .reach = REACH_BINDING, .cluster = 1, .address = {[15] = 7}},
		{.port = 9100, .reach = REACH_IPV4 | REACH_IPV6, .cluster = 1},
		{.port = 9101, .reach = REACH_BINDING, .cluster = 1},
	};
	const struct policy_parts parts = {
		.config = &config,
		.listeners = listeners,
		.listener_count = sizeof(listeners) / sizeof(listeners[0]),
	};
	_cleanup_policy_ struct policy *policy = NULL;

	cr_assert_eq(policy_build(&parts, &policy, NULL), 0);
	cr_expect_eq(policy->cluster_of[0][40000], 0);
	cr_expect_eq(policy->cluster_of[1][40000], CLUSTER_NOBODY);
	cr_expect_eq(policy->cluster_of[0][40001], CLUSTER_NOBODY);
	cr_expect_eq(policy->cluster_of[1][40001], 1);
	cr_expect_eq(policy->cluster_of[0][40002], CLUSTER_NOBODY);
	cr_assert_eq(policy->binding_count, 1, "%zu", policy->binding_count);
	cr_expect_eq(policy->bindings[0].key.port, 40002);
	cr_expect_eq(policy->bindings[0].key.address[15], 7);
	cr_expect_eq(policy->bindings[0].cluster, 1);
	cr_expect_not(is_protected(policy, 40000), "not by the configuration");
	cr_expect_eq(policy->cluster_of[0][9100], 0, "the configuration says whose it is");
}
