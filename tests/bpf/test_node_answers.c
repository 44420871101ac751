// SPDX-License-Identifier: BSD-2-Clause
/* What ports say of themselves when they are asked, and what it opens and closes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/bpf/judging.h"

#define FIRST	      21001
#define SECOND	      21002
#define CHECKS	      2 /* without a name, after which one that ends connections is let go */
#define SILENT_CHECKS 12

static struct process node;

static void start(void)
{
	judging_open();
	node = (struct process){.name = "beam.smp", .ports = {FIRST, SECOND}, .connections = 1};
	process_start(&node);
}

static void stop(void)
{
	process_end(&node);
	judging_close();
}

TestSuite(node_answers, .init = start, .fini = stop);

static bool is_closed(uint16_t port)
{
	return syn_to(port) == REASON_CLIENT_NEW;
}

static enum evidence evidence_on(uint16_t port)
{
	return known_on(port)->evidence;
}

static void doubt_both(void)
{
	hear_names({"app", FIRST}, {"liar", SECOND});
	cr_assert_eq(evidence_on(FIRST), EVIDENCE_DOUBT);
	cr_assert_eq(evidence_on(SECOND), EVIDENCE_DOUBT);
}

Test(node_answers, the_distribution_tells_the_name_and_settles_it)
{
	doubt_both();
	answer(FIRST, HANDSHAKE_DISTRIBUTION, "app@host.example");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_ANSWERED);
	cr_expect_str_eq(known_on(FIRST)->node, "app");
	cr_expect_eq(fence_cluster(&watching.fence, &known_on(FIRST)->kernel), 0);
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_REGISTERED);
	cr_expect(is_closed(FIRST));
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, true));
	/* No name changes that, nor is it in doubt again. */
	cr_expect_eq(hear_names({"liar", FIRST}).doubted, 0);
	cr_expect_str_eq(known_on(FIRST)->node, "app");
}

Test(node_answers, a_node_that_does_not_tell_its_name_is_one_all_the_same)
{
	doubt_both();
	answer(FIRST, HANDSHAKE_DISTRIBUTION, "");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_ANSWERED);
	cr_expect_null(known_on(FIRST)->node);
	cr_expect_eq(fence_cluster(&watching.fence, &known_on(FIRST)->kernel), CLUSTER_NOBODY);
	cr_expect(is_closed(FIRST));
}

Test(node_answers, what_no_node_answers_refutes_and_opens_the_port_for_good)
{
	doubt_both();
	answer(SECOND, HANDSHAKE_OTHER, "");
	cr_expect_eq(evidence_on(SECOND), EVIDENCE_REFUTED);
	cr_expect_not(is_closed(SECOND));
	cr_expect_not(known_on(SECOND)->wants_name);
	cr_expect_not(node_is_in_doubt(&judge, known_on(SECOND), NULL, 0, true));
	/* The lie does not count against the true name either. */
	cr_expect_eq(hear_names({"app", FIRST}, {"liar", SECOND}).doubted, 0);
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_REGISTERED);
	cr_expect_str_eq(known_on(FIRST)->node, "app");
	cr_expect_eq(evidence_on(SECOND), EVIDENCE_REFUTED);
	cr_expect_not(is_closed(SECOND));
}

Test(node_answers, what_refutes_a_name_that_was_believed_has_claim_and_cluster_forgotten)
{
	hear_names({"app", FIRST});
	cr_assert_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_REGISTERED);
	cr_assert_eq(fence_cluster(&watching.fence, &known_on(FIRST)->kernel), 0);
	answer(FIRST, HANDSHAKE_OTHER, "");
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_NONE);
	cr_expect_eq(fence_cluster(&watching.fence, &known_on(FIRST)->kernel), CLUSTER_NOBODY);
	cr_expect_null(known_on(FIRST)->node);
	cr_expect_not(is_closed(FIRST));
}

Test(node_answers, a_port_that_the_command_line_names_is_not_refuted)
{
	look();
	listener_take(&judge, known_on(FIRST), EVIDENCE_CMDLINE);
	answer(FIRST, HANDSHAKE_OTHER, "");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_CMDLINE);
	cr_expect(is_closed(FIRST));
	cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_CMDLINE);
}

/* What both a node that is starting and something else may do. */

struct silence {
	const char *what;
	enum handshake_outcome outcome;
	int code;
	unsigned int checks;
};

static const struct silence silences[] = {
	{"ends the connection", HANDSHAKE_CLOSED, 0, CHECKS},
	{"speaks TLS", HANDSHAKE_TLS, 0, CHECKS},
	{"says nothing", HANDSHAKE_UNKNOWN, -ETIMEDOUT, SILENT_CHECKS},
};

#define SILENCES (sizeof(silences) / sizeof(silences[0]))

static void stay_silent(const struct silence *silence, uint16_t port)
{
	if (silence->code)
		fail_to_answer(port, silence->code);
	else
		answer(port, silence->outcome, "");
}

Test(node_answers, silence_keeps_a_doubt_however_long_it_lasts)
{
	doubt_both();
	for (size_t i = 0; i < SILENCES; i++) {
		pass_checks(2 * SILENT_CHECKS);
		stay_silent(&silences[i], SECOND);
		cr_expect_eq(evidence_on(SECOND), EVIDENCE_DOUBT, "%s", silences[i].what);
		cr_expect(is_closed(SECOND), "%s", silences[i].what);
		cr_expect_not(node_is_in_doubt(&judge, known_on(SECOND), NULL, 0, false),
			      "%s: not at once again", silences[i].what);
		pass_checks(SILENT_CHECKS);
		cr_expect(node_is_in_doubt(&judge, known_on(SECOND), NULL, 0, false), "%s",
			  silences[i].what);
	}
}

Test(node_answers, silence_opens_what_is_in_doubt_once_the_node_s_port_is_known)
{
	for (size_t i = 0; i < SILENCES; i++) {
		look();
		listener_take(&judge, known_on(SECOND), EVIDENCE_DOUBT);
		cr_assert(is_closed(SECOND));
		listener_take(&judge, known_on(FIRST), EVIDENCE_ANSWERED);
		stay_silent(&silences[i], SECOND);
		cr_expect_eq(evidence_on(SECOND), EVIDENCE_NONE, "%s", silences[i].what);
		cr_expect_not(is_closed(SECOND), "%s", silences[i].what);
		listener_release(&judge, known_on(FIRST), EVIDENCE_NONE);
	}
}

Test(node_answers, silence_opens_a_name_s_port_after_checks_without_the_name)
{
	for (size_t i = 0; i < SILENCES; i++) {
		hear_names({"app", FIRST});
		pass_checks(1); /* this one still has the name */
		pass_checks(silences[i].checks - 1);
		stay_silent(&silences[i], FIRST);
		cr_expect_eq(evidence_on(FIRST), EVIDENCE_REGISTERED, "%s", silences[i].what);
		cr_expect(is_closed(FIRST), "%s", silences[i].what);
		pass_checks(1);
		stay_silent(&silences[i], FIRST);
		cr_expect_eq(evidence_on(FIRST), EVIDENCE_NONE, "%s", silences[i].what);
		cr_expect_not(is_closed(FIRST), "%s", silences[i].what);
		cr_expect_eq(fence_claimed(&watching.fence, 0, FIRST), CLAIM_NONE);
	}
}

Test(node_answers, a_name_that_is_told_again_starts_the_count_anew)
{
	hear_names({"app", FIRST});
	pass_checks(CHECKS);
	hear_names({"app", FIRST});
	pass_checks(1);
	answer(FIRST, HANDSHAKE_CLOSED, "");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_REGISTERED);
}

Test(node_answers, silence_opens_a_name_s_port_at_once_where_another_is_the_node_s)
{
	for (size_t i = 0; i < SILENCES; i++) {
		look();
		listener_take(&judge, known_on(SECOND), EVIDENCE_ANSWERED);
		listener_take(&judge, known_on(FIRST), EVIDENCE_REMEMBERED);
		stay_silent(&silences[i], FIRST);
		cr_expect_eq(evidence_on(FIRST), EVIDENCE_NONE, "%s", silences[i].what);
		cr_expect_not(is_closed(FIRST));
		listener_release(&judge, known_on(SECOND), EVIDENCE_NONE);
	}
}

Test(node_answers, silence_of_an_open_port_ends_the_questions)
{
	hear_names({"app", FIRST});
	hear_names({"app", FIRST}, {"liar", SECOND});
	cr_assert(known_on(SECOND)->wants_name);
	answer(SECOND, HANDSHAKE_CLOSED, "");
	cr_expect_not(node_is_in_doubt(&judge, known_on(SECOND), NULL, 0, true));
	cr_expect_not(is_closed(SECOND));
}

Test(node_answers, where_nobody_could_be_asked_nothing_changes)
{
	static const int codes[] = {-ECONNREFUSED, -EHOSTUNREACH, -EACCES, -ENOMEM};

	doubt_both();
	listener_take(&judge, known_on(FIRST), EVIDENCE_REGISTERED);
	pass_checks(2 * SILENT_CHECKS);
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		fail_to_answer(FIRST, codes[i]);
		fail_to_answer(SECOND, codes[i]);
	}
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_REGISTERED);
	cr_expect_eq(evidence_on(SECOND), EVIDENCE_DOUBT);
	cr_expect(is_closed(FIRST) && is_closed(SECOND));
}

Test(node_answers, tls_is_what_a_node_answers_whose_command_line_has_it)
{
	hear_names({"app", FIRST});
	known_on(FIRST)->says_tls = true;
	pass_checks(2 * SILENT_CHECKS);
	answer(FIRST, HANDSHAKE_TLS, "");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_ANSWERED);
	cr_expect(is_closed(FIRST));
	cr_expect(known_on(FIRST)->probed, "there is no more to learn");
}

Test(node_answers, tls_does_not_end_a_doubt)
{
	doubt_both();
	known_on(FIRST)->says_tls = true;
	answer(FIRST, HANDSHAKE_TLS, "");
	cr_expect_eq(evidence_on(FIRST), EVIDENCE_DOUBT);
	cr_expect(is_closed(FIRST));
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, false));
	pass_checks(SILENT_CHECKS);
	cr_expect(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, false), "after a while");
}

/* Which ports are asked. */

Test(node_answers, a_registered_node_s_unknown_port_is_asked_when_epmd_has_told_all)
{
	struct fence_registration *rows;
	int count;

	rows = registrations_now(&count);
	look();
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), rows, count, false));
	cr_expect(node_is_in_doubt(&judge, known_on(FIRST), rows, count, true));
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), rows, 0, true), "no node's");
	judge.policy->exempt[FIRST / 64] |= 1ull << FIRST % 64;
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), rows, count, true), "exempt");
	judge.policy->exempt[FIRST / 64] = 0;
	listener_take(&judge, known_on(SECOND), EVIDENCE_ANSWERED);
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), rows, count, true),
		      "its other port is the node's");
	cr_expect_not(node_is_in_doubt(&judge, known_on(EPMD_PORT), rows, count, true), "epmd's");
	free(rows);
}

Test(node_answers, a_port_that_only_a_name_or_memory_speaks_for_is_asked_once)
{
	hear_names({"app", FIRST});
	cr_expect(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, false));
	cr_expect(nodes_are_unsettled(&judge, NULL, 0));
	judge.policy->ports[FIRST / 64] |= 1ull << FIRST % 64;
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, true), "configured");
	judge.policy->ports[FIRST / 64] = 0;
	answer(FIRST, HANDSHAKE_DISTRIBUTION, "app@host");
	cr_expect_not(node_is_in_doubt(&judge, known_on(FIRST), NULL, 0, true));
	cr_expect_not(nodes_are_unsettled(&judge, NULL, 0));
}
