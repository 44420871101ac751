// SPDX-License-Identifier: BSD-2-Clause
/* Zones, clusters, peers and counters. */
#include <criterion/criterion.h>
#include <netinet/in.h>

#include "tests/bpf/harness.h"

static struct harness harness;
static struct test_frame frame;

static void open_harness(void)
{
	harness_open(&harness, true);
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(zones, .init = open_harness, .fini = close_harness);

static enum reason reason_for(const char *source, uint16_t port)
{
	frame_syn(&frame, source, port);
	return harness_run(&harness, &frame).reason;
}

Test(zones, cluster_ports_are_open_to_their_own_peers_only)
{
	static const struct {
		const char *source;
		enum reason cluster_0, cluster_1, epmd, nobody;
	} rows[] = {
		{PEER_IPV4, REASON_PEER, REASON_STRANGER_NEW, REASON_PEER, REASON_STRANGER_NEW},
		{PEER_IPV6, REASON_PEER, REASON_STRANGER_NEW, REASON_PEER, REASON_STRANGER_NEW},
		{OTHER_PEER_IPV4, REASON_STRANGER_NEW, REASON_PEER, REASON_PEER,
		 REASON_STRANGER_NEW},
		{OTHER_PEER_IPV6, REASON_STRANGER_NEW, REASON_PEER, REASON_PEER,
		 REASON_STRANGER_NEW},
		{CLIENT_IPV4, REASON_STRANGER_NEW, REASON_STRANGER_NEW, REASON_STRANGER_NEW,
		 REASON_STRANGER_NEW},
		{CLIENT_IPV6, REASON_STRANGER_NEW, REASON_STRANGER_NEW, REASON_STRANGER_NEW,
		 REASON_STRANGER_NEW},
	};

	harness_zone(&harness, ZONE_CLUSTER);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_expect_eq(reason_for(rows[i].source, CLUSTER_0_PORT), rows[i].cluster_0, "%s",
			     rows[i].source);
		cr_expect_eq(reason_for(rows[i].source, CLUSTER_1_PORT), rows[i].cluster_1, "%s",
			     rows[i].source);
		cr_expect_eq(reason_for(rows[i].source, EPMD_PORT), rows[i].epmd, "%s",
			     rows[i].source);
		cr_expect_eq(reason_for(rows[i].source, NOBODY_PORT), rows[i].nobody, "%s",
			     rows[i].source);
	}
}

Test(zones, a_prefix_ends_where_its_length_says)
{
	harness_zone(&harness, ZONE_CLUSTER);
	cr_expect_eq(reason_for("10.0.1.0", CLUSTER_0_PORT), REASON_PEER);
	cr_expect_eq(reason_for("10.0.1.255", CLUSTER_0_PORT), REASON_PEER);
	cr_expect_eq(reason_for("10.0.0.255", CLUSTER_0_PORT), REASON_STRANGER_NEW);
	cr_expect_eq(reason_for("10.0.2.0", CLUSTER_0_PORT), REASON_STRANGER_NEW);
	cr_expect_eq(reason_for("fd00:1::ffff:ffff:ffff:ffff", CLUSTER_0_PORT), REASON_PEER);
	cr_expect_eq(reason_for("fd00:1:0:1::", CLUSTER_0_PORT), REASON_STRANGER_NEW);
}

Test(zones, an_ipv6_peer_does_not_admit_the_ipv4_address_within_it)
{
	harness_zone(&harness, ZONE_CLUSTER);
	harness_peer(&harness, "::/0", 1);
	cr_expect_eq(reason_for(CLIENT_IPV4, CLUSTER_0_PORT), REASON_STRANGER_NEW);
	cr_expect_eq(reason_for(CLIENT_IPV6, CLUSTER_0_PORT), REASON_PEER);
}

Test(zones, an_ipv6_source_in_mapped_form_is_not_the_ipv4_peer)
{
	harness_zone(&harness, ZONE_CLUSTER);
	cr_expect_eq(reason_for(OTHER_PEER_IPV4, CLUSTER_1_PORT), REASON_PEER);
	cr_expect_eq(reason_for(OTHER_PEER_IPV6, CLUSTER_1_PORT), REASON_PEER);
	cr_expect_eq(reason_for("::ffff:" OTHER_PEER_IPV4, CLUSTER_1_PORT), REASON_STRANGER_NEW);
}

Test(zones, unreadable_frames_from_peers_pass_and_from_strangers_do_not)
{
	harness_zone(&harness, ZONE_CLUSTER);
	for (int stranger = 0; stranger < 2; stranger++) {
		frame_ipv6(frame_ethernet(&frame), stranger ? CLIENT_IPV6 : PEER_IPV6, HOST_IPV6);
		for (int i = 0; i < 17; i++)
			frame_extension(&frame, IPPROTO_DSTOPTS, 1);
		frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
		cr_expect_eq(harness_run(&harness, &frame).reason,
			     stranger ? REASON_HEADERS_TOO_MANY : REASON_PEER);
	}
}

Test(zones, trusted_and_unnamed_interfaces_pass_everything)
{
	harness_zone(&harness, ZONE_TRUSTED);
	cr_expect_eq(reason_for(CLIENT_IPV4, EPMD_PORT), REASON_TRUSTED);
	harness_zone(&harness, ZONE_NONE);
	cr_expect_eq(reason_for(CLIENT_IPV4, EPMD_PORT), REASON_NO_ZONE);
	harness.tables->host.base_of[harness.ifindex] = 0;
	cr_expect_eq(reason_for(CLIENT_IPV4, EPMD_PORT), REASON_NO_ZONE);
}

static enum reason tagged_reason(uint16_t outer, uint16_t inner)
{
	frame_ethernet(&frame);
	if (outer != VLAN_IDS)
		frame_tag(&frame, 0x8100, outer);
	if (inner != VLAN_IDS)
		frame_tag(&frame, 0x8100, inner);
	frame_ipv4(&frame, PEER_IPV4, HOST_IPV4);
	frame_end(frame_tcp(&frame, 40000, CLUSTER_0_PORT, FLAG_SYN));
	return harness_run(&harness, &frame).reason;
}

Test(zones, a_vlan_can_have_a_zone_of_its_own_and_others_have_the_interfaces)
{
	harness_vlan(&harness, 120, ZONE_CLUSTER);
	harness_vlan(&harness, 4094, ZONE_TRUSTED);
	cr_expect_eq(tagged_reason(VLAN_IDS, VLAN_IDS), REASON_CLIENT_NEW, "untagged");
	cr_expect_eq(tagged_reason(120, VLAN_IDS), REASON_PEER, "VLAN 120");
	cr_expect_eq(tagged_reason(120 | 0xe000, VLAN_IDS), REASON_PEER, "VLAN 120, priority 7");
	cr_expect_eq(tagged_reason(4094, VLAN_IDS), REASON_TRUSTED, "VLAN 4094");
	cr_expect_eq(tagged_reason(121, VLAN_IDS), REASON_CLIENT_NEW, "VLAN 121");
	cr_expect_eq(tagged_reason(0, VLAN_IDS), REASON_CLIENT_NEW, "priority tag");
	cr_expect_eq(tagged_reason(0, 120), REASON_PEER, "VLAN 120 behind a priority tag");
	cr_expect_eq(tagged_reason(121, 120), REASON_CLIENT_NEW, "VLAN 120 inside VLAN 121");
	cr_expect_eq(tagged_reason(120, 121), REASON_PEER, "VLAN 121 inside VLAN 120");
}

Test(zones, frames_are_counted_once_with_their_bytes_and_explaining_counts_none)
{
	struct tally tally;

	harness_vlan(&harness, 120, ZONE_CLUSTER);
	for (int i = 0; i < 3; i++)
		reason_for(CLIENT_IPV4, EPMD_PORT);
	tally = harness_count(&harness, 1, MODE_ENFORCE, REASON_CLIENT_NEW);
	cr_expect_eq(tally.packets, 3);
	cr_expect_eq(tally.bytes, 3 * 54);
	reason_for(CLIENT_IPV4, OPEN_PORT);
	tally = harness_count(&harness, 1, MODE_ENFORCE, REASON_OTHER_PORT);
	cr_expect_eq(tally.packets, 1);
	cr_expect_eq(tally.bytes, 54);
	tagged_reason(120, VLAN_IDS);
	tally = harness_count(&harness, 2, MODE_ENFORCE, REASON_PEER);
	cr_expect_eq(tally.packets, 1);
	cr_expect_eq(tally.bytes, 58);
}

Test(zones, the_policy_aside_changes_nothing_until_it_is_switched_to)
{
	harness.tables->policy[1] = harness.tables->policy[0];
	harness.tables->here.suspects[1][OPEN_PORT / 64] |= 1ull << OPEN_PORT % 64;
	harness.tables->policy[1].configured[OPEN_PORT / 64] |= 1ull << OPEN_PORT % 64;
	cr_expect_eq(reason_for(CLIENT_IPV4, OPEN_PORT), REASON_OTHER_PORT);
	harness.tables->generation = 1;
	cr_expect_eq(reason_for(CLIENT_IPV4, OPEN_PORT), REASON_CLIENT_NEW);
}

Test(interfaces, frames_without_an_ethernet_header_are_read_from_the_ip_header)
{
	harness_open(&harness, false);
	frame_end(frame_tcp(frame_ipv4(frame_begin(&frame), CLIENT_IPV4, HOST_IPV4), 40000,
			    EPMD_PORT, FLAG_SYN));
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_CLIENT_NEW);
	frame_end(frame_tcp(frame_ipv6(frame_begin(&frame), CLIENT_IPV6, HOST_IPV6), 40000,
			    EPMD_PORT, FLAG_SYN));
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_CLIENT_NEW);
	frame_extension(frame_ipv6(frame_begin(&frame), CLIENT_IPV6, HOST_IPV6), IPPROTO_DSTOPTS,
			1);
	frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_CLIENT_NEW);
	frame_ipv4_options(frame_ipv4(frame_begin(&frame), CLIENT_IPV4, HOST_IPV4), 8);
	frame_end(frame_tcp(&frame, 40000, OPEN_PORT, FLAG_SYN));
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_OTHER_PORT);
	harness_close(&harness);
}

/* Headers of 4 KiB reach past the first buffer of a frame (a page less its head and tail room). */
Test(interfaces, headers_beyond_the_first_buffer_are_read)
{
	harness_open(&harness, true);
	for (int port = 0; port < 2; port++) {
		frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
		frame_extension(&frame, IPPROTO_HOPOPTS, 256);
		frame_extension(&frame, IPPROTO_DSTOPTS, 256);
		frame_tcp(&frame, 40000, port ? EPMD_PORT : OPEN_PORT, FLAG_SYN);
		frame_end(frame_payload(&frame, 1000));
		cr_expect_eq(harness_run(&harness, &frame).reason,
			     port ? REASON_CLIENT_NEW : REASON_OTHER_PORT);
	}
	cr_expect_eq(harness_count(&harness, 1, MODE_ENFORCE, REASON_CLIENT_NEW).bytes, frame.size);
	harness_close(&harness);
}

/* The filter asks the kernel for the size of long frames alone. */
Test(interfaces, frames_of_any_size_are_counted_with_all_their_bytes)
{
	static const size_t payloads[] = {0, 201, 202, 203, 1446, 3400, 3600, 8000};
	struct tally sum = {}, tally;

	harness_open(&harness, true);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
		frame_tcp(&frame, 40000, OPEN_PORT, FLAG_ACK);
		frame_end(frame_payload(&frame, payloads[i]));
		cr_expect_eq(harness_run(&harness, &frame).reason, REASON_OTHER_PORT);
		sum.packets++;
		sum.bytes += frame.size;
		tally = harness_count(&harness, 1, MODE_ENFORCE, REASON_OTHER_PORT);
		cr_expect_eq(tally.packets, sum.packets);
		cr_expect_eq(tally.bytes, sum.bytes, "%zu bytes", frame.size);
	}
	harness_close(&harness);
}

Test(interfaces, without_multi_buffer_support_such_a_chain_is_dropped_as_unreadable)
{
	harness_open_with(&harness, true, false, false);
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	for (int i = 0; i < 8; i++)
		frame_extension(&frame, IPPROTO_DSTOPTS, 64);
	frame_end(frame_tcp(&frame, 40000, OPEN_PORT, FLAG_SYN));
	frame.size = 3000;
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_HEADERS_TRUNCATED);
	harness_close(&harness);
}
