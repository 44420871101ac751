// SPDX-License-Identifier: BSD-2-Clause
/* A client interface: nothing for a protected port gets in, whatever its shape. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

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

TestSuite(client, .init = open_harness, .fini = close_harness);

static void expect(enum reason reason, const char *what)
{
	const struct outcome outcome = harness_run(&harness, &frame);
	const int action = reason_is_drop(reason) ? XDP_DROP : XDP_PASS;

	cr_expect_eq(outcome.reason, reason, "%s: reason %s, not %s", what,
		     reason_name(outcome.reason), reason_name(reason));
	cr_expect_eq(outcome.action, action, "%s: action %d", what, outcome.action);
}

Test(client, a_syn_to_each_protected_port_is_dropped_from_anyone)
{
	static const char *const sources[] = {CLIENT_IPV4, CLIENT_IPV6, PEER_IPV4,   PEER_IPV6,
					      HOST_IPV4,   HOST_IPV6,	"127.0.0.1", "::1"};
	static const uint16_t ports[] = {EPMD_PORT, CLUSTER_0_PORT, CLUSTER_0_PORT + 9,
					 CLUSTER_1_PORT, NOBODY_PORT};

	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		for (size_t j = 0; j < sizeof(ports) / sizeof(ports[0]); j++) {
			frame_syn(&frame, sources[i], ports[j]);
			expect(REASON_CLIENT_NEW, sources[i]);
		}
}

Test(client, every_other_port_passes)
{
	size_t protected = 0;

	for (unsigned int port = 0; port < PORTS; port++) {
		struct outcome outcome;

		frame_syn(&frame, CLIENT_IPV4, (uint16_t)port);
		outcome = harness_run(&harness, &frame);
		if (outcome.reason == REASON_CLIENT_NEW)
		protected++;
		else cr_assert_eq(outcome.reason, REASON_OTHER_PORT, "port %u", port);
	}
	cr_expect_eq(protected, 13); /* epmd, ten of cluster 0, one of cluster 1, nobody's */
}

Test(client, a_source_port_that_is_protected_means_nothing)
{
	frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_tcp(&frame, EPMD_PORT, OPEN_PORT, FLAG_SYN));
	expect(REASON_OTHER_PORT, "source port 4369");
}

Test(client, flags_syn_without_ack_is_a_new_connection_whatever_else_is_set)
{
	for (unsigned int flags = 0; flags < 256; flags++) {
		char what[32];

		snprintf(what, sizeof(what), "flags %#x", flags);
		frame_segment(&frame, CLIENT_IPV4, EPMD_PORT, (uint8_t)flags);
		expect((flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN ? REASON_CLIENT_NEW
								   : REASON_NO_LISTENER,
		       what);
	}
}

/* Every mix of the two tag types, with an ID or as a priority tag, up to the limit. */
Test(client, vlan_tags_hide_nothing)
{
	for (unsigned int tags = 1; tags <= VLAN_TAGS_MAX; tags++)
		for (unsigned int mix = 0; mix < 1u << (2 * tags); mix++) {
			frame_ethernet(&frame);
			for (unsigned int i = 0; i < tags; i++)
				frame_tag(&frame, mix >> (2 * i) & 1 ? 0x88a8 : 0x8100,
					  mix >> (2 * i + 1) & 1 ? (uint16_t)(100 + i) : 0xe000);
			if (mix & 1)
				frame_ipv6(&frame, CLIENT_IPV6, HOST_IPV6);
			else
				frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4);
			frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
			expect(REASON_CLIENT_NEW, "tagged");
		}
}

Test(client, more_tags_than_are_read_are_dropped)
{
	frame_ethernet(&frame);
	for (int i = 0; i <= VLAN_TAGS_MAX; i++)
		frame_tag(&frame, 0x8100, 7);
	frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
	expect(REASON_VLAN_TOO_DEEP, "five tags");
}

Test(client, ipv4_options_hide_nothing)
{
	for (size_t options = 4; options <= 40; options += 4) {
		frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
		frame_tcp(frame_ipv4_options(&frame, options), 40000, EPMD_PORT, FLAG_SYN);
		frame_end(&frame);
		expect(REASON_CLIENT_NEW, "options");
	}
}

Test(client, ipv6_extension_headers_hide_nothing)
{
	static const uint8_t kinds[] = {
		IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, 135, 139, 140};

	for (size_t first = 0; first < sizeof(kinds); first++)
		for (size_t second = 0; second < sizeof(kinds); second++)
			for (unsigned int units = 1; units < 24; units += 11) {
				frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
				frame_extension(&frame, kinds[first], units);
				frame_extension(&frame, kinds[second], 1);
				frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
				expect(REASON_CLIENT_NEW, "two extension headers");
			}
}

Test(client, an_authentication_header_hides_nothing_in_either_version)
{
	for (unsigned int words = 3; words < 12; words++) {
		frame_ah(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), words);
		frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
		expect(REASON_CLIENT_NEW, "IPv4 with AH");
		frame_ah(frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6), words);
		frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
		expect(REASON_CLIENT_NEW, "IPv6 with AH");
	}
}

Test(client, the_longest_chain_that_is_read_and_one_more)
{
	for (int headers = 16; headers <= 17; headers++) {
		frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
		for (int i = 0; i < headers; i++)
			frame_extension(&frame, IPPROTO_DSTOPTS, 1);
		frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
		expect(headers == 16 ? REASON_CLIENT_NEW : REASON_HEADERS_TOO_MANY, "chain");
	}
}

Test(client, a_chain_that_ends_in_something_else_passes)
{
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_extension(&frame, IPPROTO_HOPOPTS, 1);
	frame_end(frame_udp(&frame, 40000, EPMD_PORT));
	expect(REASON_NOT_TCP, "UDP behind hop-by-hop options");
}

Test(client, a_chain_that_the_frame_cuts_off_is_dropped)
{
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_end(frame_extension(&frame, IPPROTO_DSTOPTS, 2));
	frame.bytes[frame.next] = IPPROTO_TCP;
	expect(REASON_TCP_TRUNCATED, "nothing behind the header");
	frame.size -= 12;
	expect(REASON_HEADERS_TRUNCATED, "half a header");
}

Test(client, ipv4_first_fragments_are_judged_by_what_they_hold)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), 0, true);
	frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
	expect(REASON_CLIENT_NEW, "whole TCP header");
	frame.size -= 12;
	frame_end(&frame);
	expect(REASON_TCP_TRUNCATED, "eight bytes of TCP: no flags");
	frame.bytes[frame.ip + 20 + 2] = 0x01;
	frame.bytes[frame.ip + 20 + 3] = 0xbb;
	expect(REASON_OTHER_PORT, "eight bytes of TCP for port 443");
}

/* The flags that the next fragment brings are not those in this frame's padding. */
Test(client, padding_behind_a_short_first_fragment_is_not_read_as_flags)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), 0, true);
	frame_tcp(&frame, 40000, EPMD_PORT, FLAG_ACK);
	frame.size -= 12;
	frame_end(&frame);
	frame.size += 12; /* the ACK is still there, but outside of the packet */
	expect(REASON_TCP_TRUNCATED, "IPv4");

	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_tcp(frame_ipv6_fragment(&frame, 0, true), 40000, EPMD_PORT, FLAG_ACK);
	frame.size -= 12;
	frame_end(&frame);
	frame.size += 12;
	expect(REASON_TCP_TRUNCATED, "IPv6");
}

/* Linux cuts a first fragment to a multiple of eight bytes, and the next one brings the flags. */
Test(client, the_end_of_a_first_fragment_that_the_stack_cuts_off_is_not_read_as_flags)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), 0, true);
	frame_tcp(frame_ah(&frame, 5), 40000, EPMD_PORT, FLAG_ACK);
	frame.size -= 4; /* 20 bytes of AH and 16 of TCP: 32 of these count */
	frame_end(&frame);
	expect(REASON_TCP_TRUNCATED, "the flags are in the last four");
}

Test(client, later_fragments_pass)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), 8, false);
	frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
	expect(REASON_LATER_FRAGMENT, "IPv4");
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_tcp(frame_ipv6_fragment(&frame, 8, true), 40000, EPMD_PORT, FLAG_SYN);
	frame_end(&frame);
	expect(REASON_LATER_FRAGMENT, "IPv6");
}

Test(client, ipv6_atomic_and_first_fragments_are_judged)
{
	for (int more = 0; more < 2; more++) {
		frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
		frame_tcp(frame_ipv6_fragment(&frame, 0, more), 40000, EPMD_PORT, FLAG_SYN);
		frame_end(&frame);
		expect(REASON_CLIENT_NEW, more ? "first" : "atomic");
	}
}

Test(client, a_first_fragment_without_the_tcp_header_is_dropped)
{
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_extension(frame_ipv6_fragment(&frame, 0, true), IPPROTO_DSTOPTS, 2);
	frame.size -= 8;
	frame_end(&frame);
	frame.bytes[frame.next] = IPPROTO_TCP;
	expect(REASON_TCP_TRUNCATED, "the header chain goes on in the next fragment");
}

Test(client, what_is_not_tcp_passes)
{
	frame_arp(frame_ethernet(&frame));
	expect(REASON_NOT_TCP, "ARP");
	frame_other(frame_ethernet(&frame), 0x88cc, 46);
	expect(REASON_NOT_TCP, "LLDP");
	frame_other(frame_tag(frame_ethernet(&frame), 0x8100, 5), 0x0806, 28);
	expect(REASON_NOT_TCP, "tagged ARP");
	frame_end(frame_udp(frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4), 1,
			    EPMD_PORT));
	expect(REASON_NOT_TCP, "UDP to 4369");
	frame_end(frame_udp(frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6), 1,
			    EPMD_PORT));
	expect(REASON_NOT_TCP, "UDP to 4369, IPv6");
	frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, "224.0.0.18");
	frame.bytes[frame.ip + 9] = 112;
	frame_end(frame_payload(&frame, 20));
	expect(REASON_NOT_TCP, "VRRP");
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame.bytes[frame.next] = IPPROTO_ICMPV6;
	frame_end(frame_payload(&frame, 24));
	expect(REASON_NOT_TCP, "neighbour discovery");
}

Test(client, headers_that_the_stack_discards_pass_to_it)
{
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	frame.bytes[frame.ip] = 0x44;
	expect(REASON_NOT_TCP, "IPv4 header of 16 bytes");
	frame.bytes[frame.ip] = 0x55;
	expect(REASON_NOT_TCP, "version 5");
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	frame.size = 14 + 12;
	expect(REASON_HEADERS_TRUNCATED, "half an IPv4 header");
}

Test(client, audit_mode_tells_the_reason_and_drops_nothing)
{
	struct outcome outcome;

	harness_mode(&harness, MODE_AUDIT);
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	outcome = harness_run(&harness, &frame);
	cr_expect_eq(outcome.reason, REASON_CLIENT_NEW);
	cr_expect_eq(outcome.action, XDP_PASS);
	cr_expect_eq(harness_count(&harness, 1, MODE_AUDIT, REASON_CLIENT_NEW).packets, 1);
	cr_expect_eq(harness_count(&harness, 1, MODE_ENFORCE, REASON_CLIENT_NEW).packets, 0);
}
