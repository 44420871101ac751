// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the space is small, all of it through the real program: every byte of flags and every port,
 * against rules that are written down here again, plainly. Prefixes: test_prefixes.c.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/harness.h"
#include "tests/seed.h"

#define SERVICE_PORT 5000
#define REMOTE_PORT  33333

static struct harness harness;
static struct test_frame frame;
static unsigned int seed;

static void open_harness(void)
{
	seed = test_seed();
	harness_open(&harness, true);
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(exhaustive, .init = open_harness, .fini = close_harness);

static unsigned int any(unsigned int below)
{
	return (unsigned int)rand_r(&seed) % below;
}

/* Flags: all 256 of them, in each zone and mode, for whoever may own the segment. */

enum ownership { NOBODYS, LISTENERS, ACCEPTED, OUTBOUND, OWNERSHIPS };

static const uint16_t ports[] = {EPMD_PORT, CLUSTER_0_PORT, NOBODY_PORT, OPEN_PORT};

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

/* A socket on the loopback address; it listens, or (@to not 0) is connected to that port there. */
static int stream(bool ipv6, uint16_t port, uint16_t to)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr *address = ipv6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
	const socklen_t size = ipv6 ? sizeof(in6) : sizeof(in);
	const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), on = 1;
	const struct linger reset = {.l_onoff = 1};

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	in.sin_port = in6.sin6_port = htons(port);
	cr_assert_eq(bind(fd, address, size), 0, "bind to %u", port);
	in.sin_port = in6.sin6_port = htons(to);
	if (to)
		cr_assert_eq(connect(fd, address, size), 0, "connect to %u", to);
	else
		cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

/* What makes a segment from REMOTE_PORT to @port one of that owner. */
static void own(enum ownership ownership, bool ipv6, uint16_t port, int fds[static 2])
{
	fds[0] = fds[1] = -1;
	if (ownership == LISTENERS || ownership == ACCEPTED)
		fds[0] = stream(ipv6, port, 0);
	if (ownership == ACCEPTED)
		fds[1] = stream(ipv6, REMOTE_PORT, port);
	if (ownership == OUTBOUND) {
		fds[0] = stream(ipv6, REMOTE_PORT, 0);
		fds[1] = stream(ipv6, port, REMOTE_PORT);
	}
}

/* The table of zones, in the words of the architecture. */
static enum reason judged(enum zone zone, bool peer, uint16_t port, uint8_t flags,
			  enum ownership ownership)
{
	if (port == OPEN_PORT)
		return REASON_OTHER_PORT;
	if (zone == ZONE_NONE)
		return REASON_NO_ZONE;
	if (zone == ZONE_TRUSTED)
		return REASON_TRUSTED;
	if (zone == ZONE_CLUSTER && peer && port != NOBODY_PORT)
		return REASON_PEER;
	if ((flags & FLAG_SYN) && !(flags & FLAG_ACK))
		return zone == ZONE_CLIENT ? REASON_CLIENT_NEW : REASON_STRANGER_NEW;
	if (ownership == NOBODYS)
		return REASON_NO_LISTENER;
	if (ownership == OUTBOUND)
		return REASON_OUTBOUND;
	return zone == ZONE_CLIENT ? REASON_CLIENT_SEGMENT : REASON_STRANGER_SEGMENT;
}

static bool dropped_by_name(enum reason reason)
{
	return reason == REASON_CLIENT_NEW || reason == REASON_CLIENT_SEGMENT ||
	       reason == REASON_STRANGER_NEW || reason == REASON_STRANGER_SEGMENT;
}

static void every_flag(enum ownership ownership, uint16_t port, bool peer)
{
	const size_t flags_at = frame.size - 7;

	for (int zone = 0; zone < ZONE_COUNT; zone++)
		for (int mode = 0; mode < MODE_COUNT; mode++) {
			harness_zone(&harness, (enum zone)zone);
			harness_mode(&harness, (enum mode)mode);
			for (unsigned int flags = 0; flags < 256; flags++) {
				const enum reason wanted = judged((enum zone)zone, peer, port,
								  (uint8_t)flags, ownership);
				const bool drop = mode == MODE_ENFORCE && dropped_by_name(wanted);
				struct outcome outcome;

				frame.bytes[flags_at] = (uint8_t)flags;
				outcome = harness_run(&harness, &frame);
				cr_assert(outcome.reason == wanted &&
						  outcome.action == (drop ? XDP_DROP : XDP_PASS),
					  "port %u zone %d mode %d peer %d owner %d flags %#x: "
					  "reason %d, not %d; action %d",
					  port, zone, mode, peer, ownership, flags, outcome.reason,
					  wanted, outcome.action);
			}
		}
}

Test(exhaustive, every_byte_of_flags_in_every_zone_and_mode_whoever_owns_the_segment)
{
	struct policy_tables *policy = &harness.tables->policy[0];

	raise_loopback();
	harness_peer(&harness, "127.0.0.0/8", ~0ull);
	harness_peer(&harness, "::1", ~0ull);
	for (int round = 0; round < 2 * 4 * OWNERSHIPS * 2; round++) {
		const bool ipv6 = round & 1, peer = round & 2;
		const uint16_t port = ports[round >> 2 & 3];
		const enum ownership ownership = (enum ownership)(round >> 4);
		const struct prefix_lengths lengths[] = {policy->ipv4_lengths,
							 policy->ipv6_lengths};
		int fds[2];

		own(ownership, ipv6, port, fds);
		if (!peer)
			policy->ipv4_lengths.count = policy->ipv6_lengths.count = 0;
		frame_ethernet(&frame);
		if (ipv6)
			frame_ipv6(&frame, "::1", "::1");
		else
			frame_ipv4(&frame, "127.0.0.1", "127.0.0.1");
		frame_end(frame_tcp(&frame, REMOTE_PORT, port, 0));
		every_flag(ownership, port, peer);
		policy->ipv4_lengths = lengths[0];
		policy->ipv6_lengths = lengths[1];
		close(fds[1]);
		close(fds[0]);
	}
}

/* Ports: all of them, with every combination of what may be known of one. */

enum bound { BOUND_NOWHERE, BOUND_GONE, BOUND_HERE, BOUND_ELSEWHERE, BOUND_COUNT };

struct known {
	bool suspect, configured, exempt;
	bool counts[STANDING_COUNT]; /* at every address of this family; the other has the opposite
				      */
	enum bound bound;	     /* at one address, for its standing */
	enum standing standing;
	uint8_t cluster;
};

struct wanted {
	bool autobound, fixed; /* what the policy protects */
	bool ipv6;
};

static struct known known[PORTS];

static void make_up(struct known *port, unsigned int number)
{
	static const uint8_t clusters[] = {0, 5, CLUSTERS_MAX - 1, CLUSTER_ANY, CLUSTER_NOBODY};

	*port = (struct known){.suspect = any(4),
			       .configured = !any(3),
			       .exempt = !any(3),
			       .counts = {!any(3), !any(3), !any(3)},
			       /* The table has no room for all ports. */
			       .bound = number % 4 ? BOUND_NOWHERE : (enum bound)any(BOUND_COUNT),
			       .standing = (enum standing)any(STANDING_COUNT),
			       .cluster = clusters[any(sizeof(clusters))]};
}

static bool is_wanted(const struct wanted *wanted, enum standing standing)
{
	return standing == STANDING_SURE || (standing == STANDING_AUTOBOUND && wanted->autobound) ||
	       (standing == STANDING_FIXED && wanted->fixed);
}

static bool wants_protection(const struct known *port, const struct wanted *wanted)
{
	if (!port->suspect)
		return false;
	if (port->configured)
		return true;
	if (port->exempt)
		return false;
	for (int i = 0; i < STANDING_COUNT; i++)
		if (port->counts[i] && is_wanted(wanted, (enum standing)i))
			return true;
	return port->bound == BOUND_HERE && is_wanted(wanted, port->standing);
}

static void write_bit(__u64 *bits, unsigned int port, bool value)
{
	bits[port / 64] = (bits[port / 64] & ~(1ull << port % 64)) | (__u64)value << port % 64;
}

static void write_binding(unsigned int port, const struct known *row, unsigned int generation,
			  bool ipv6)
{
	const char *text = row->bound == BOUND_HERE ? (ipv6 ? HOST_IPV6 : HOST_IPV4) : "192.0.2.77";
	struct binding_key key = {.port = (uint16_t)port};
	struct binding binding = {};
	struct prefix prefix;

	write_bit(harness.tables->here.bound, port, row->bound != BOUND_NOWHERE);
	if (row->bound != BOUND_HERE && row->bound != BOUND_ELSEWHERE)
		return;
	cr_assert_eq(prefix_parse(text, &prefix, NULL), 0);
	memcpy(key.address, prefix.address, sizeof(key.address));
	binding.counts[row->standing] = 1;
	binding.cluster[generation] = row->cluster;
	binding.cluster[!generation] = row->cluster ^ 1;
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(harness.live->maps.bindings), &key, &binding,
					 BPF_ANY),
		     0);
}

static void clear_bindings(void)
{
	const int map = bpf_map__fd(harness.live->maps.bindings);
	struct binding_key key;

	while (!bpf_map_get_next_key(map, NULL, &key))
		bpf_map_delete_elem(map, &key);
}

/* Into the policy of that generation; the other one gets the opposite. */
static void write_known(unsigned int generation, const struct wanted *wanted)
{
	clear_bindings();
	for (unsigned int port = 0; port < PORTS; port++) {
		const struct known *row = &known[port];

		for (unsigned int i = 0; i < 2; i++) {
			struct policy_tables *policy = &harness.tables->policy[i];
			const bool other = i != generation;

			write_bit(harness.tables->here.suspects[i], port, row->suspect ^ other);
			write_bit(policy->configured, port, row->configured ^ other);
			write_bit(policy->exempt, port, row->exempt ^ other);
			policy->cluster_of[wanted->ipv6][port] = row->cluster ^ (uint8_t)other;
			policy->cluster_of[!wanted->ipv6][port] = row->cluster ^ 1;
			policy->protect_autobound = wanted->autobound ^ other;
			policy->protect_fixed = wanted->fixed ^ other;
		}
		for (int i = 0; i < STANDING_COUNT; i++)
			harness.tables->here.listeners[port].counts[i] =
				row->counts[i] ^ wanted->ipv6 ? COUNT_IPV4 : COUNT_IPV6;
		write_binding(port, row, generation, wanted->ipv6);
	}
	memcpy(harness.tables->policy[1].slot_of, harness.tables->policy[0].slot_of,
	       sizeof(harness.tables->policy[0].slot_of));
	harness.tables->generation = generation;
}

static void every_port(const struct wanted *rules)
{
	const size_t port_at = frame.size - 18;

	for (unsigned int port = 0; port < PORTS; port++) {
		const bool wanted = wants_protection(&known[port], rules);
		struct outcome outcome;

		frame.bytes[port_at] = (uint8_t)(port >> 8);
		frame.bytes[port_at + 1] = (uint8_t)port;
		outcome = harness_run(&harness, &frame);
		cr_assert(outcome.reason == (wanted ? REASON_CLIENT_NEW : REASON_OTHER_PORT) &&
				  outcome.action == (wanted ? XDP_DROP : XDP_PASS) &&
				  outcome.cluster ==
					  (wanted ? known[port].cluster : CLUSTER_NOBODY),
			  "port %u, IPv%d: reason %d, cluster %d", port, rules->ipv6 ? 6 : 4,
			  outcome.reason, outcome.cluster);
	}
}

Test(exhaustive, every_port_is_protected_exactly_when_the_tables_say_so)
{
	for (int round = 0; round < 8; round++) {
		const bool ipv6 = round & 2;
		const struct wanted rules = {
			.autobound = round & 1, .ipv6 = ipv6, .fixed = round & 4};

		for (unsigned int port = 0; port < PORTS; port++)
			make_up(&known[port], port);
		write_known(round == 1 || round == 2 || round == 7, &rules);
		frame_ethernet(&frame);
		if (ipv6)
			frame_ipv6(&frame, CLIENT_IPV6, HOST_IPV6);
		else
			frame_ipv4(&frame, CLIENT_IPV4, HOST_IPV4);
		frame_end(frame_tcp(&frame, 40000, 0, FLAG_SYN));
		every_port(&rules);
	}
}
