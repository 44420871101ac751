// SPDX-License-Identifier: BSD-2-Clause
#include "agent/saver.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/unit/state_directory.h"

TestSuite(saver, .init = start, .fini = stop);

/* What a saver told. */
static struct {
	unsigned calls, reports;
	uint64_t last;
	int code;
	bool failing;
} told;

static void on_done(void *context, uint64_t request, int code, const struct error *reason)
{
	(void)reason;
	cr_assert_eq(context, &told);
	told.calls++;
	told.last = request;
	told.code = code;
}

static void on_report(void *context, const struct error *reason)
{
	cr_assert_eq(context, &told);
	told.reports++;
	told.failing = reason;
}

static void run_until(struct event_base *base, unsigned calls)
{
	while (told.calls < calls)
		event_base_loop(base, EVLOOP_ONCE);
}

Test(saver, tells_when_the_last_of_many_changes_is_on_disk)
{
	struct event_base *base = event_base_new();
	struct saver *saver = NULL;
	struct peer_list list = {};

	open_store();
	cr_assert_eq(saver_open(base, store, &saver_of_peers, on_report, &told, &saver, &error), 0);
	for (unsigned i = 0; i < 50; i++) {
		char prefix[32];
		struct runtime_peer one;

		snprintf(prefix, sizeof(prefix), "10.0.0.%u", i);
		one = peer(prefix);
		cr_assert_eq(peer_list_add(&list, &one), 0);
		cr_assert_eq(saver_save(saver, &list, on_done, &told, i), 0);
		cr_assert_eq(told.calls, 0, "told before saver_save() returned");
	}
	run_until(base, 50);
	cr_assert_eq(told.last, 49);
	cr_assert_eq(told.code, 0);
	cr_assert_eq(loaded(), 50);
	cr_assert_null(saver_problem(saver));
	cr_assert_eq(told.reports, 0);
	peer_list_free(&list);
	saver_close(saver);
	event_base_free(base);
}

Test(saver, says_why_not_and_writes_it_at_the_end_when_that_is_possible_again)
{
	const struct rlimit none = {.rlim_cur = 10, .rlim_max = RLIM_INFINITY};
	const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	const struct runtime_peer one = peer("10.0.0.1");
	struct event_base *base = event_base_new();
	struct saver *saver = NULL;
	struct peer_list list = {};

	signal(SIGXFSZ, SIG_IGN);
	open_store();
	cr_assert_eq(saver_open(base, store, &saver_of_peers, on_report, &told, &saver, &error), 0);
	cr_assert_eq(peer_list_add(&list, &one), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(saver_save(saver, &list, on_done, &told, 1), 0);
	run_until(base, 1);
	cr_assert_eq(told.code, -EFBIG);
	cr_assert(told.failing);
	cr_assert_eq(saver_save(saver, &list, on_done, &told, 2), 0);
	run_until(base, 2);
	cr_assert_eq(told.reports, 1, "one line, not one for each try");
	cr_assert(strstr(saver_problem(saver)->text, "File too large"));
	cr_assert_eq(loaded(), 0);
	setrlimit(RLIMIT_FSIZE, &all);
	saver_close(saver);
	cr_assert_eq(loaded(), 1);
	peer_list_free(&list);
	event_base_free(base);
}

Test(saver, writes_the_last_of_many_configurations_before_it_is_closed)
{
	struct event_base *base = event_base_new();
	struct saver *saver = NULL;

	open_store();
	cr_assert_eq(saver_open(base, store, &saver_of_config, on_report, &told, &saver, &error),
		     0);
	saver_save_config(saver, strdup("one"), 3);
	event_base_loop(base, EVLOOP_ONCE);
	saver_save_config(saver, strdup("two"), 3);
	saver_save_config(saver, strdup("three"), 5);
	saver_close(saver);
	expect_config("three");
	cr_assert_eq(told.reports, 0);
	event_base_free(base);
}
