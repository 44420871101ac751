// SPDX-License-Identifier: BSD-2-Clause
#include "core/problems.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct problems problems;

static void forget(void)
{
	problems_free(&problems);
}

TestSuite(problems, .fini = forget);

Test(problems, each_is_listed_in_the_order_in_which_it_was_added)
{
	problems_add(&problems, PROBLEM_PINS, "", "a pin is %s", "missing");
	problems_add(&problems, PROBLEM_CONFIG, "line 3", "line %d: no", 3);
	cr_assert_eq(problems.count, 2);
	cr_expect_str_eq(problems.list[0].text, "a pin is missing");
	cr_expect_eq(problems.list[1].kind, PROBLEM_CONFIG);
	cr_expect_str_eq(problems.list[1].subject, "line 3");
	cr_expect_str_eq(problems.list[1].text, "line 3: no");
}

Test(problems, one_is_known_by_its_kind_and_subject)
{
	problems_add(&problems, PROBLEM_EXPOSED_LISTENER, "1883", "port 1883");
	cr_expect(problems_have(&problems, PROBLEM_EXPOSED_LISTENER, "1883"));
	cr_expect_not(problems_have(&problems, PROBLEM_EXPOSED_LISTENER, "188"));
	cr_expect_not(problems_have(&problems, PROBLEM_CONFIG, "1883"));
}

Test(problems, more_than_can_be_listed_are_counted)
{
	for (enum problem_kind i = 0; i < PROBLEMS_OF_KIND_MAX + 5; i++)
		problems_add(&problems, PROBLEM_USER_LIMIT, "1000", "one more");
	cr_expect_eq(problems.count, PROBLEMS_OF_KIND_MAX);
	cr_expect_eq(problems.of_kind[PROBLEM_USER_LIMIT], PROBLEMS_OF_KIND_MAX + 5);
	cr_expect_eq(problems.of_kind[PROBLEM_PINS], 0);
}

Test(problems, many_of_one_kind_hide_none_of_another)
{
	for (enum problem_kind i = 0; i < 2000; i++)
		problems_add(&problems, PROBLEM_EXPOSED_LISTENER, "1883", "one more");
	problems_add(&problems, PROBLEM_WATCH_MISSING, "", "the one that counts");
	cr_expect(problems_have(&problems, PROBLEM_WATCH_MISSING, ""));
}

Test(problems, one_that_is_taken_out_leaves_the_others_in_order)
{
	problems_add(&problems, PROBLEM_PINS, "a", "one");
	problems_add(&problems, PROBLEM_PINS, "b", "two");
	problems_add(&problems, PROBLEM_PINS, "c", "three");
	problems_remove(&problems, 1);
	cr_assert_eq(problems.count, 2);
	cr_expect_str_eq(problems.list[0].subject, "a");
	cr_expect_str_eq(problems.list[1].text, "three");
	problems_remove(&problems, 1);
	cr_expect_eq(problems.count, 1);
	cr_expect_eq(problems.of_kind[PROBLEM_PINS], 3);
}

Test(problems, freed_ones_are_gone)
{
	problems_add(&problems, PROBLEM_PINS, "", "one");
	problems_free(&problems);
	cr_expect_eq(problems.count, 0);
	cr_expect_eq(problems.of_kind[PROBLEM_PINS], 0);
}

Test(problems, every_kind_has_a_name_of_its_own)
{
	for (enum problem_kind i = 0; i < PROBLEM_KINDS; i++) {
		cr_assert_not_null(problem_kind_name(i), "kind %u", i);
		for (enum problem_kind j = 0; j < i; j++)
			cr_expect_str_neq(problem_kind_name(i), problem_kind_name(j));
	}
}
