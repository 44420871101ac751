// SPDX-License-Identifier: BSD-2-Clause
/* What a listener protects is where it can be reached: at which address, in which families. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

#define OTHER_IPV4 "198.51.100.2"
#define OTHER_IPV6 "2001:db8:1::2"

static void start(void)
{
	watching_open();
	call_myself("beam.smp");
}

TestSuite(places, .init = start, .fini = watching_close);

static bool is_bound(uint16_t port)
{
	return watching.harness.tables->here.bound[port / 64] >> port % 64 & 1;
}

static uint32_t count_at_all(uint16_t port)
{
	return watching.harness.tables->here.listeners[port].counts[STANDING_AUTOBOUND];
}

Test(places, a_listener_at_one_address_protects_its_port_there_and_nowhere_else)
{
	static const struct {
		const char *address, *sibling, *stranger;
	} rows[] = {{HOST_IPV4, OTHER_IPV4, HOST_IPV6}, {HOST_IPV6, OTHER_IPV6, HOST_IPV4}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int fd = listen_at(rows[i].address, 0);
		const uint16_t port = port_of(fd);

		cr_expect_eq(syn_at(rows[i].address, port), REASON_CLIENT_NEW);
		cr_expect_eq(syn_at(rows[i].sibling, port), REASON_OTHER_PORT);
		cr_expect_eq(syn_at(rows[i].stranger, port), REASON_OTHER_PORT);
		cr_expect_eq(syn_at(rows[i].address, (uint16_t)(port ^ 1)), REASON_OTHER_PORT);
		cr_expect_eq(count_at_all(port), 0, "that would close it at every address");
		close(fd);
		cr_expect_eq(syn_at(rows[i].address, port), REASON_OTHER_PORT, "closed");
	}
}

Test(places, listeners_at_two_addresses_of_a_port_count_apart)
{
	const int first = listen_at(HOST_IPV4, 0);
	const uint16_t port = port_of(first);
	const int second = listen_at(OTHER_IPV4, port);

	settle(port, true); /* one of the two: which is all the same */
	close(first);
	cr_expect_eq(syn_at(HOST_IPV4, port), REASON_OTHER_PORT);
	cr_expect_eq(counted(port, STANDING_SURE) + counted(port, STANDING_FIXED), 1);
	close(second);
	cr_expect_eq(syn_at(OTHER_IPV4, port), REASON_OTHER_PORT);
	cr_expect_eq(counted(port, STANDING_SURE) + counted(port, STANDING_FIXED), 0);
}

Test(places, a_listener_on_loopback_closes_nothing_and_leaves_its_port_on_the_short_path)
{
	static const struct place rows[] = {
		{.address = "127.0.0.1"},
		{.address = "127.9.9.9"},
		{.address = "::1"},
		{.address = "::ffff:127.0.0.1"},
		{.address = "0.0.0.0", .device = "lo"},
		{.address = "::", .device = "lo"},
		{.address = "::", .device = "lo", .ipv6_only = true},
	};

	watching.harness.tables->policy[0].protect_fixed = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int fd = listen_in(&rows[i]);
		const uint16_t port = port_of(fd);
		struct fence_listener known;

		cr_expect(find_listener(port, &known), "%s is not known", rows[i].address);
		settle(port, true);
		cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "%s", rows[i].address);
		cr_expect_eq(syn6_to(port), REASON_OTHER_PORT, "%s", rows[i].address);
		cr_expect_not(is_suspect(port), "%s", rows[i].address);
		cr_expect_not(is_bound(port), "%s", rows[i].address);
		close(fd);
	}
}

Test(places, a_listener_on_another_device_is_reached_at_every_address)
{
	const int fd = listen_at("0.0.0.0", 0);
	const uint16_t port = port_of(fd);

	cr_expect(is_suspect(port));
	cr_expect_not(is_bound(port), "no address has to be looked up");
	close(fd);
}

Test(places, an_ipv4_address_that_is_mapped_counts_as_ipv4)
{
	const int one = listen_at("::ffff:" HOST_IPV4, 0), all = listen_at("::ffff:0.0.0.0", 0);
	const uint16_t port = port_of(one), wild = port_of(all);

	cr_expect_eq(syn_at(HOST_IPV4, port), REASON_CLIENT_NEW);
	cr_expect_eq(syn_at(OTHER_IPV4, port), REASON_OTHER_PORT);
	cr_expect_eq(syn6_to(port), REASON_OTHER_PORT);
	cr_expect_eq(syn_at(OTHER_IPV4, wild), REASON_CLIENT_NEW);
	cr_expect_eq(syn6_to(wild), REASON_OTHER_PORT);
	cr_expect_eq(count_at_all(wild), COUNT_IPV4);
	close(one);
	close(all);
}

Test(places, a_dual_stack_listener_counts_for_both_families_and_an_ipv6_only_one_for_ipv6)
{
	const int both = listen_at("::", 0);
	const int one = listen_in(&(struct place){.address = "::", .ipv6_only = true});
	const uint16_t dual = port_of(both), single = port_of(one);

	cr_expect_eq(syn_to(dual), REASON_CLIENT_NEW);
	cr_expect_eq(syn6_to(dual), REASON_CLIENT_NEW);
	cr_expect_eq(count_at_all(dual), COUNT_IPV4 + COUNT_IPV6);
	cr_expect_eq(syn_to(single), REASON_OTHER_PORT);
	cr_expect_eq(syn6_to(single), REASON_CLIENT_NEW);
	cr_expect_eq(count_at_all(single), COUNT_IPV6);
	close(both);
	close(one);
	cr_expect_eq(count_at_all(dual), 0);
	cr_expect_eq(count_at_all(single), 0);
}

/* Clusters: who may reach the listener. */

static void assign(uint16_t port, uint8_t cluster)
{
	struct fence_listener known;

	cr_assert(find_listener(port, &known));
	fence_assign(&watching.fence, &known.listener, cluster);
	cr_expect_eq(fence_cluster(&watching.fence, &known.listener), cluster);
}

Test(places, the_cluster_of_a_listener_at_one_address_lets_its_peers_in_there_alone)
{
	int fd = listen_at(HOST_IPV4, 0);
	const uint16_t port = port_of(fd);
	int sibling;

	harness_zone(&watching.harness, ZONE_CLUSTER);
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_STRANGER_NEW, "in no cluster");
	assign(port, 0);
	sibling = listen_at(OTHER_IPV4, port);
	claim(port); /* a claim is for both: so that the sibling is protected too */
	settle(port, true);
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_PEER);
	cr_expect_eq(syn_from(OTHER_PEER_IPV4, HOST_IPV4, port), REASON_STRANGER_NEW);
	close(sibling);
	sibling = listen_at(OTHER_IPV4, port);
	cr_expect_eq(syn_from(PEER_IPV4, OTHER_IPV4, port), REASON_STRANGER_NEW);
	close(sibling);
	close(fd);
	fd = listen_at(HOST_IPV4, port);
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_STRANGER_NEW, "forgotten");
	close(fd);
}

Test(places, the_cluster_of_a_port_goes_by_family)
{
	const int ipv4 = listen_at("0.0.0.0", 0);
	const uint16_t port = port_of(ipv4);
	int ipv6;

	harness_zone(&watching.harness, ZONE_CLUSTER);
	assign(port, 0);
	claim(port);
	ipv6 = listen_in(&(struct place){.address = "::", .port = port, .ipv6_only = true});
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_PEER);
	cr_expect_eq(syn_from(PEER_IPV6, HOST_IPV6, port), REASON_STRANGER_NEW);
	close(ipv4);
	cr_expect_eq(watching.harness.tables->policy[0].cluster_of[0][port], CLUSTER_NOBODY);
	assign(port, 1);
	close(fixed(port));
	cr_expect_eq(watching.harness.tables->policy[0].cluster_of[1][port], 1, "still there");
	cr_expect_eq(watching.harness.tables->policy[0].cluster_of[0][port], CLUSTER_NOBODY);
	cr_expect_eq(syn_from(OTHER_PEER_IPV6, HOST_IPV6, port), REASON_PEER);
	close(ipv6);
	cr_expect_eq(watching.harness.tables->policy[0].cluster_of[1][port], CLUSTER_NOBODY);
}

Test(places, a_cluster_is_kept_while_one_of_its_listeners_is_left)
{
	struct binding binding;
	const int first = listen_at(HOST_IPV4, 0);
	const uint16_t port = port_of(first);
	const struct binding more = {.counts = {[STANDING_AUTOBOUND] = 2}, .cluster = {0, 0}};
	const struct binding_key key = {.address = {[10] = 0xff, 0xff, 198, 51, 100, 1},
					.port = port};

	/* As if another socket had the same address and port (SO_REUSEPORT). */
	bpf_map_update_elem(bpf_map__fd(watching.harness.live->maps.bindings), &key, &more,
			    BPF_ANY);
	close(first);
	cr_expect(find_binding(HOST_IPV4, port, &binding));
	cr_expect_eq(binding.counts[STANDING_AUTOBOUND], 1);
	cr_expect_eq(binding.cluster[0], 0);
}

Test(places, a_configured_port_keeps_its_cluster_whatever_is_found_there)
{
	const int fd = listen_at(HOST_IPV4, CLUSTER_1_PORT);
	struct fence_listener known;

	harness_protect(&watching.harness, CLUSTER_1_PORT, 1);
	harness_zone(&watching.harness, ZONE_CLUSTER);
	cr_assert(find_listener(CLUSTER_1_PORT, &known));
	fence_assign(&watching.fence, &known.listener, 0);
	cr_expect_eq(fence_cluster(&watching.fence, &known.listener), 1);
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, CLUSTER_1_PORT), REASON_STRANGER_NEW);
	cr_expect_eq(syn_from(OTHER_PEER_IPV4, HOST_IPV4, CLUSTER_1_PORT), REASON_PEER);
	close(fd);
}
