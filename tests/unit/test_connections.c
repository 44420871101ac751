// SPDX-License-Identifier: BSD-2-Clause
/* What the kernel tells of connections, asked on loopback: ports are picked out by the kernel. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/host.h"
#include "kernel/rtnetlink.h"

#define PAIRS 6

/* A connection within this process. */
struct pair {
	int listener, client, server;
	uint16_t port, client_port;
};

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 address;
	socklen_t size = sizeof(address);

	cr_assert_not(getsockname(fd, (struct sockaddr *)&address, &size));
	return ntohs(address.sin6_port); /* where IPv4 has it too */
}

static struct pair connect_pair(int family, const char *host)
{
	struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_any};
	struct sockaddr_in ipv4 = {.sin_family = AF_INET};
	struct sockaddr *any = family == AF_INET ? (void *)&ipv4 : (void *)&ipv6;
	const socklen_t size = family == AF_INET ? sizeof(ipv4) : sizeof(ipv6);
	const int client_family = strchr(host, ':') ? AF_INET6 : AF_INET;
	struct pair pair = {.listener = socket(family, SOCK_STREAM, 0)};

	cr_assert_not(bind(pair.listener, any, size));
	cr_assert_not(listen(pair.listener, 1));
	pair.port = port_of(pair.listener);
	pair.client = socket(client_family, SOCK_STREAM, 0);
	if (client_family == AF_INET) {
		ipv4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(pair.port)};
		inet_pton(AF_INET, host, &ipv4.sin_addr);
		cr_assert_not(connect(pair.client, (void *)&ipv4, sizeof(ipv4)));
	} else {
		ipv6.sin6_port = htons(pair.port);
		inet_pton(AF_INET6, host, &ipv6.sin6_addr);
		cr_assert_not(connect(pair.client, (void *)&ipv6, sizeof(ipv6)));
	}
	pair.client_port = port_of(pair.client);
	pair.server = accept(pair.listener, NULL, NULL);
	cr_assert_geq(pair.server, 0);
	return pair;
}

static void add_port(uint64_t ports[static PORTS / 64], unsigned int port)
{
	ports[port / 64] |= UINT64_C(1) << (port % 64);
}

static const struct host_connection *find(const struct host_connection *list, int count,
					  const struct pair *pair)
{
	for (int i = 0; i < count; i++)
		if (list[i].local_port == pair->port && list[i].remote_port == pair->client_port)
			return &list[i];
	return NULL;
}

Test(connections, those_of_the_ports_asked_for_are_told_and_no_others)
{
	struct pair pairs[PAIRS];
	uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	bool more = true;
	int count;

	for (int i = 0; i < PAIRS; i++) {
		pairs[i] = connect_pair(AF_INET, "127.0.0.1");
		if (i % 2)
			add_port(ports, pairs[i].port);
	}
	count = host_connections(ports, true, &list, &more, NULL);
	cr_assert_eq(count, PAIRS / 2);
	cr_expect_not(more);
	for (int i = 0; i < PAIRS; i++)
		cr_expect_eq(find(list, count, &pairs[i]) != NULL, i % 2, "pair %d", i);
}

Test(connections, more_ranges_than_the_kernel_is_told_lose_none)
{
	const struct pair pair = connect_pair(AF_INET, "127.0.0.1");
	uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	bool more;
	int count;

	for (unsigned int port = 1; port < 4096; port += 2)
		add_port(ports, port);
	add_port(ports, pair.port);
	count = host_connections(ports, true, &list, &more, NULL);
	cr_assert_eq(count, 1);
	cr_expect(find(list, count, &pair));
}

Test(connections, the_first_and_the_last_port_are_ranges_too)
{
	const struct pair pair = connect_pair(AF_INET, "127.0.0.1");
	uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	bool more;
	int count;

	add_port(ports, 0);
	add_port(ports, PORTS - 1);
	cr_expect_eq(host_connections(ports, true, &list, &more, NULL), 0);
	memset(ports, 0xff, sizeof(ports));
	count = host_connections(ports, true, &list, &more, NULL);
	cr_expect(find(list, count, &pair));
}

Test(connections, no_port_asks_for_none)
{
	const uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	bool more;

	connect_pair(AF_INET, "127.0.0.1");
	cr_expect_eq(host_connections(ports, true, &list, &more, NULL), 0);
}

/* Whoever has many of them would crowd out those that come from elsewhere. */
Test(connections, those_within_the_host_are_left_out_where_nobody_asks_for_them)
{
	static const char *const hosts[] = {"127.0.0.1", "127.1.2.3", "::1"};
	uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	bool more = true;

	for (int i = 0; i < 3; i++)
		add_port(ports, connect_pair(AF_INET6, hosts[i]).port);
	cr_expect_eq(host_connections(ports, false, &list, &more, NULL), 0);
	cr_expect_not(more);
}

/* As the filter sees it: IPv4, whatever family the socket is of. */
Test(connections, ipv4_at_a_socket_of_ipv6_is_ipv4)
{
	const struct pair mapped = connect_pair(AF_INET6, "127.0.0.1");
	const struct pair ipv6 = connect_pair(AF_INET6, "::1");
	uint64_t ports[PORTS / 64] = {};
	_cleanup_free_ struct host_connection *list = NULL;
	char text[PREFIX_TEXT_SIZE];
	bool more;
	int count;

	add_port(ports, mapped.port);
	add_port(ports, ipv6.port);
	count = host_connections(ports, true, &list, &more, NULL);
	cr_assert_eq(count, 2);
	cr_expect_str_eq(prefix_format(&find(list, count, &mapped)->remote, text), "127.0.0.1/32");
	cr_expect_str_eq(prefix_format(&find(list, count, &ipv6)->remote, text), "::1/128");
}

/* On loopback it is lo, which has index 1 everywhere. */
Test(connections, the_way_of_a_connection_is_a_device)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	struct host_connection connection = {};

	cr_assert(socket);
	cr_assert_not(address_parse("127.0.0.1", &connection.local, NULL));
	cr_assert_not(address_parse("127.0.0.2", &connection.remote, NULL));
	cr_expect_eq(host_route(socket, &connection), 1);
	cr_assert_not(address_parse("::1", &connection.local, NULL));
	cr_assert_not(address_parse("::1", &connection.remote, NULL));
	cr_expect_eq(host_route(socket, &connection), 1);
	cr_assert_not(address_parse("192.0.2.1", &connection.local, NULL));
	cr_assert_not(address_parse("192.0.2.2", &connection.remote, NULL));
	cr_expect_eq(host_route(socket, &connection), 0, "from an address that is not the host's");
}
