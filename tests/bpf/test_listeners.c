// SPDX-License-Identifier: BSD-2-Clause
/* The listener watch: this process calls itself a BEAM or epmd and listens for real. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bpf/harness.h"

#define FIXED_PORT 8443

static struct harness harness;
static struct test_frame frame;
static struct listeners *watch;
static int watch_link = -1;

static void load_watch(uint32_t table_size)
{
	struct stat status;

	cr_assert_eq(stat("/proc/self/ns/net", &status), 0);
	watch = listeners__open();
	cr_assert_not_null(watch);
	watch->rodata->namespace_inode = (__u32)status.st_ino;
	bpf_map__set_max_entries(watch->maps.listeners, table_size);
	bpf_map__reuse_fd(watch->maps.bss, bpf_map__fd(harness.live->maps.bss));
	cr_assert_eq(listeners__load(watch), 0);
}

static void attach_watch(void)
{
	watch_link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(watch->progs.watch_states));
	cr_assert_geq(watch_link, 0);
}

static void list_listeners(void)
{
	const int link = bpf_link_create(bpf_program__fd(watch->progs.list_listeners), 0,
					 BPF_TRACE_ITER, NULL);
	const int listing = bpf_iter_create(link);
	char nothing[16];

	cr_assert_geq(listing, 0);
	while (read(listing, nothing, sizeof(nothing)) > 0)
		;
	close(listing);
	close(link);
}

static void start(void)
{
	harness_open(&harness, true);
	memset(harness.tables->policy[0].cluster_of, CLUSTER_NOBODY, PORTS);
	harness.tables->policy[0].protect_autobound = 1;
}

static void open_watch(void)
{
	start();
	load_watch(64);
	attach_watch();
}

static void stop(void)
{
	close(watch_link);
	listeners__destroy(watch);
	harness_close(&harness);
}

TestSuite(watch, .init = open_watch, .fini = stop);

static void call_myself(const char *name)
{
	cr_assert_eq(prctl(PR_SET_NAME, name), 0);
}

/* Port 0: the kernel chooses, and *@port is what it chose. */
static int listener(int family, uint16_t *port)
{
	struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
	struct sockaddr_in *in = (void *)&address; /* the port is at the same place for both */
	socklen_t size = sizeof(address);
	const int fd = socket(family, SOCK_STREAM, 0), on = 1;

	in->sin_port = htons(*port);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, size), 0, "%m");
	cr_assert_eq(listen(fd, 8), 0, "%m");
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(in->sin_port);
	return fd;
}

static int autobound(uint16_t *port)
{
	*port = 0;
	return listener(AF_INET, port);
}

static int fixed(uint16_t port)
{
	return listener(AF_INET, &port);
}

static enum reason syn_to(uint16_t port)
{
	frame_syn(&frame, CLIENT_IPV4, port);
	return harness_run(&harness, &frame).reason;
}

static void claim(uint16_t port, enum claim claim)
{
	harness.tables->claimed[port] = (__u8)claim;
	if (claim != CLAIM_NONE)
		fence_suspect(&harness.tables->policy[0], port);
}

static int count_entries(void)
{
	uint64_t key, *previous = NULL;
	int count = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(watch->maps.listeners), previous, &key)) {
		previous = &key;
		count++;
	}
	return count;
}

Test(watch, a_port_that_the_kernel_chose_for_a_beam_is_protected_while_it_listens)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	fd = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	cr_expect_eq(syn_to((uint16_t)(port + 1)), REASON_OTHER_PORT);
	close(fd);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(count_entries(), 0);
}

Test(watch, every_kind_of_beam_and_epmd_is_known_and_nothing_else)
{
	static const struct {
		const char *name;
		bool known;
	} rows[] = {{"beam.smp", true}, {"beam", true},	  {"beam.debug.smp", true}, {"epmd", true},
		    {"beamer", false},	{"epmdx", false}, {"nginx", false},	    {"bea", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t port;
		int fd;

		call_myself(rows[i].name);
		fd = autobound(&port);
		cr_expect_eq(syn_to(port), rows[i].known ? REASON_CLIENT_NEW : REASON_OTHER_PORT,
			     "%s", rows[i].name);
		close(fd);
	}
}

Test(watch, whatever_epmd_listens_on_is_protected)
{
	int fd;

	call_myself("epmd");
	fd = fixed(4444);
	cr_expect_eq(syn_to(4444), REASON_CLIENT_NEW);
	close(fd);
	cr_expect_eq(syn_to(4444), REASON_OTHER_PORT);
}

Test(watch, a_port_of_a_beams_own_choice_is_protected_once_claimed_and_at_once_the_next_time)
{
	int fd;

	call_myself("beam.smp");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT);
	claim(FIXED_PORT, CLAIM_REGISTERED);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW);
	close(fd);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "nobody listens");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW, "the claim is kept");
	close(fd);
	call_myself("nginx");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "but not for others");
	close(fd);
}

Test(watch, a_port_with_several_listeners_is_released_with_the_last)
{
	uint16_t port;
	int ipv4, ipv6;

	call_myself("beam.smp");
	ipv4 = autobound(&port);
	claim(port, CLAIM_REGISTERED);
	ipv6 = listener(AF_INET6, &port);
	close(ipv4);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(ipv6);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
}

Test(watch, a_configured_port_stays_protected_when_its_listener_goes)
{
	int fd;

	call_myself("beam.smp");
	fd = fixed(CLUSTER_0_PORT);
	close(fd);
	cr_expect_eq(syn_to(CLUSTER_0_PORT), REASON_CLIENT_NEW);
}

Test(watch, exempt_ports_and_autobound_ones_that_are_ignored_are_not_protected)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	fd = autobound(&port);
	harness.tables->policy[0].exempt[port / 64] |= 1ull << port % 64;
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "exempt");
	harness.tables->policy[0].exempt[port / 64] = 0;
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	harness.tables->policy[0].protect_autobound = 0;
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "ignored");
	claim(port, CLAIM_REGISTERED);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "but registered");
	close(fd);
}

Test(watch, the_next_node_on_a_port_does_not_inherit_its_cluster)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	harness_zone(&harness, ZONE_CLUSTER);
	fd = autobound(&port);
	harness.tables->policy[0].cluster_of[port] = 0;
	frame_syn(&frame, PEER_IPV4, port);
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_PEER);
	close(fd);
	fd = fixed(port);
	claim(port, CLAIM_REGISTERED);
	frame_syn(&frame, PEER_IPV4, port);
	cr_expect_eq(harness_run(&harness, &frame).reason, REASON_STRANGER_NEW);
	close(fd);
}

Test(watch, other_network_namespaces_do_not_count)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	fd = autobound(&port);
	cr_expect_eq(harness.tables->listeners[port].autobound, 0);
	cr_expect_eq(count_entries(), 0);
	close(fd);
}

Test(watch, a_thousand_nodes_leave_nothing)
{
	call_myself("beam.smp");
	for (int i = 0; i < 1000; i++) {
		uint16_t port;

		close(autobound(&port));
		cr_assert_eq(harness.tables->listeners[port].autobound, 0);
	}
	cr_expect_eq(count_entries(), 0);
	cr_expect_eq(harness.tables->listeners_untracked, 0);
}

Test(watch_start, listeners_that_were_there_before_are_found_and_counted_once)
{
	uint16_t port;
	int fd;

	start();
	call_myself("beam.smp");
	fd = autobound(&port);
	load_watch(64);
	attach_watch();
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	list_listeners();
	list_listeners();
	cr_expect_eq(harness.tables->listeners[port].autobound, 1);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	stop();
}

Test(watch_start, a_full_table_protects_all_the_same)
{
	uint16_t ports[8];
	int fds[8];

	start();
	load_watch(4);
	attach_watch();
	call_myself("beam.smp");
	for (int i = 0; i < 8; i++)
		fds[i] = autobound(&ports[i]);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(syn_to(ports[i]), REASON_CLIENT_NEW, "listener %d", i);
	cr_expect_eq(harness.tables->listeners_untracked, 4);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(syn_to(ports[i]), i < 4 ? REASON_OTHER_PORT : REASON_CLIENT_NEW,
			     "listener %d, gone", i);
	stop();
}
