// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pure code of the filter, over one frame of each shape, for callgrind: reads it, asks a bitmap
 * for its port, and comes to a verdict with all facts known. See instructions.py.
 */
#include <valgrind/callgrind.h>

#include "tests/bpf/frames.h"
#include "tests/unit/native_frame.h"

#include "bpf/verdict.h"

#define PROTECTED_PORT 4369
#define OPEN_PORT      443

static __u64 protected_ports[PORTS / 64];

static bool is_protected(__be16 port)
{
	const __u16 number = frame_ntohs(port);

	return protected_ports[number / 64] >> number % 64 & 1;
}

static __u32 judge(enum shape shape, const struct view *view, enum zone zone)
{
	const struct facts facts = {
		.shape = shape,
		.zone = zone,
		.new_connection = (view->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN,
		.peer = FACT_NO,
		.owner = OWNER_LISTENER,
	};

	return verdict(&facts);
}

/* As filter.h goes about it. Returns a reason. */
static __attribute__((noinline)) __u32 decide(struct frame_source *source, bool ethernet,
					      enum zone zone)
{
	struct common common = {}, chain = {};
	struct view view = {};
	enum shape shape = frame_common(source->data, source->data_end, ethernet, &common);

	switch (shape) {
	case SHAPE_NOT_TCP:
		return REASON_NOT_TCP;
	case SHAPE_TCP:
		if (!is_protected(common.tcp->destination_port))
			return REASON_OTHER_PORT;
		common_view(&common, &view);
		return judge(shape, &view, zone);
	default:
		break;
	}
	shape = frame_chain(source->data, source->data_end, ethernet, &chain);
	if (shape == SHAPE_NOT_TCP)
		return REASON_NOT_TCP;
	if (shape == SHAPE_TCP && !is_protected(chain.tcp->destination_port))
		return REASON_OTHER_PORT;
	shape = frame_parse(source, ethernet, &view);
	if (shape == SHAPE_NOT_TCP)
		return REASON_NOT_TCP;
	if (shape == SHAPE_LATER_FRAGMENT)
		return REASON_LATER_FRAGMENT;
	if (shape == SHAPE_TCP && !is_protected(view.destination_port))
		return REASON_OTHER_PORT;
	return judge(shape, &view, zone);
}

static volatile __u32 decided;

/* The first call makes whatever the linker leaves for later. */
#define COUNT(name, zone)                                                            \
	do {                                                                         \
		struct frame_source source = {.data = frame.bytes,                   \
					      .data_end = frame.bytes + frame.size}; \
		decided = decide(&source, ethernet, zone);                           \
		CALLGRIND_ZERO_STATS;                                                \
		CALLGRIND_TOGGLE_COLLECT;                                            \
		decided = decide(&source, ethernet, zone);                           \
		CALLGRIND_TOGGLE_COLLECT;                                            \
		CALLGRIND_DUMP_STATS_AT(name);                                       \
	} while (0)

static struct test_frame frame;

static struct test_frame *ipv4(void)
{
	return frame_ipv4(frame_ethernet(&frame), "192.0.2.66", "198.51.100.1");
}

static struct test_frame *ipv6(void)
{
	return frame_ipv6(frame_ethernet(&frame), "2001:db8:66::66", "2001:db8:1::1");
}

static void syn(struct test_frame *of, uint16_t port)
{
	frame_end(frame_tcp(of, 40000, port, FLAG_SYN));
}

static void count_common(void)
{
	const bool ethernet = true;

	syn(ipv4(), OPEN_PORT);
	COUNT("TCP to another port, IPv4", ZONE_CLIENT);
	syn(ipv6(), OPEN_PORT);
	COUNT("TCP to another port, IPv6", ZONE_CLIENT);
	syn(ipv4(), PROTECTED_PORT);
	COUNT("drop, IPv4", ZONE_CLIENT);
	COUNT("stranger, IPv4", ZONE_CLUSTER);
	syn(ipv6(), PROTECTED_PORT);
	COUNT("drop, IPv6", ZONE_CLIENT);
	COUNT("stranger, IPv6", ZONE_CLUSTER);
	frame_end(frame_udp(ipv4(), 40000, PROTECTED_PORT));
	COUNT("UDP, IPv4", ZONE_CLIENT);
	frame_end(frame_udp(ipv6(), 40000, PROTECTED_PORT));
	COUNT("UDP, IPv6", ZONE_CLIENT);
	frame_end(frame_arp(frame_ethernet(&frame)));
	COUNT("ARP", ZONE_CLIENT);
	frame_tag(frame_ethernet(&frame), 0x8100, 100);
	syn(frame_ipv4(&frame, "192.0.2.66", "198.51.100.1"), OPEN_PORT);
	COUNT("one VLAN tag", ZONE_CLIENT);
	frame_tag(frame_tag(frame_ethernet(&frame), 0x88a8, 100), 0x8100, 200);
	syn(frame_ipv4(&frame, "192.0.2.66", "198.51.100.1"), OPEN_PORT);
	COUNT("two VLAN tags", ZONE_CLIENT);
}

static void count_uncommon(void)
{
	const bool ethernet = true;

	syn(frame_extension(frame_extension(frame_extension(ipv6(), 0, 1), 43, 1), 60, 1),
	    OPEN_PORT);
	COUNT("three extension headers", ZONE_CLIENT);
	ipv6();
	for (unsigned int i = 0; i < EXTENSION_HEADERS_MAX; i++)
		frame_extension(&frame, 60, 1);
	syn(&frame, OPEN_PORT);
	COUNT("as many extension headers as are read", ZONE_CLIENT);
	syn(frame_ipv4_options(ipv4(), 8), OPEN_PORT);
	COUNT("IPv4 options", ZONE_CLIENT);
	syn(frame_ipv4_fragment(ipv4(), 0, true), PROTECTED_PORT);
	COUNT("first fragment, IPv4", ZONE_CLIENT);
	syn(frame_ipv6_fragment(ipv6(), 0, true), PROTECTED_PORT);
	COUNT("first fragment, IPv6", ZONE_CLIENT);
	syn(frame_ipv4_fragment(ipv4(), 48, false), PROTECTED_PORT);
	COUNT("later fragment", ZONE_CLIENT);
	frame_ethernet(&frame);
	for (unsigned int i = 0; i < VLAN_TAGS_MAX; i++)
		frame_tag(&frame, 0x8100, 7);
	syn(frame_ipv4(&frame, "192.0.2.66", "198.51.100.1"), OPEN_PORT);
	COUNT("as many VLAN tags as are read", ZONE_CLIENT);
}

static void count_ip_only(void)
{
	const bool ethernet = false;

	syn(frame_ipv4(frame_begin(&frame), "192.0.2.66", "198.51.100.1"), OPEN_PORT);
	COUNT("no Ethernet header, IPv4", ZONE_CLIENT);
	syn(frame_ipv6(frame_begin(&frame), "2001:db8:66::66", "2001:db8:1::1"), OPEN_PORT);
	COUNT("no Ethernet header, IPv6", ZONE_CLIENT);
}

int main(void)
{
	protected_ports[PROTECTED_PORT / 64] |= 1ull << PROTECTED_PORT % 64;
	count_common();
	count_uncommon();
	count_ip_only();
	return 0;
}
