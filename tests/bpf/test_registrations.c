// SPDX-License-Identifier: BSD-2-Clause
/* Connections to this host's epmds, as the watch records them. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/watching.h"
#include "user/core/clock.h"

#define OWN_IPV4   "192.0.2.1" /* of this host, beside loopback's */
#define OWN_MAPPED "::ffff:" OWN_IPV4
#define OTHER_PORT 5000

static int epmd;

static void add_own_address(void)
{
	struct ifreq request = {.ifr_name = "lo:1"};
	struct sockaddr_in *address = (void *)&request.ifr_addr;
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);

	address->sin_family = AF_INET;
	inet_pton(AF_INET, OWN_IPV4, &address->sin_addr);
	cr_assert_eq(ioctl(fd, SIOCSIFADDR, &request), 0, "%m");
	close(fd);
}

static void start(void)
{
	watching_open();
	raise_loopback();
	add_own_address();
	call_myself("epmd");
	epmd = listen_at("::", EPMD_PORT);
	call_myself("beam.smp");
}

static void stop(void)
{
	close(epmd);
	watching_close();
}

TestSuite(registrations, .init = start, .fini = stop);

/* @from NULL: as the kernel chooses. */
static int connect_to(const char *from, const char *to, uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (from) {
		inet_pton(AF_INET, from, &address.sin_addr);
		cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	}
	inet_pton(AF_INET, to, &address.sin_addr);
	address.sin_port = htons(port);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s: %m", to);
	return fd;
}

static int connect6_to(const char *to, uint16_t port)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int fd = socket(AF_INET6, SOCK_STREAM, 0);

	inet_pton(AF_INET6, to, &address.sin6_addr);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%s: %m", to);
	return fd;
}

/* How many there are, and the first of them. */
static int registrations(struct registration *first)
{
	struct fence_registration *list = NULL;
	const int count = fence_registrations(&watching.fence, &list);

	if (count > 0 && first)
		*first = list[0].registration;
	free(list);
	return count;
}

/* The end of a connection is known once the other side has acknowledged it. */
static void expect_registrations(int wanted, const char *what)
{
	const uint64_t deadline_ms = monotonic_ms() + 10000;

	while (registrations(NULL) != wanted && monotonic_ms() < deadline_ms)
		usleep(1000);
	cr_expect_eq(registrations(NULL), wanted, "%s: %d, not %d", what, registrations(NULL),
		     wanted);
}

static void end(int fd)
{
	close(fd);
	expect_registrations(0, "after its end");
}

Test(registrations, a_connection_to_epmd_is_recorded_until_it_ends)
{
	struct registration registration;
	int fd;

	watching_changes();
	act_for(SOME_USER);
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	cr_assert_eq(registrations(&registration), 1);
	cr_expect_eq(registration.pid, (__u32)getpid());
	cr_expect_eq(registration.account, SOME_USER);
	cr_expect_eq(registration.epmd_port, EPMD_PORT);
	cr_expect_eq(registration.beam, 1);
	cr_expect_eq(registration.address[12], 127);
	cr_expect_neq(registration.since_ns, 0);
	cr_expect_eq(watching_changes(), 1u << CHANGE_REGISTRATIONS);
	cr_expect_eq(user_of(SOME_USER).registrations, 1);
	end(fd);
	cr_expect_eq(watching_changes(), 1u << CHANGE_REGISTRATIONS);
	cr_expect_eq(user_of(SOME_USER).registrations, 0);
}

/* Else its own questions would be the reason to ask again, and again. */
Test(registrations, what_asks_for_beamfence_is_no_node_and_no_news)
{
	int fd;

	watching_changes();
	call_myself("beamfence-net");
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	cr_expect_eq(registrations(NULL), 0);
	close(fd);
	call_myself("beamfenced");
	close(connect_to(NULL, "127.0.0.1", EPMD_PORT));
	cr_expect_eq(watching_changes(), 0);
	call_myself("beam");
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	cr_expect_eq(registrations(NULL), 1);
	end(fd);
}

Test(registrations, one_that_epmd_ends_is_over)
{
	const int fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	const int accepted = accept(epmd, NULL, NULL);

	cr_assert_geq(accepted, 0);
	cr_expect_eq(registrations(NULL), 1, "epmd's own end is none");
	close(accepted);
	expect_registrations(0, "ended by epmd");
	close(fd);
	cr_expect_eq(user_of(0).registrations, 0);
}

Test(registrations, those_that_epmd_would_take_count_and_no_others)
{
	static const struct {
		const char *from, *to;
		int count;
	} rows[] = {{NULL, "127.0.0.1", 1},
		    {NULL, "127.9.9.9", 1},
		    {OWN_IPV4, OWN_IPV4, 1},
		    {"127.0.0.1", OWN_IPV4, 0}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int fd = connect_to(rows[i].from, rows[i].to, EPMD_PORT);

		cr_expect_eq(registrations(NULL), rows[i].count, "from %s to %s", rows[i].from,
			     rows[i].to);
		end(fd);
	}
}

Test(registrations, ipv6_and_mapped_ipv4_count_alike)
{
	static const char *const addresses[] = {"::1", "::ffff:127.0.0.1", OWN_MAPPED};

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		const int fd = connect6_to(addresses[i], EPMD_PORT);

		cr_expect_eq(registrations(NULL), 1, "%s", addresses[i]);
		end(fd);
	}
}

Test(registrations, a_connection_to_a_port_of_no_epmd_is_none)
{
	const int server = fixed(OTHER_PORT);
	int fd = connect_to(NULL, "127.0.0.1", OTHER_PORT);

	cr_expect_eq(registrations(NULL), 0);
	close(fd);
	/* One that the configuration has for an epmd's is one before anybody listens there. */
	watching.harness.tables->policy[0].cluster_of[0][OTHER_PORT] = CLUSTER_ANY;
	fd = connect_to(NULL, "127.0.0.1", OTHER_PORT);
	cr_expect_eq(registrations(NULL), 1);
	close(fd);
	close(server);
}

Test(registrations, those_of_other_processes_are_told_from_a_beam_s)
{
	struct registration registration;
	int fd;

	call_myself("java");
	watching_changes();
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	cr_assert_eq(registrations(&registration), 1);
	cr_expect_eq(registration.beam, 0);
	cr_expect_eq(watching_changes(), 1u << CHANGE_OTHERS);
	end(fd);
	cr_expect_eq(watching_changes(), 0, "nobody has to look for that");
	/* An epmd that asks another one is no node either. */
	call_myself("epmd");
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	cr_assert_eq(registrations(&registration), 1);
	cr_expect_eq(registration.beam, 0);
	close(fd);
}

Test(registrations, a_connection_that_is_refused_leaves_nothing)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(EPMD_PORT),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	close(epmd);
	epmd = -1;
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), -1);
	cr_expect_eq(errno, ECONNREFUSED);
	cr_expect_eq(registrations(NULL), 0);
	cr_expect_eq(user_of(0).registrations, 0);
	close(fd);
}

Test(registrations, those_that_were_there_before_are_listed_once)
{
	struct registration registration;
	int fd;

	watching_detach();
	fd = connect_to(NULL, "127.0.0.1", EPMD_PORT);
	watching_attach();
	cr_expect_eq(registrations(NULL), 0);
	watching_list();
	watching_list();
	cr_assert_eq(registrations(&registration), 1);
	cr_expect_eq(registration.since_ns, 0);
	cr_expect_eq(user_of(0).registrations, 1);
	end(fd);
}
