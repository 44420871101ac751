// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nanoseconds that a frame costs, over an empty XDP program: one interleaved run of many rounds, so
 * that whatever disturbs the machine disturbs all cases alike. Medians and quartiles.
 */
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../bpf/contract.h"
#include "empty.skel.h"
#include "tests/bpf/harness.h"

#define ROUNDS_DEFAULT 301
#define REPEAT	       20000

struct bench_case {
	const char *name;
	double target_ns; /* over empty */
	void (*build)(struct test_frame *frame);
	enum zone zone;
	enum reason reason;
	uint32_t peers;
	bool ipv6_peers;
	enum event_level events;
	uint32_t event_budget;
	struct harness harness;
	struct test_frame frame;
	double *samples_ns;
};

static void build_tcp_ipv4(struct test_frame *frame)
{
	frame_segment(frame, CLIENT_IPV4, OPEN_PORT, FLAG_ACK);
}

static void build_tcp_ipv6(struct test_frame *frame)
{
	frame_segment(frame, CLIENT_IPV6, OPEN_PORT, FLAG_ACK);
}

static void build_two_tags(struct test_frame *frame)
{
	frame_tag(frame_tag(frame_ethernet(frame), 0x88a8, 100), 0x8100, 200);
	frame_end(frame_tcp(frame_ipv4(frame, CLIENT_IPV4, HOST_IPV4), 40000, OPEN_PORT, FLAG_ACK));
}

static void build_udp(struct test_frame *frame)
{
	frame_ipv4(frame_ethernet(frame), CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_payload(frame_udp(frame, 40000, EPMD_PORT), 32));
}

static void build_drop(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV4, EPMD_PORT);
}

static void build_drop_ipv6(struct test_frame *frame)
{
	frame_syn(frame, CLIENT_IPV6, EPMD_PORT);
}

static void build_peer(struct test_frame *frame)
{
	frame_segment(frame, "10.0.0.0", CLUSTER_0_PORT, FLAG_ACK);
}

static void build_peer_ipv6(struct test_frame *frame)
{
	frame_segment(frame, "fd00::", CLUSTER_0_PORT, FLAG_ACK);
}

#define UNTOUCHED(text, builder, expected)                                           \
	{                                                                            \
		.name = text, .target_ns = 5, .build = builder, .zone = ZONE_CLIENT, \
		.reason = expected                                                   \
	}
#define DROPPED(text, builder)                                                        \
	{                                                                             \
		.name = text, .target_ns = 15, .build = builder, .zone = ZONE_CLIENT, \
		.reason = REASON_CLIENT_NEW                                           \
	}
#define REPORTED(text, builder, budget)                                                       \
	{                                                                                     \
		.name = text, .target_ns = 15, .build = builder, .zone = ZONE_CLIENT,         \
		.reason = REASON_CLIENT_NEW, .events = EVENTS_LIMITED, .event_budget = budget \
	}
#define ACCEPTED(text, builder, count, ipv6)                                           \
	{                                                                              \
		.name = text, .target_ns = 40, .build = builder, .zone = ZONE_CLUSTER, \
		.reason = REASON_PEER, .peers = count, .ipv6_peers = ipv6              \
	}

static struct bench_case cases[] = {
	UNTOUCHED("TCP to another port, IPv4", build_tcp_ipv4, REASON_OTHER_PORT),
	UNTOUCHED("TCP to another port, IPv6", build_tcp_ipv6, REASON_OTHER_PORT),
	UNTOUCHED("TCP to another port, two VLAN tags", build_two_tags, REASON_OTHER_PORT),
	UNTOUCHED("UDP", build_udp, REASON_NOT_TCP),
	DROPPED("drop on a client interface, IPv4", build_drop),
	DROPPED("drop on a client interface, IPv6", build_drop_ipv6),
	REPORTED("drop, events on, source had its event", build_drop, 1),
	REPORTED("drop, events on, IPv6, the same", build_drop_ipv6, 1),
	REPORTED("drop, events on, too many sources", build_drop, 0),
	ACCEPTED("accepted peer, IPv4, 1 peer", build_peer, 1, false),
	ACCEPTED("accepted peer, IPv4, 1,000 peers", build_peer, 1000, false),
	ACCEPTED("accepted peer, IPv4, 1,000,000 peers", build_peer, 1000000, false),
	ACCEPTED("accepted peer, IPv6, 1 peer", build_peer_ipv6, 1, true),
	ACCEPTED("accepted peer, IPv6, 1,000,000 peers", build_peer_ipv6, 1000000, true),
};

static size_t case_count = sizeof(cases) / sizeof(cases[0]);

/* Leaves the cases that have this in their name. */
static void keep_cases(const char *part)
{
	size_t kept = 0;

	for (size_t i = 0; i < case_count; i++)
		if (strstr(cases[i].name, part))
			cases[kept++] = cases[i];
	case_count = kept;
}

static int compare_doubles(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double quantile(double *samples, size_t count, double share)
{
	qsort(samples, count, sizeof(*samples), compare_doubles);
	return samples[(size_t)floor(share * (double)(count - 1) + 0.5)];
}

static void open_case(struct bench_case *bench, size_t rounds)
{
	harness_open(&bench->harness, true);
	harness_zone(&bench->harness, bench->zone);
	if (bench->peers)
		harness_many_peers(&bench->harness, bench->peers, !bench->ipv6_peers);
	if (bench->events)
		harness_events(&bench->harness, bench->events, 3600 * 1000, bench->event_budget);
	bench->build(&bench->frame);
	bench->samples_ns = calloc(rounds, sizeof(*bench->samples_ns));
	if (!bench->samples_ns)
		err(1, "samples");
}

/* Each must do what it is timed for, or the figure would mean nothing. */
static void check_case(struct bench_case *bench)
{
	const struct outcome outcome = harness_run(&bench->harness, &bench->frame);

	if (outcome.reason != bench->reason)
		errx(1, "%s: reason %d, not %d", bench->name, outcome.reason, bench->reason);
}

static void print_case(struct bench_case *bench, size_t rounds)
{
	const double median = quantile(bench->samples_ns, rounds, 0.5);

	printf("%-40s %7.1f %7.1f %7.1f %8.0f  %s\n", bench->name, median,
	       quantile(bench->samples_ns, rounds, 0.25), quantile(bench->samples_ns, rounds, 0.75),
	       bench->target_ns, median <= bench->target_ns ? "met" : "missed");
}

int main(int argc, char **argv)
{
	const size_t rounds = argc > 1 ? (size_t)atoi(argv[1]) : ROUNDS_DEFAULT;
	struct empty *empty = empty__open_and_load();
	double *empty_ns = calloc(rounds, sizeof(*empty_ns));
	struct utsname host;

	if (!empty || !empty_ns || rounds < 3)
		errx(1,
		     "usage: bench [ROUNDS [PART OF A CASE'S NAME]], ROUNDS at least 3, as root");
	if (argc > 2)
		keep_cases(argv[2]);
	for (size_t i = 0; i < case_count; i++) {
		open_case(&cases[i], rounds);
		check_case(&cases[i]);
	}
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < case_count; i++) {
			struct bench_case *bench = &cases[i];
			const int program = fence_program(bench->harness.live, true);
			double base = harness_time(&bench->harness,
						   bpf_program__fd(empty->progs.empty),
						   &bench->frame, REPEAT);

			bench->samples_ns[round] = harness_time(&bench->harness, program,
								&bench->frame, REPEAT) -
						   base;
			if (i == 0)
				empty_ns[round] = base;
		}
	}
	uname(&host);
	printf("Linux %s, %zu rounds of %d frames a case; an empty program reads %.1f ns\n\n",
	       host.release, rounds, REPEAT, quantile(empty_ns, rounds, 0.5));
	printf("%-40s %7s %7s %7s %8s\n", "ns a frame over an empty program", "median", "25 %",
	       "75 %", "target");
	for (size_t i = 0; i < case_count; i++)
		print_case(&cases[i], rounds);
	return 0;
}
