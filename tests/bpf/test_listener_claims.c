// SPDX-License-Identifier: BSD-2-Clause
/* What makes a listener count, and for how much: claims, the policy, and what the agent says. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

static void start(void)
{
	watching_open();
	call_myself("beam.smp");
}

TestSuite(claims, .init = start, .fini = watching_close);

static struct policy_tables *policy(void)
{
	return &watching.harness.tables->policy[0];
}

Test(claims, a_claim_is_for_the_listeners_of_its_account_alone)
{
	int fd;

	fence_claim(&watching.fence, SOME_USER, FIXED_PORT, CLAIM_REGISTERED);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "root's");
	close(fd);
	act_for(OTHER_USER);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "another user's");
	close(fd);
	act_for(SOME_USER);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW, "his own");
	close(fd);
	cr_expect_eq(fence_claimed(&watching.fence, SOME_USER, FIXED_PORT), CLAIM_REGISTERED);
	cr_expect_eq(fence_claimed(&watching.fence, OTHER_USER, FIXED_PORT), CLAIM_NONE);
}

Test(claims, one_account_s_claim_goes_without_the_other_s)
{
	int fd;

	fence_claim(&watching.fence, SOME_USER, FIXED_PORT, CLAIM_REGISTERED);
	fence_claim(&watching.fence, OTHER_USER, FIXED_PORT, CLAIM_CMDLINE);
	fence_claim(&watching.fence, OTHER_USER, FIXED_PORT, CLAIM_NONE);
	act_for(OTHER_USER);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT);
	close(fd);
	act_for(SOME_USER);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW);
	close(fd);
}

Test(claims, a_claim_of_an_agent_that_did_not_know_whose_it_was_is_for_every_account)
{
	const uint32_t users[] = {0, SOME_USER, OTHER_USER};

	watching.harness.tables->here.claimed[FIXED_PORT] = 1; /* as an agent before 0.2 left it */
	watch_import_claims(&watching.fence);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		int fd;

		act_for(users[i]);
		fd = fixed(FIXED_PORT);
		cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW, "account %u", users[i]);
		cr_expect_eq(fence_claimed(&watching.fence, users[i], FIXED_PORT),
			     CLAIM_REGISTERED);
		close(fd);
	}
	/* Whoever is found there takes its place. */
	fence_claim(&watching.fence, SOME_USER, FIXED_PORT, CLAIM_REGISTERED);
	cr_expect_eq(fence_claimed(&watching.fence, OTHER_USER, FIXED_PORT), CLAIM_NONE);
}

Test(claims, a_process_that_is_no_beam_is_known_by_its_own_claim_and_by_no_one_else_s)
{
	struct fence_listener known;
	int fd;

	call_myself("java");
	act_for(SOME_USER);
	fence_claim(&watching.fence, ACCOUNT_ANY, FIXED_PORT, CLAIM_REGISTERED);
	fd = fixed(FIXED_PORT);
	cr_expect_not(find_listener(FIXED_PORT, &known), "by a claim for every account");
	close(fd);
	fence_claim(&watching.fence, SOME_USER, FIXED_PORT, CLAIM_REGISTERED);
	fd = fixed(FIXED_PORT);
	cr_assert(find_listener(FIXED_PORT, &known));
	cr_expect_not(known.listener.beam);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW);
	close(fd);
}

Test(claims, the_claims_of_an_account_are_limited_and_take_nobody_else_s_room)
{
	int claims = 0;

	fence_claim(&watching.fence, OTHER_USER, FIXED_PORT, CLAIM_REGISTERED);
	for (uint16_t i = 0; i < USER_CLAIMS_MAX + 10; i++)
		fence_claim(&watching.fence, SOME_USER, (uint16_t)(10000 + i), CLAIM_REGISTERED);
	for (uint16_t i = 0; i < USER_CLAIMS_MAX + 10; i++)
		claims += fence_claimed(&watching.fence, SOME_USER, (uint16_t)(10000 + i)) !=
			  CLAIM_NONE;
	cr_expect_eq(claims, USER_CLAIMS_MAX);
	cr_expect_eq(fence_claimed(&watching.fence, OTHER_USER, FIXED_PORT), CLAIM_REGISTERED);
}

Test(claims, fixed_listeners_are_protected_unclaimed_where_the_policy_says_so)
{
	int fd = fixed(FIXED_PORT);

	cr_expect_not(is_suspect(FIXED_PORT), "known only: it stays on the short path");
	close(fd);
	policy()->protect_fixed = 1;
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_CLIENT_NEW);
	cr_expect_eq(counted(FIXED_PORT, STANDING_FIXED), 1);
	cr_expect_eq(counted(FIXED_PORT, STANDING_SURE), 0);
	close(fd);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT);
	call_myself("nginx");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT, "not a BEAM's");
	close(fd);
}

Test(claims, exempt_ports_stay_on_the_short_path)
{
	int fd;

	policy()->protect_fixed = 1;
	policy()->exempt[FIXED_PORT / 64] |= 1ull << FIXED_PORT % 64;
	fence_claim(&watching.fence, 0, FIXED_PORT, CLAIM_REGISTERED);
	fd = fixed(FIXED_PORT);
	cr_expect_eq(counted(FIXED_PORT, STANDING_SURE), 1);
	cr_expect_not(is_suspect(FIXED_PORT));
	cr_expect_eq(syn_to(FIXED_PORT), REASON_OTHER_PORT);
	close(fd);
}

Test(claims, autobound_listeners_that_are_ignored_stay_on_the_short_path)
{
	uint16_t port;
	int fd;

	policy()->protect_autobound = 0;
	fd = autobound(&port);
	cr_expect_not(is_suspect(port));
	settle(port, true);
	cr_expect(is_suspect(port));
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
}

static void expect_counts(uint16_t port, uint32_t sure, uint32_t fixed, uint32_t autobound)
{
	cr_expect_eq(counted(port, STANDING_SURE), sure);
	cr_expect_eq(counted(port, STANDING_FIXED), fixed);
	cr_expect_eq(counted(port, STANDING_AUTOBOUND), autobound);
}

/* Both kinds, at all addresses and at one. */
Test(claims, settling_moves_the_count_and_settling_twice_changes_nothing)
{
	static const char *const addresses[] = {"0.0.0.0", HOST_IPV4};

	for (size_t i = 0; i < 4; i++) {
		const bool is_fixed = i & 1;
		const int fd = listen_at(addresses[i / 2], is_fixed ? FIXED_PORT : 0);
		const uint16_t port = port_of(fd);

		expect_counts(port, 0, is_fixed, !is_fixed);
		for (int turn = 0; turn < 2; turn++) {
			settle(port, true);
			expect_counts(port, 1, 0, 0);
			cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
		}
		for (int turn = 0; turn < 2; turn++) {
			settle(port, false);
			expect_counts(port, 0, is_fixed, !is_fixed);
		}
		cr_expect_eq(syn_to(port), is_fixed ? REASON_OTHER_PORT : REASON_CLIENT_NEW);
		settle(port, true);
		close(fd);
		expect_counts(port, 0, 0, 0);
		cr_expect_eq(count_entries(), 0);
	}
	cr_expect_eq(watching.harness.tables->host.changes_begun,
		     watching.harness.tables->host.changes_done);
}

Test(claims, an_epmd_s_listener_is_sure_whatever_is_said_of_it)
{
	int fd;

	call_myself("epmd");
	fd = fixed(EPMD_PORT);
	settle(EPMD_PORT, false);
	expect_counts(EPMD_PORT, 1, 0, 0);
	close(fd);
	expect_counts(EPMD_PORT, 0, 0, 0);
}

Test(claims, settling_a_listener_that_is_gone_changes_nothing)
{
	struct fence_listener known;
	uint16_t port;
	const int fd = autobound(&port);

	cr_assert(find_listener(port, &known));
	close(fd);
	cr_expect_eq(fence_settle(&watching.fence, known.socket, true), 0);
	expect_counts(port, 0, 0, 0);
}
