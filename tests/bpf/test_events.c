// SPDX-License-Identifier: BSD-2-Clause
/* What is told of dropped frames: once for each source and port in a time, and within a budget. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/bpf/harness.h"

#define LONG_TIME (3600 * 1000) /* jiffies: never over within a test */

static struct harness harness;
static struct test_frame frame;
static struct event event;

/* One CPU, because each keeps accounts of its own. */
static void open_harness(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	harness_open(&harness, true);
	harness_events(&harness, EVENTS_LIMITED, LONG_TIME, 100);
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(events, .init = open_harness, .fini = close_harness);

static void send_syns(const char *source, uint16_t port, unsigned int count)
{
	frame_syn(&frame, source, port);
	while (count--)
		cr_assert_eq(harness_run(&harness, &frame).action, XDP_DROP);
}

static unsigned int count_events(void)
{
	unsigned int count = 0;

	while (harness_event(&harness, &event))
		count++;
	return count;
}

static void expect_address(const uint8_t address[static 16], const char *text)
{
	uint8_t wanted[16] = {[10] = 0xff, [11] = 0xff};
	const bool ipv4 = inet_pton(AF_INET, text, wanted + 12) == 1;

	if (!ipv4)
		cr_assert_eq(inet_pton(AF_INET6, text, wanted), 1);
	cr_expect_arr_eq(address, wanted, sizeof(wanted), "%s", text);
}

static void expect_story(const char *source, const char *destination, uint16_t port)
{
	expect_address(event.source, source);
	expect_address(event.destination, destination);
	cr_expect_eq(event.destination_port, port);
	cr_expect_eq(event.source_port, 40000);
	cr_expect_eq(event.tcp_flags, FLAG_SYN);
	cr_expect_eq(event.reason, REASON_CLIENT_NEW);
	cr_expect_eq(event.zone, ZONE_CLIENT);
	cr_expect_eq(event.mode, MODE_ENFORCE);
	cr_expect_eq(event.slot, 1);
	cr_expect_eq(event.ethernet, 1);
	cr_expect_eq(event.repeated, 0);
	cr_expect_eq(event.wire_size, frame.size);
	cr_expect_eq(event.frame_size, frame.size);
	cr_expect_arr_eq(event.frame, frame.bytes, frame.size);
	cr_expect_gt(event.time_ns, 0);
}

Test(events, a_dropped_frame_is_told_of_with_all_that_is_known)
{
	send_syns(CLIENT_IPV4, EPMD_PORT, 1);
	cr_assert(harness_event(&harness, &event));
	expect_story(CLIENT_IPV4, HOST_IPV4, EPMD_PORT);
	send_syns(CLIENT_IPV6, CLUSTER_0_PORT, 1);
	cr_assert(harness_event(&harness, &event));
	expect_story(CLIENT_IPV6, HOST_IPV6, CLUSTER_0_PORT);
	cr_expect_not(harness_event(&harness, &event));
}

Test(events, each_length_of_a_frame_is_kept_to_its_last_byte)
{
	for (size_t payload = 0; payload < 300; payload++) {
		size_t kept;

		frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
		frame_end(frame_payload(&frame, payload));
		for (size_t i = 54; i < frame.size; i++)
			frame.bytes[i] = (uint8_t)i;
		harness_events(&harness, EVENTS_ALL, 0, 1000);
		harness_run(&harness, &frame);
		cr_assert(harness_event(&harness, &event));
		kept = frame.size < EVENT_FRAME_SIZE ? frame.size : EVENT_FRAME_SIZE;
		cr_assert_eq(event.frame_size, kept, "%zu bytes of %zu", (size_t)event.frame_size,
			     kept);
		cr_assert_eq(event.wire_size, frame.size);
		cr_assert_arr_eq(event.frame, frame.bytes, kept);
	}
}

Test(events, a_source_is_told_of_once_in_a_time_and_the_rest_is_counted)
{
	send_syns(CLIENT_IPV4, EPMD_PORT, 1000);
	cr_expect_eq(count_events(), 1);
	harness_events(&harness, EVENTS_LIMITED, 0, 100);
	for (size_t i = 0; i < EVENT_SOURCES_MAX; i++)
		harness_event_row(&harness)->sources[i].until = 0;
	send_syns(CLIENT_IPV4, EPMD_PORT, 1);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.repeats, 999);
	send_syns(CLIENT_IPV4, EPMD_PORT, 1);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.repeats, 0);
	cr_expect_eq(harness_event_row(&harness)->lost, 0);
}

Test(events, other_sources_and_ports_have_events_of_their_own)
{
	static const char *const sources[] = {CLIENT_IPV4,	CLIENT_IPV6,  PEER_IPV4,
					      "192.0.2.67",	"192.0.3.66", "2001:db8:66::67",
					      "2001:db8:67::66"};
	static const uint16_t ports[] = {EPMD_PORT, CLUSTER_0_PORT, CLUSTER_0_PORT + 1};

	for (int again = 0; again < 3; again++)
		for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
			for (size_t j = 0; j < sizeof(ports) / sizeof(ports[0]); j++)
				send_syns(sources[i], ports[j], 2);
	cr_expect_eq(count_events(), 21);
}

Test(events, a_flood_of_sources_is_told_of_within_the_budget_and_the_rest_is_lost_and_counted)
{
	char source[16];

	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(source, sizeof(source), "192.0.%u.%u", 2 + i / 250, 1 + i % 250);
		send_syns(source, EPMD_PORT, 1);
	}
	cr_expect_eq(count_events(), 100);
	cr_expect_eq(harness_event_row(&harness)->lost, 4900);
}

Test(events, a_full_ring_loses_events_and_counts_them)
{
	char source[16];
	unsigned int told;

	harness_events(&harness, EVENTS_ALL, LONG_TIME, 1000000);
	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(source, sizeof(source), "192.0.%u.%u", 2 + i / 250, 1 + i % 250);
		send_syns(source, EPMD_PORT, 1);
	}
	told = count_events();
	cr_expect_gt(told, 700);
	cr_expect_eq(harness_event_row(&harness)->lost, 5000 - told);
}

Test(events, at_level_all_each_frame_is_told_of_and_repeats_are_marked)
{
	unsigned int marked = 0, count = 0;

	harness_events(&harness, EVENTS_ALL, LONG_TIME, 1000);
	send_syns(CLIENT_IPV4, EPMD_PORT, 500);
	while (harness_event(&harness, &event)) {
		count++;
		marked += event.repeated;
	}
	cr_expect_eq(count, 500);
	cr_expect_eq(marked, 499);
}

Test(events, at_level_off_nothing_is_told_and_nothing_lost)
{
	harness_events(&harness, EVENTS_OFF, LONG_TIME, 100);
	send_syns(CLIENT_IPV4, EPMD_PORT, 100);
	cr_expect_eq(count_events(), 0);
	cr_expect_eq(harness_event_row(&harness)->lost, 0);
}

Test(events, frames_that_pass_are_not_told_of)
{
	harness_zone(&harness, ZONE_CLUSTER);
	frame_syn(&frame, PEER_IPV4, CLUSTER_0_PORT);
	cr_expect_eq(harness_run(&harness, &frame).action, XDP_PASS);
	frame_syn(&frame, CLIENT_IPV4, OPEN_PORT);
	cr_expect_eq(harness_run(&harness, &frame).action, XDP_PASS);
	cr_expect_eq(count_events(), 0);
}

Test(events, a_stranger_on_a_cluster_interface_and_its_vlan_are_told_of)
{
	harness_zone(&harness, ZONE_CLUSTER);
	harness_vlan(&harness, 120, ZONE_CLUSTER);
	frame_tag(frame_ethernet(&frame), 0x8100, 120);
	frame_end(
		frame_tcp(frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4), 40000, EPMD_PORT, FLAG_SYN));
	harness_run(&harness, &frame);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.reason, REASON_STRANGER_NEW);
	cr_expect_eq(event.zone, ZONE_CLUSTER);
	cr_expect_eq(event.vlan, 120);
	cr_expect_eq(event.slot, 2);
}

Test(events, in_audit_mode_what_passes_though_it_would_be_dropped_is_told_of)
{
	harness_mode(&harness, MODE_AUDIT);
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	cr_expect_eq(harness_run(&harness, &frame).action, XDP_PASS);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.mode, MODE_AUDIT);
	cr_expect_eq(event.reason, REASON_CLIENT_NEW);
}

/* A payload in a SYN stands for one in a later segment, which needs a listener. */
Test(events, in_audit_mode_each_connection_s_first_payload_is_told_of)
{
	harness_mode(&harness, MODE_AUDIT);
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	harness_run(&harness, &frame);
	for (uint16_t source = 50000; source < 50005; source++)
		for (int again = 0; again < 3; again++) {
			frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
			frame_tcp(&frame, source, EPMD_PORT, FLAG_SYN);
			frame_end(frame_payload(&frame, 3));
			harness_run(&harness, &frame);
		}
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.payload, 0);
	for (uint16_t source = 50000; source < 50005; source++) {
		cr_assert(harness_event(&harness, &event));
		cr_expect_eq(event.payload, 1);
		cr_expect_eq(event.source_port, source);
	}
	cr_expect_eq(count_events(), 0);
}

/* Of common shape or not: the one is noted without a view. */
Test(events, in_enforce_mode_a_payload_makes_no_account_of_its_own)
{
	for (size_t options = 0; options < 2; options++)
		for (size_t payload = 0; payload < 2; payload++) {
			frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
			if (options)
				frame_ipv4_options(&frame, 4);
			frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN);
			frame_end(frame_payload(&frame, 3 * payload));
			cr_assert_eq(harness_run(&harness, &frame).action, XDP_DROP);
		}
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.payload, 0);
	cr_expect_eq(count_events(), 0);
}

Test(events, what_has_no_ip_header_that_can_be_read_is_told_of_too)
{
	frame_ethernet(&frame);
	for (int i = 0; i < 5; i++)
		frame_tag(&frame, 0x8100, 5);
	frame_end(frame_tcp(frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4), 1, EPMD_PORT, FLAG_SYN));
	harness_run(&harness, &frame);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.reason, REASON_VLAN_TOO_DEEP);
	cr_expect_eq(event.source_port, 0);
	expect_address(event.source, "::");
}

Test(events, what_ends_within_its_headers_is_told_of_too)
{
	frame_ethernet(&frame);
	frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_tcp(&frame, 40000, EPMD_PORT, FLAG_SYN));
	frame.size = 30;
	harness_run(&harness, &frame);
	cr_assert(harness_event(&harness, &event));
	cr_expect_eq(event.reason, REASON_HEADERS_TRUNCATED);
	cr_expect_eq(event.frame_size, 30);
}

Test(events, the_program_that_explains_tells_of_nothing)
{
	frame_syn(&frame, CLIENT_IPV4, EPMD_PORT);
	for (int i = 0; i < 3; i++) {
		struct xdp_md context = {.data_end = (__u32)frame.size, .ingress_ifindex = 1};
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.bytes,
			    .data_size_in = (__u32)frame.size, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = 1);

		cr_assert_eq(
			bpf_prog_test_run_opts(fence_program(harness.explaining, true), &options),
			0);
	}
	cr_expect_eq(count_events(), 0);
}
