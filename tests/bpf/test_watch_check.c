// SPDX-License-Identifier: BSD-2-Clause
/* The watch held against the kernel's sockets: what it missed, and what was counted wrong. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

static void start(void)
{
	watching_open();
	call_myself("beam.smp");
}

TestSuite(watch_check, .init = start, .fini = watching_close);

/* Now, whether or not the watch heard of anything since the last time. */
static struct watch_findings check(void)
{
	struct watch_findings findings;
	struct error error;

	watching.fence.checked_at = UINT64_MAX;
	cr_assert_eq(fence_watch_check(&watching.fence, &findings, &error), 0, "%s", error.text);
	return findings;
}

static void expect_nothing_found(void)
{
	const struct watch_findings findings = check();

	cr_expect_eq(findings.dropped, 0);
	cr_expect_eq(findings.corrected, 0);
}

static __u32 *counts(uint16_t port)
{
	return watching.harness.tables->here.listeners[port].counts;
}

Test(watch_check, where_all_is_right_nothing_is_found)
{
	uint16_t port;
	const int all = autobound(&port), one = listen_at(HOST_IPV4, 0);

	for (int i = 0; i < 3; i++)
		expect_nothing_found();
	cr_expect_eq(count_entries(), 2);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	cr_expect_eq(syn_to(port_of(one)), REASON_CLIENT_NEW);
	close(all);
	close(one);
	expect_nothing_found();
}

Test(watch_check, while_nothing_is_heard_of_it_looks_less_often)
{
	struct watch_findings findings;
	uint16_t port;
	const int fd = autobound(&port);
	int checks = 0;

	cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
	counts(port)[STANDING_SURE] = COUNT_IPV4;
	do {
		cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
		checks++;
	} while (!findings.corrected && checks < 100);
	cr_expect_eq(checks, 12, "%d", checks);
	counts(port)[STANDING_SURE] = COUNT_IPV4;
	close(fd);
	cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
	cr_expect_eq(findings.corrected, 1, "at once after a change");
}

Test(watch_check, an_end_that_was_missed_is_noticed_at_the_second_check)
{
	static const char *const addresses[] = {"0.0.0.0", HOST_IPV4};

	for (size_t i = 0; i < 2; i++) {
		const int fd = listen_at(addresses[i], 0);
		const uint16_t port = port_of(fd);

		watching_detach();
		close(fd);
		watching_attach();
		cr_expect_eq(check().dropped, 0, "its beginning might be under way");
		cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
		watching_changes();
		cr_expect_eq(check().dropped, 1);
		cr_expect_eq(watching_changes(), 1u << CHANGE_LISTENERS);
		cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
		cr_expect_eq(counted(port, STANDING_AUTOBOUND), 0);
		cr_expect_eq(count_entries(), 0);
		expect_nothing_found();
	}
	cr_expect_eq(user_of(0).listeners, 0);
}

Test(watch_check, a_beginning_that_was_missed_is_found_by_listing)
{
	uint16_t port;
	int fd;

	watching_detach();
	fd = autobound(&port);
	watching_attach();
	expect_nothing_found();
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	watching_list();
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	expect_nothing_found();
	close(fd);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
}

Test(watch_check, counts_that_are_too_high_are_corrected)
{
	uint16_t port;
	const int fd = autobound(&port);

	counts(port)[STANDING_AUTOBOUND] += 2 * COUNT_IPV4 + COUNT_IPV6;
	counts(FIXED_PORT)[STANDING_SURE] += COUNT_IPV6;
	cr_expect_eq(check().corrected, 2);
	cr_expect_eq(counts(port)[STANDING_AUTOBOUND], COUNT_IPV4);
	cr_expect_eq(counts(FIXED_PORT)[STANDING_SURE], 0);
	close(fd);
	expect_nothing_found();
}

Test(watch_check, counts_that_are_too_low_are_corrected_and_the_port_is_closed_again)
{
	uint16_t port;
	const int fd = autobound(&port);

	counts(port)[STANDING_AUTOBOUND] = 0;
	watching.harness.tables->here.suspects[0][port / 64] &= ~(1ull << port % 64);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(check().corrected, 1);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
	expect_nothing_found();
}

static void write_binding(const char *address, uint16_t port, const struct binding *binding)
{
	struct binding_key key = {.port = port};
	struct prefix prefix;

	cr_assert_eq(prefix_parse(address, &prefix, NULL), 0);
	memcpy(key.address, prefix.address, sizeof(key.address));
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(watching.harness.live->maps.bindings), &key,
					 binding, BPF_ANY),
		     0);
}

Test(watch_check, counts_of_a_binding_are_corrected_and_its_cluster_stays)
{
	static const uint32_t wrong[] = {0, 7};

	for (size_t i = 0; i < 2; i++) {
		const int fd = listen_at(HOST_IPV4, 0);
		const uint16_t port = port_of(fd);
		struct binding binding;

		cr_assert(find_binding(HOST_IPV4, port, &binding));
		binding.counts[STANDING_AUTOBOUND] = wrong[i];
		binding.counts[STANDING_SURE] = 1;
		binding.cluster[0] = 5;
		write_binding(HOST_IPV4, port, &binding);
		cr_expect_eq(check().corrected, 1);
		cr_assert(find_binding(HOST_IPV4, port, &binding));
		cr_expect_eq(binding.counts[STANDING_AUTOBOUND], 1);
		cr_expect_eq(binding.counts[STANDING_SURE], 0);
		cr_expect_eq(binding.cluster[0], 5);
		close(fd);
	}
}

Test(watch_check, a_binding_that_nobody_listens_at_is_cleared_away_and_comes_back)
{
	struct binding binding;
	uint16_t port;
	int fd;

	act_for(SOME_USER);
	fd = listen_at(HOST_IPV4, 0);
	port = port_of(fd);
	expect_nothing_found();
	cr_expect(find_binding(HOST_IPV4, port, &binding), "in use");
	cr_expect_eq(user_of(SOME_USER).bindings, 1);
	close(fd);
	cr_expect(find_binding(HOST_IPV4, port, &binding), "kept for the next listener");
	expect_nothing_found();
	cr_expect_not(find_binding(HOST_IPV4, port, &binding));
	expect_nothing_found();
	cr_expect_eq(user_of(SOME_USER).bindings, 0);
	fd = listen_at(HOST_IPV4, port);
	cr_assert(find_binding(HOST_IPV4, port, &binding));
	cr_expect_eq(binding.account, SOME_USER);
	cr_expect_eq(counted(port, STANDING_FIXED), 1);
	close(fd);
}

Test(watch_check, what_users_have_is_set_right_and_what_was_refused_stays)
{
	const struct user wrong = {.listeners = 500,
				   .registrations = 400,
				   .bindings = 300,
				   .refused = 20,
				   .failed = 9};
	int all, one;
	uint16_t port;
	struct user user;

	act_for(SOME_USER);
	all = autobound(&port);
	one = listen_at(HOST_IPV4, 0);
	set_user(SOME_USER, &wrong);
	set_user(OTHER_USER, &wrong);
	check();
	user = user_of(SOME_USER);
	cr_expect_eq(user.listeners, 2);
	cr_expect_eq(user.registrations, 0);
	cr_expect_eq(user.bindings, 1);
	cr_expect_eq(user.refused, 20);
	cr_expect_lt(user.failed, 9);
	cr_expect_eq(user_of(OTHER_USER).listeners, 0);
	close(all);
	close(one);
}

Test(watch_check, nothing_is_corrected_while_a_change_is_under_way)
{
	const struct user wrong = {.listeners = 500};

	counts(FIXED_PORT)[STANDING_SURE] = COUNT_IPV4;
	set_user(SOME_USER, &wrong);
	watching.harness.tables->host.changes_begun++;
	cr_expect_eq(check().corrected, 0);
	cr_expect_eq(counts(FIXED_PORT)[STANDING_SURE], COUNT_IPV4);
	cr_expect_eq(user_of(SOME_USER).listeners, 500);
	watching.harness.tables->host.changes_done++;
	cr_expect_eq(check().corrected, 1);
	cr_expect_eq(counts(FIXED_PORT)[STANDING_SURE], 0);
	cr_expect_eq(user_of(SOME_USER).listeners, 0);
}

/* The entry of a socket that is gone, whose kernel address a later one has. */
static int leave_former_entry(uint16_t *port, uint64_t *socket)
{
	const int fd = autobound(port);
	struct fence_listener known;

	cr_assert(find_listener(*port, &known));
	cr_assert_neq(known.listener.inode, 0);
	known.listener.inode++;
	cr_assert_eq(bpf_map_update_elem(bpf_map__fd(watching.watch->maps.listeners), &known.socket,
					 &known.listener, BPF_EXIST),
		     0);
	*socket = known.socket;
	return fd;
}

Test(watch_check, a_later_socket_at_the_same_kernel_address_is_not_taken_for_the_former)
{
	uint64_t socket;
	uint16_t port;
	const int fd = leave_former_entry(&port, &socket);

	cr_expect_eq(check().dropped, 0);
	cr_expect_eq(check().dropped, 1);
	cr_expect_eq(count_entries(), 0);
	watching_list();
	cr_expect_eq(counted(port, STANDING_AUTOBOUND), 1);
	expect_nothing_found();
	close(fd);
	cr_expect_eq(counted(port, STANDING_AUTOBOUND), 0);
}

Test(watch_check, listing_a_later_socket_at_the_same_kernel_address_replaces_the_former)
{
	struct fence_listener known;
	uint64_t socket;
	uint16_t port;
	const int fd = leave_former_entry(&port, &socket);

	watching_list();
	cr_assert(find_listener(port, &known));
	cr_expect_eq(known.socket, socket);
	cr_expect_eq(known.listener.since_ns, 0, "anew");
	cr_expect_eq(counted(port, STANDING_AUTOBOUND), 1);
	cr_expect_eq(user_of(0).listeners, 1);
	expect_nothing_found();
	expect_nothing_found();
	close(fd);
}

static int registrations(void)
{
	struct fence_registration *list = NULL;
	const int count = fence_registrations(&watching.fence, &list);

	free(list);
	return count;
}

Test(watch_check, a_registration_whose_end_was_missed_is_dropped)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(EPMD_PORT),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct linger reset = {.l_onoff = 1};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	int epmd;

	raise_loopback();
	call_myself("epmd");
	epmd = fixed(EPMD_PORT);
	call_myself("beam.smp");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
	check();
	cr_expect_eq(registrations(), 1);
	watching_detach();
	close(fd);
	watching_attach();
	check();
	cr_expect_eq(registrations(), 1, "it may have begun just now");
	for (int i = 0; registrations() && i < 60; i++) {
		usleep(50000);
		check();
	}
	cr_expect_eq(registrations(), 0);
	cr_expect_eq(user_of(0).registrations, 0);
	close(epmd);
}
