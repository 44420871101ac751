// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/cases.h"

#include <err.h>
#include <string.h>

#define INTERFACES   64
#define MIXED_COUNT  4
#define MIXED_PEER_4 "10.0.0.9" /* within the shortest prefix alone: it is looked up last */
#define MIXED_PEER_6 "fd01::9"

static void build_tcp_ipv4(struct test_frame *frame)
{
	frame_segment(frame, CLIENT_IPV4, OPEN_PORT, FLAG_ACK);
}

static void build_tcp_ipv6(struct test_frame *frame)
{
	frame_segment(frame, CLIENT_IPV6, OPEN_PORT, FLAG_ACK);
}

static void build_one_tag(struct test_frame *frame)
{
	frame_tag(frame_ethernet(frame), 0x8100, 100);
	frame_end(frame_tcp(frame_ipv4(frame, CLIENT_IPV4, HOST_IPV4), 40000, OPEN_PORT, FLAG_ACK));
}

static void build_two_tags(struct test_frame *frame)
{
	frame_tag(frame_tag(frame_ethernet(frame), 0x88a8, 100), 0x8100, 200);
	frame_end(frame_tcp(frame_ipv4(frame, CLIENT_IPV4, HOST_IPV4), 40000, OPEN_PORT, FLAG_ACK));
}

static void build_extensions(struct test_frame *frame)
{
	frame_ipv6(frame_ethernet(frame), CLIENT_IPV6, HOST_IPV6);
	frame_extension(frame_extension(frame_extension(frame, 0, 1), 43, 1), 60, 1);
	frame_end(frame_tcp(frame, 40000, OPEN_PORT, FLAG_ACK));
}

static void build_options(struct test_frame *frame)
{
	frame_ipv4_options(frame_ipv4(frame_ethernet(frame), CLIENT_IPV4, HOST_IPV4), 8);
	frame_end(frame_tcp(frame, 40000, OPEN_PORT, FLAG_ACK));
}

static void build_udp(struct test_frame *frame)
{
	frame_ipv4(frame_ethernet(frame), CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_payload(frame_udp(frame, 40000, EPMD_PORT), 32));
}

static void build_arp(struct test_frame *frame)
{
	frame_end(frame_arp(frame_ethernet(frame)));
}

static void build_drop(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV4, EPMD_PORT);
}

static void build_drop_ipv6(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV6, EPMD_PORT);
}

static void build_first_fragment(struct test_frame *frame)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(frame), CLIENT_IPV4, HOST_IPV4), 0, true);
	frame_end(frame_payload(frame_tcp(frame, 40000, EPMD_PORT, FLAG_SYN), 28));
}

static void build_later_fragment(struct test_frame *frame)
{
	frame_ipv4_fragment(frame_ipv4(frame_ethernet(frame), CLIENT_IPV4, HOST_IPV4), 48, false);
	frame_end(frame_tcp(frame, 40000, EPMD_PORT, FLAG_SYN));
}

static void build_high_port(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV4, 65535);
}

static void build_peer(struct test_frame *frame)
{
	frame_segment(frame, "10.0.0.0", CLUSTER_0_PORT, FLAG_ACK);
}

static void build_peer_ipv6(struct test_frame *frame)
{
	frame_segment(frame, "fd00::", CLUSTER_0_PORT, FLAG_ACK);
}

static void build_mixed(struct test_frame *frame)
{
	frame_segment(frame, MIXED_PEER_4, CLUSTER_0_PORT, FLAG_ACK);
}

static void build_mixed_ipv6(struct test_frame *frame)
{
	frame_segment(frame, MIXED_PEER_6, CLUSTER_0_PORT, FLAG_ACK);
}

static void build_stranger(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV4, CLUSTER_0_PORT);
}

static void build_stranger_ipv6(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV6, CLUSTER_0_PORT);
}

static struct setup client = {.zone = ZONE_CLIENT};
static struct setup audit = {.zone = ZONE_CLIENT, .mode = MODE_AUDIT};
static struct setup one_port = {.zone = ZONE_CLIENT, .ports = 1};
static struct setup all_ports = {.zone = ZONE_CLIENT, .ports = 65535};
static struct setup many_interfaces = {.zone = ZONE_CLIENT, .interfaces = INTERFACES};
static struct setup events = {.zone = ZONE_CLIENT, .events = EVENTS_LIMITED, .event_budget = 1};
static struct setup events_ipv6 = {
	.zone = ZONE_CLIENT, .events = EVENTS_LIMITED, .event_budget = 1};
static struct setup events_spent = {.zone = ZONE_CLIENT, .events = EVENTS_LIMITED};

#define PEERS(name, count, family, what) \
	static struct setup name = {     \
		.zone = ZONE_CLUSTER, .peers = count, .ipv4 = (family) == 4, .kind = PEERS_##what}
PEERS(hosts4_1, 1, 4, HOSTS);
PEERS(hosts4_100, 100, 4, HOSTS);
PEERS(hosts4_10k, 10000, 4, HOSTS);
PEERS(hosts4_1m, 1000000, 4, HOSTS);
PEERS(hosts6_1, 1, 6, HOSTS);
PEERS(hosts6_100, 100, 6, HOSTS);
PEERS(hosts6_10k, 10000, 6, HOSTS);
PEERS(hosts6_1m, 1000000, 6, HOSTS);
PEERS(mixed4_100, 100, 4, MIXED);
PEERS(mixed4_10k, 10000, 4, MIXED);
PEERS(mixed4_1m, 1000000, 4, MIXED);
PEERS(mixed6_100, 100, 6, MIXED);
PEERS(mixed6_10k, 10000, 6, MIXED);
PEERS(mixed6_1m, 1000000, 6, MIXED);

#define CASE(in_group, text, ns, builder, in_setup, expected)                       \
	{                                                                           \
		.group = in_group, .name = text, .target_ns = ns, .build = builder, \
		.setup = &in_setup, .reason = REASON_##expected                     \
	}
#define ACCEPTED(text, builder, in_setup) \
	CASE("accepted peer", "accepted peer, " text, 30, builder, in_setup, PEER)
#define SHUFFLED(text, in_setup)                                                                 \
	{                                                                                        \
		.group = "each frame another peer", .name = "each frame another, " text,         \
		.build = build_peer, .setup = &in_setup, .reason = REASON_PEER, .shuffled = true \
	}
#define REFUSED(text, builder, in_setup) \
	CASE("refused stranger", "stranger, " text, 40, builder, in_setup, STRANGER_NEW)
#define RIVAL(text, builder, which, expected)                                                 \
	{                                                                                     \
		.group = "beside it", .name = text, .build = builder, .rival = RIVAL_##which, \
		.action = expected                                                            \
	}

struct bench_case bench_cases[] = {
	CASE("other", "TCP to another port, IPv4", 4, build_tcp_ipv4, client, OTHER_PORT),
	CASE("other", "TCP to another port, IPv6", 4, build_tcp_ipv6, client, OTHER_PORT),
	CASE("other", "... one VLAN tag", 12, build_one_tag, client, OTHER_PORT),
	CASE("other", "... two VLAN tags", 12, build_two_tags, client, OTHER_PORT),
	CASE("other", "... three IPv6 extension headers", 12, build_extensions, client, OTHER_PORT),
	CASE("other", "... IPv4 options", 0, build_options, client, OTHER_PORT),
	CASE("other", "... 1 protected port", 4, build_tcp_ipv4, one_port, OTHER_PORT),
	CASE("other", "... 64 interfaces", 4, build_tcp_ipv4, many_interfaces, OTHER_PORT),
	CASE("other", "... audit mode", 4, build_tcp_ipv4, audit, OTHER_PORT),
	CASE("other", "UDP", 0, build_udp, client, NOT_TCP),
	CASE("other", "UDP, 65,535 protected ports", 0, build_udp, all_ports, NOT_TCP),
	CASE("other", "ARP", 0, build_arp, client, NOT_TCP),
	CASE("other", "later fragment", 0, build_later_fragment, client, LATER_FRAGMENT),
	CASE("client drop", "drop, IPv4", 15, build_drop, client, CLIENT_NEW),
	CASE("client drop", "drop, IPv6", 15, build_drop_ipv6, client, CLIENT_NEW),
	CASE("client drop", "drop, 1 protected port", 15, build_drop, one_port, CLIENT_NEW),
	CASE("client drop", "drop, 65,535 protected ports", 15, build_high_port, all_ports,
	     CLIENT_NEW),
	CASE("client drop", "drop, 64 interfaces", 15, build_drop, many_interfaces, CLIENT_NEW),
	CASE("client drop", "audit mode: would drop", 15, build_drop, audit, CLIENT_NEW),
	CASE("client drop", "drop, events on: source had its event", 15, build_drop, events,
	     CLIENT_NEW),
	CASE("client drop", "drop, events on, IPv6: the same", 15, build_drop_ipv6, events_ipv6,
	     CLIENT_NEW),
	CASE("client drop", "drop, events on: too many sources", 15, build_drop, events_spent,
	     CLIENT_NEW),
	CASE("client drop", "drop, first fragment", 0, build_first_fragment, client, CLIENT_NEW),
	ACCEPTED("1 IPv4 host", build_peer, hosts4_1),
	ACCEPTED("100 IPv4 hosts", build_peer, hosts4_100),
	ACCEPTED("10,000 IPv4 hosts", build_peer, hosts4_10k),
	ACCEPTED("1,000,000 IPv4 hosts", build_peer, hosts4_1m),
	ACCEPTED("1 IPv6 host", build_peer_ipv6, hosts6_1),
	ACCEPTED("100 IPv6 hosts", build_peer_ipv6, hosts6_100),
	ACCEPTED("10,000 IPv6 hosts", build_peer_ipv6, hosts6_10k),
	ACCEPTED("1,000,000 IPv6 hosts", build_peer_ipv6, hosts6_1m),
	ACCEPTED("100 IPv4 prefixes", build_mixed, mixed4_100),
	ACCEPTED("10,000 IPv4 prefixes", build_mixed, mixed4_10k),
	ACCEPTED("1,000,000 IPv4 prefixes", build_mixed, mixed4_1m),
	ACCEPTED("100 IPv6 prefixes", build_mixed_ipv6, mixed6_100),
	ACCEPTED("10,000 IPv6 prefixes", build_mixed_ipv6, mixed6_10k),
	ACCEPTED("1,000,000 IPv6 prefixes", build_mixed_ipv6, mixed6_1m),
	SHUFFLED("1 IPv4 host", hosts4_1),
	SHUFFLED("100 IPv4 hosts", hosts4_100),
	SHUFFLED("10,000 IPv4 hosts", hosts4_10k),
	SHUFFLED("1,000,000 IPv4 hosts", hosts4_1m),
	REFUSED("1 IPv4 host", build_stranger, hosts4_1),
	REFUSED("10,000 IPv4 hosts", build_stranger, hosts4_10k),
	REFUSED("1,000,000 IPv4 hosts", build_stranger, hosts4_1m),
	REFUSED("1,000,000 IPv4 prefixes", build_stranger, mixed4_1m),
	REFUSED("1 IPv6 host", build_stranger_ipv6, hosts6_1),
	REFUSED("10,000 IPv6 hosts", build_stranger_ipv6, hosts6_10k),
	REFUSED("1,000,000 IPv6 hosts", build_stranger_ipv6, hosts6_1m),
	REFUSED("1,000,000 IPv6 prefixes", build_stranger_ipv6, mixed6_1m),
	RIVAL("floor: another port, IPv4", build_tcp_ipv4, FLOOR, XDP_PASS),
	RIVAL("floor: another port, IPv6", build_tcp_ipv6, FLOOR, XDP_PASS),
	RIVAL("floor: drop, counted", build_drop, FLOOR, XDP_DROP),
	RIVAL("xdp-filter, ports: another port, IPv4", build_tcp_ipv4, XDP_FILTER_PORTS, XDP_PASS),
	RIVAL("xdp-filter, ports: another port, IPv6", build_tcp_ipv6, XDP_FILTER_PORTS, XDP_PASS),
	RIVAL("xdp-filter, ports: drop", build_drop, XDP_FILTER_PORTS, XDP_DROP),
	RIVAL("xdp-filter, all: another port, IPv4", build_tcp_ipv4, XDP_FILTER_ALL, XDP_PASS),
};

const size_t bench_case_count = sizeof(bench_cases) / sizeof(bench_cases[0]);

/*
 * Hosts beside prefixes of three other lengths, in equal parts and spread as in a hash. One of the
 * shortest length holds the peer that is timed; none holds the stranger.
 */
static void mixed_peers(struct harness *harness, const struct setup *setup)
{
	static const unsigned int ipv4_lengths[MIXED_COUNT] = {128, 124, 120, 116};
	static const unsigned int ipv6_lengths[MIXED_COUNT] = {128, 64, 56, 48};
	const unsigned int *lengths = setup->ipv4 ? ipv4_lengths : ipv6_lengths;
	struct prefix *prefixes = calloc(setup->peers, sizeof(*prefixes));

	if (!prefixes)
		err(1, "peers");
	for (uint32_t i = 0; i < setup->peers; i++) {
		const uint32_t spread = __builtin_bswap32(0x40000000u |
							  (i * 2654435761u & 0x3fffffffu));
		struct prefix *prefix = &prefixes[i];

		prefix->length = (uint8_t)lengths[i % MIXED_COUNT];
		if (setup->ipv4) {
			prefix->address[10] = prefix->address[11] = 0xff;
			memcpy(prefix->address + 12, &spread, sizeof(spread));
		} else {
			prefix->address[0] = 0xfd;
			memcpy(prefix->address + 2, &spread, sizeof(spread));
		}
	}
	if (setup->ipv4)
		memcpy(prefixes[MIXED_COUNT - 1].address + 12, (uint8_t[]){10, 0, 0, 0}, 4);
	else
		memcpy(prefixes[MIXED_COUNT - 1].address, (uint8_t[]){0xfd, 1, 0, 0, 0, 0}, 6);
	harness_peers(harness, prefixes, setup->peers);
	free(prefixes);
}

static void host_peers(struct harness *harness, const struct setup *setup)
{
	harness_many_peers(harness, setup->peers, setup->ipv4);
}

static void many_places(struct harness *harness, uint32_t count)
{
	struct tables *tables = harness->tables;

	for (uint32_t i = 2; i <= count; i++) {
		tables->host.base_of[i] = (uint8_t)i;
		memset(tables->policy[0].slot_of[i], (int)i, VLAN_IDS);
		tables->host.slots[i] =
			(struct slot){.ifindex = i, .zone = (uint8_t)ZONE_CLIENT, .used = 1};
	}
}

static void protect_ports(struct harness *harness, uint32_t count)
{
	struct policy_tables *policy = &harness->tables->policy[0];

	memset(harness->tables->here.suspects[0], 0, sizeof(harness->tables->here.suspects[0]));
	memset(policy->configured, 0, sizeof(policy->configured));
	if (count == 1) {
		harness_protect(harness, EPMD_PORT, CLUSTER_ANY);
		return;
	}
	for (uint32_t port = PORTS - count; port < PORTS; port++)
		harness_protect(harness, (uint16_t)port, CLUSTER_ANY);
}

static void setup_open(struct setup *setup)
{
	struct harness *harness = &setup->harness;

	if (setup->opened)
		return;
	setup->opened = true;
	harness_open(harness, true);
	harness_zone(harness, setup->zone);
	harness_mode(harness, setup->mode);
	if (setup->peers)
		(setup->kind == PEERS_MIXED ? mixed_peers : host_peers)(harness, setup);
	if (setup->interfaces)
		many_places(harness, setup->interfaces);
	if (setup->ports)
		protect_ports(harness, setup->ports);
	if (setup->events)
		harness_events(harness, setup->events, 3600 * 1000, setup->event_budget);
}

static void open_rival(struct bench_case *bench)
{
	const struct harness any = {.ifindex = 1};

	bench->program = rival_program(bench->rival);
	bench->missing = bench->program < 0;
	if (!bench->missing && harness_action(&any, bench->program, &bench->frame) != bench->action)
		errx(1, "%s: takes another action", bench->name);
}

void case_open(struct bench_case *bench)
{
	struct outcome outcome;

	bench->build(&bench->frame);
	bench->base = empty_program();
	if (!bench->setup) {
		open_rival(bench);
		return;
	}
	setup_open(bench->setup);
	outcome = harness_run(&bench->setup->harness, &bench->frame);
	if (outcome.reason != bench->reason)
		errx(1, "%s: reason %d, not %d", bench->name, outcome.reason, bench->reason);
	bench->program = fence_program(bench->setup->harness.live, true);
	if (bench->shuffled) {
		bench->base = shuffled_program(bench->base, bench->setup->peers);
		bench->program = shuffled_program(bench->program, bench->setup->peers);
	}
}
