// SPDX-License-Identifier: BSD-2-Clause
/* The listener watch: this process calls itself a BEAM or epmd and listens for real. */
#include <criterion/criterion.h>
#include <sched.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

TestSuite(watch, .init = watching_open, .fini = watching_close);

static struct tables *tables(void)
{
	return watching.harness.tables;
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
	claim(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW);
	close(fd);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "nobody listens");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW, "the claim is kept");
	close(fd);
	fence_claim(&watching.fence, 0, FIXED_PORT, CLAIM_NONE);
	call_myself("nginx");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "but not for others");
	close(fd);
}

Test(watch, a_port_is_protected_for_the_families_of_its_listeners)
{
	uint16_t port;
	int ipv4, ipv6;

	call_myself("beam.smp");
	ipv4 = autobound(&port);
	claim(port);
	cr_expect_eq(syn6_to(port), REASON_OTHER_PORT);
	ipv6 = listen_in(&(struct place){.address = "::", .port = port, .ipv6_only = true});
	cr_expect_eq(syn6_to(port), REASON_CLIENT_NEW);
	close(ipv4);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(syn6_to(port), REASON_CLIENT_NEW);
	close(ipv6);
	cr_expect_eq(syn6_to(port), REASON_OTHER_PORT);
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
	tables()->policy[0].exempt[port / 64] |= 1ull << port % 64;
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "exempt");
	tables()->policy[0].exempt[port / 64] = 0;
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	tables()->policy[0].protect_autobound = 0;
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT, "ignored");
	claim(port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "but registered");
	close(fd);
}

Test(watch, the_next_node_on_a_port_does_not_inherit_its_cluster)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	harness_zone(&watching.harness, ZONE_CLUSTER);
	fd = autobound(&port);
	tables()->policy[0].cluster_of[0][port] = 0;
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_PEER);
	close(fd);
	fd = fixed(port);
	claim(port);
	cr_expect_eq(syn_from(PEER_IPV4, HOST_IPV4, port), REASON_STRANGER_NEW);
	close(fd);
}

Test(watch, a_user_whose_account_was_set_too_low_is_not_refused_for_that)
{
	const uint32_t account = 0;
	const struct user nothing = {};
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	fd = autobound(&port);
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(watching.watch->maps.users), &account,
					 &nothing, BPF_EXIST),
		     0);
	close(fd);
	fd = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
}

Test(watch, other_network_namespaces_do_not_count)
{
	uint16_t port;
	int fd;

	call_myself("beam.smp");
	cr_assert_eq(unshare(CLONE_NEWNET), 0);
	fd = autobound(&port);
	cr_expect_eq(tables()->here.listeners[port].counts[STANDING_AUTOBOUND], 0);
	cr_expect_eq(count_entries(), 0);
	close(fd);
}

Test(watch, a_thousand_nodes_leave_nothing)
{
	call_myself("beam.smp");
	for (int i = 0; i < 1000; i++) {
		uint16_t port;

		close(autobound(&port));
		cr_assert_eq(tables()->here.listeners[port].counts[STANDING_AUTOBOUND], 0);
	}
	cr_expect_eq(count_entries(), 0);
	cr_expect_eq(tables()->host.listeners_untracked, 0);
}

Test(watch_start, listeners_that_were_there_before_are_found_and_counted_once)
{
	uint16_t port;
	int fd;

	watching_start();
	call_myself("beam.smp");
	fd = autobound(&port);
	watching_load(64);
	watching_attach();
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	watching_list();
	watching_list();
	cr_expect_eq(tables()->here.listeners[port].counts[STANDING_AUTOBOUND], 1);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	watching_close();
}

Test(watch_start, a_full_table_protects_all_the_same)
{
	uint16_t ports[8];
	int fds[8];

	watching_start();
	watching_load(4);
	watching_attach();
	call_myself("beam.smp");
	for (int i = 0; i < 8; i++)
		fds[i] = autobound(&ports[i]);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(syn_to(ports[i]), REASON_CLIENT_NEW, "listener %d", i);
	cr_expect_eq(tables()->host.listeners_untracked, 4);
	for (int i = 0; i < 8; i++)
		close(fds[i]);
	for (int i = 0; i < 8; i++)
		cr_expect_eq(syn_to(ports[i]), i < 4 ? REASON_OTHER_PORT : REASON_CLIENT_NEW,
			     "listener %d, gone", i);
	watching_close();
}
