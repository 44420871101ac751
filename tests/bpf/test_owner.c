// SPDX-License-Identifier: BSD-2-Clause
/* Whose segment it is: real sockets in the namespace, frames that their connections would get. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bpf/harness.h"

#define LOCAL_IPV4   "127.0.0.1"
#define LOCAL_IPV6   "::1"
#define SERVICE_PORT 5000

static struct harness harness;
static struct test_frame frame;

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_eq(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void open_harness(void)
{
	harness_open(&harness, true);
	raise_loopback();
}

static void close_harness(void)
{
	harness_close(&harness);
}

TestSuite(owner, .init = open_harness, .fini = close_harness);

static socklen_t make_address(struct sockaddr_storage *address, bool ipv6, uint16_t port)
{
	struct sockaddr_in *in = (void *)address;
	struct sockaddr_in6 *in6 = (void *)address;

	*address = (struct sockaddr_storage){};
	if (ipv6) {
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		inet_pton(AF_INET6, LOCAL_IPV6, &in6->sin6_addr);
		return sizeof(*in6);
	}
	*in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	inet_pton(AF_INET, LOCAL_IPV4, &in->sin_addr);
	return sizeof(*in);
}

static int bound(bool ipv6, uint16_t port)
{
	const int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_storage address;
	const socklen_t size = make_address(&address, ipv6, port);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0, "bind %u", port);
	return fd;
}

static int listener(bool ipv6, uint16_t port)
{
	const int fd = bound(ipv6, port);

	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

static int connection(bool ipv6, uint16_t from, uint16_t to)
{
	const int fd = bound(ipv6, from);
	struct sockaddr_storage address;
	const socklen_t size = make_address(&address, ipv6, to);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, size), 0, "connect to %u", to);
	return fd;
}

static enum reason reason_for(bool ipv6, uint16_t source, uint16_t destination, uint8_t flags)
{
	frame_ethernet(&frame);
	if (ipv6)
		frame_ipv6(&frame, LOCAL_IPV6, LOCAL_IPV6);
	else
		frame_ipv4(&frame, LOCAL_IPV4, LOCAL_IPV4);
	frame_end(frame_tcp(&frame, source, destination, flags));
	return harness_run(&harness, &frame).reason;
}

Test(owner, segments_for_a_listener_are_dropped)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const int fd = listener(ipv6, CLUSTER_0_PORT);

		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, FLAG_ACK),
			     REASON_CLIENT_SEGMENT);
		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, FLAG_SYN | FLAG_ACK),
			     REASON_CLIENT_SEGMENT);
		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, 0), REASON_CLIENT_SEGMENT);
		close(fd);
		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, FLAG_ACK), REASON_NO_LISTENER);
	}
}

Test(owner, segments_of_a_connection_that_a_listener_accepted_are_dropped)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const int fd = listener(ipv6, CLUSTER_0_PORT);
		const int client = connection(ipv6, 33333, CLUSTER_0_PORT);

		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, FLAG_ACK | FLAG_PSH),
			     REASON_CLIENT_SEGMENT);
		harness_zone(&harness, ZONE_CLUSTER);
		cr_expect_eq(reason_for(ipv6, 33333, CLUSTER_0_PORT, FLAG_ACK | FLAG_PSH),
			     REASON_STRANGER_SEGMENT);
		harness_zone(&harness, ZONE_CLIENT);
		close(client);
		close(fd);
	}
}

Test(owner, replies_to_the_hosts_own_connection_from_a_protected_port_pass)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		const int fd = listener(ipv6, SERVICE_PORT);
		const int outbound = connection(ipv6, CLUSTER_0_PORT + 5, SERVICE_PORT);

		cr_expect_eq(reason_for(ipv6, SERVICE_PORT, CLUSTER_0_PORT + 5, FLAG_ACK),
			     REASON_OUTBOUND);
		cr_expect_eq(
			reason_for(ipv6, SERVICE_PORT, CLUSTER_0_PORT + 5, FLAG_FIN | FLAG_ACK),
			REASON_OUTBOUND);
		cr_expect_eq(reason_for(ipv6, SERVICE_PORT, CLUSTER_0_PORT + 5, FLAG_SYN),
			     REASON_CLIENT_NEW, "a SYN is never a reply");
		cr_expect_eq(reason_for(ipv6, SERVICE_PORT + 1, CLUSTER_0_PORT + 5, FLAG_ACK),
			     REASON_NO_LISTENER, "another remote port");
		harness_zone(&harness, ZONE_CLUSTER);
		cr_expect_eq(reason_for(ipv6, SERVICE_PORT, CLUSTER_0_PORT + 5, FLAG_ACK),
			     REASON_OUTBOUND, "cluster zone");
		harness_zone(&harness, ZONE_CLIENT);
		close(outbound);
		close(fd);
	}
}

Test(owner, a_dual_stack_listener_is_found_for_ipv4)
{
	const int fd = socket(AF_INET6, SOCK_STREAM, 0);
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6,
					 .sin6_port = htons(CLUSTER_0_PORT)};

	cr_assert_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_expect_eq(reason_for(false, 33333, CLUSTER_0_PORT, FLAG_ACK), REASON_CLIENT_SEGMENT);
	close(fd);
}

Test(owner, without_conntrack_the_rest_is_the_same)
{
	struct harness plain;
	int fd;

	harness_open_with(&plain, true, true, false);
	raise_loopback();
	fd = listener(false, CLUSTER_0_PORT);
	frame_ipv4(frame_ethernet(&frame), LOCAL_IPV4, LOCAL_IPV4);
	frame_end(frame_tcp(&frame, 33333, CLUSTER_0_PORT, FLAG_ACK));
	cr_expect_eq(harness_run(&plain, &frame).reason, REASON_CLIENT_SEGMENT);
	close(fd);
	harness_close(&plain);
}

static enum reason reason_at(const char *source, const char *destination)
{
	frame_ethernet(&frame);
	if (strchr(source, ':'))
		frame_ipv6(&frame, source, destination);
	else
		frame_ipv4(&frame, source, destination);
	frame_end(frame_tcp(&frame, 33333, CLUSTER_0_PORT, FLAG_ACK));
	return harness_run(&harness, &frame).reason;
}

static int dual_stack_listener(void)
{
	const int fd = socket(AF_INET6, SOCK_STREAM, 0);
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6,
					 .sin6_port = htons(CLUSTER_0_PORT)};

	cr_assert_eq(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	return fd;
}

/* Forwarding is off in a new namespace: the routes say nothing of any destination. */
Test(owner, a_segment_for_an_address_that_is_not_the_hosts_is_no_listeners)
{
	const int fd = dual_stack_listener();

	harness_address(&harness, "10.8.0.0/16");
	harness_address(&harness, HOST_IPV4);
	harness_address(&harness, "fd00:8::/64");
	harness_addresses_until(&harness, UINT64_MAX);
	cr_expect_eq(reason_at(CLIENT_IPV4, HOST_IPV4), REASON_CLIENT_SEGMENT);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.8.255.1"), REASON_CLIENT_SEGMENT);
	cr_expect_eq(reason_at(CLIENT_IPV6, "fd00:8::5"), REASON_CLIENT_SEGMENT);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.9.0.1"), REASON_NO_LISTENER);
	cr_expect_eq(reason_at(CLIENT_IPV6, "fd00:9::5"), REASON_NO_LISTENER);
	harness_zone(&harness, ZONE_CLUSTER);
	cr_expect_eq(reason_at(CLIENT_IPV4, HOST_IPV4), REASON_STRANGER_SEGMENT);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.9.0.1"), REASON_NO_LISTENER);
	close(fd);
}

Test(owner, any_address_may_be_the_hosts_while_its_own_are_not_known)
{
	const int fd = dual_stack_listener();
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.9.0.1"), REASON_CLIENT_SEGMENT, "never told");
	harness_addresses_until(&harness, (uint64_t)now.tv_sec * 1000000000);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.9.0.1"), REASON_CLIENT_SEGMENT, "too long ago");
	cr_expect_eq(reason_at(CLIENT_IPV6, "fd00:9::5"), REASON_CLIENT_SEGMENT, "too long ago");
	harness_addresses_until(&harness, ((uint64_t)now.tv_sec + 3600) * 1000000000);
	cr_expect_eq(reason_at(CLIENT_IPV4, "10.9.0.1"), REASON_NO_LISTENER);
	close(fd);
}

/* A frame that names one address and, by a source route, ends at another. */
static enum reason reason_by_route(uint8_t option, uint8_t pointer, uint8_t flags)
{
	uint8_t *route;

	frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
	frame_ipv4_options(&frame, 12);
	route = frame.bytes + frame.ip + 20 + 3; /* behind no-operations */
	route[0] = option;
	route[1] = 7;
	route[2] = pointer;
	inet_pton(AF_INET, LOCAL_IPV4, route + 3);
	frame_end(frame_tcp(&frame, 33333, CLUSTER_0_PORT, flags));
	return harness_run(&harness, &frame).reason;
}

Test(owner, a_segment_by_a_source_route_is_taken_for_a_listener_s_wherever_it_ends)
{
	const int fd = listener(false,
				CLUSTER_0_PORT); /* not at the address that the frame names */

	cr_expect_eq(reason_by_route(131, 4, FLAG_ACK), REASON_CLIENT_SEGMENT);
	cr_expect_eq(reason_by_route(137, 4, FLAG_ACK), REASON_CLIENT_SEGMENT);
	cr_expect_eq(reason_by_route(131, 4, FLAG_SYN), REASON_CLIENT_NEW);
	cr_expect_eq(reason_by_route(131, 8, FLAG_ACK), REASON_NO_LISTENER, "at its end");
	cr_expect_eq(reason_by_route(7, 4, FLAG_ACK), REASON_NO_LISTENER, "a record of the route");
	close(fd);
}

Test(owner, a_segment_with_a_routing_header_that_leads_on_is_taken_for_a_listener_s)
{
	for (uint8_t left = 0; left < 2; left++) {
		frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
		frame_extension(&frame, 43, 3);
		frame.bytes[frame.next + 2] = 4;
		frame.bytes[frame.next + 3] = left;
		frame_end(frame_tcp(&frame, 33333, CLUSTER_0_PORT, FLAG_ACK));
		cr_expect_eq(harness_run(&harness, &frame).reason,
			     left ? REASON_CLIENT_SEGMENT : REASON_NO_LISTENER);
	}
}
