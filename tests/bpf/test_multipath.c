// SPDX-License-Identifier: BSD-2-Clause
/* Multipath TCP: the socket of the process is not the one that listens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

#define PROTOCOL_MULTIPATH 262 /* IPPROTO_MPTCP, which old headers lack */

TestSuite(multipath, .init = watching_open, .fini = watching_close);

/* The switch is the network namespace's: this test has one of its own. */
static bool has_multipath(void)
{
	const int file = open("/proc/sys/net/mptcp/enabled", O_WRONLY);
	int fd;

	if (file >= 0) {
		cr_assert_eq(write(file, "1", 1), 1, "%m");
		close(file);
	}
	fd = socket(AF_INET, SOCK_STREAM, PROTOCOL_MULTIPATH);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int listen_multipath(const char *address, uint16_t *port)
{
	const int fd =
		listen_in(&(struct place){.address = address, .protocol = PROTOCOL_MULTIPATH});

	*port = port_of(fd);
	return fd;
}

static void expect_nothing_found(void)
{
	for (int i = 0; i < 2; i++) {
		struct watch_findings findings;

		watching.fence.checked_at = UINT64_MAX; /* it looks, whatever it has heard */
		cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
		cr_expect_eq(findings.dropped, 0);
		cr_expect_eq(findings.corrected, 0);
	}
}

Test(multipath, a_listener_is_seen_when_it_begins)
{
	static const char *const addresses[] = {"0.0.0.0", "::", HOST_IPV4};

	if (!has_multipath())
		cr_skip_test("this kernel has no multipath TCP");
	call_myself("beam.smp");
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		uint16_t port;
		const int fd = listen_multipath(addresses[i], &port);

		cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "%s", addresses[i]);
		cr_expect_eq(count_entries(), 1);
		watching_list();
		cr_expect_eq(count_entries(), 1, "and counted once");
		expect_nothing_found();
		close(fd);
		cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "%s", addresses[i]);
		cr_expect_eq(count_entries(), 0);
	}
}

Test(multipath, a_listener_that_was_there_before_is_listed)
{
	uint16_t port;
	int fd;

	if (!has_multipath())
		cr_skip_test("this kernel has no multipath TCP");
	call_myself("beam.smp");
	watching_detach();
	fd = listen_multipath("0.0.0.0", &port);
	watching_attach();
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	watching_list();
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	expect_nothing_found();
	close(fd);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(count_entries(), 0);
}
