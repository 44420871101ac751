// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>

#include "core/observation.h"

/* An interface that is up, at its last look. */
static struct reading at(int64_t seconds, uint64_t received, uint64_t counted)
{
	return (struct reading){.up = true,
				.may_switch = true,
				.received = received,
				.counted = counted,
				.now_ms = seconds * 1000};
}

static enum mend look(struct observation *observation, int64_t seconds, uint64_t received,
		      uint64_t counted)
{
	const struct reading reading = at(seconds, received, counted);

	return observation_look(observation, &reading);
}

Test(observation, frames_in_two_looks_and_none_counted_is_not_run_and_mended_step_by_step)
{
	struct observation seen = {};

	cr_assert_eq(look(&seen, 0, 100, 7), MEND_NOTHING);
	cr_assert_eq(look(&seen, 5, 200, 7), MEND_NOTHING);
	cr_assert(!seen.not_run);
	cr_assert_eq(look(&seen, 10, 300, 7), MEND_FRESH);
	cr_assert(seen.not_run);
	cr_assert_eq(look(&seen, 15, 400, 7), MEND_NOTHING);
	cr_assert_eq(look(&seen, 20, 500, 7), MEND_GENERIC);
	cr_assert(seen.not_run);
	cr_assert_eq(look(&seen, 25, 600, 8), MEND_NOTHING);
	cr_assert(!seen.not_run);
}

Test(observation, one_frame_that_was_counted_proves_that_it_is_run)
{
	struct observation seen = {};

	for (int i = 0; i < 100; i++) {
		cr_assert_eq(look(&seen, 5 * i, 1000u * (unsigned)i, (unsigned)i), MEND_NOTHING);
		cr_assert(!seen.not_run);
	}
}

Test(observation, idle_looks_prove_nothing_and_forget_nothing)
{
	struct observation seen = {};

	look(&seen, 0, 100, 7);
	look(&seen, 5, 102, 7);
	cr_assert(observation_is_in_doubt(&seen));
	for (int i = 2; i < 100; i++) {
		cr_assert_eq(look(&seen, 5 * i, 102, 7), MEND_NOTHING);
		cr_assert(!observation_is_in_doubt(&seen),
			  "no look is hurried where nothing comes");
	}
	cr_assert(!seen.not_run);
	cr_assert_eq(look(&seen, 500, 104, 7), MEND_FRESH);
}

Test(observation, few_frames_or_one_look_are_not_enough)
{
	struct observation few = {}, once = {};

	for (int i = 0; i < OBSERVATION_FRAMES; i++)
		cr_assert_eq(look(&few, 5 * i, (unsigned)i, 0), MEND_NOTHING);
	look(&once, 0, 0, 0);
	cr_assert_eq(look(&once, 5, 1000, 0), MEND_NOTHING);
	cr_assert(!few.not_run && !once.not_run);
}

Test(observation, what_came_before_it_began_or_while_down_does_not_count)
{
	struct observation seen = {};
	struct reading down = at(10, 900, 0);

	look(&seen, 0, 500, 0);
	look(&seen, 5, 800, 0);
	down.up = false;
	cr_assert_eq(observation_look(&seen, &down), MEND_NOTHING);
	cr_assert_eq(look(&seen, 15, 2000, 0), MEND_NOTHING); /* begins anew */
	cr_assert_eq(look(&seen, 20, 2100, 0), MEND_NOTHING);
	cr_assert_eq(look(&seen, 25, 2200, 0), MEND_FRESH);
}

Test(observation, a_count_of_the_driver_that_begins_anew_is_no_gain)
{
	struct observation seen = {};

	look(&seen, 0, 500, 0);
	look(&seen, 5, 600, 0);
	cr_assert_eq(look(&seen, 10, 3, 0), MEND_NOTHING);
	cr_assert_eq(look(&seen, 15, 9, 0), MEND_NOTHING);
	cr_assert_eq(look(&seen, 20, 19, 0), MEND_FRESH);
}

Test(observation, where_the_driver_is_known_for_it_generic_mode_comes_first)
{
	struct observation seen = {};
	struct reading reading = at(10, 300, 0);

	reading.risky = true;
	look(&seen, 0, 100, 0);
	look(&seen, 5, 200, 0);
	cr_assert_eq(observation_look(&seen, &reading), MEND_GENERIC);
}

Test(observation, where_the_operator_chose_the_mode_it_stays_and_fresh_programs_are_tried_rarely)
{
	struct observation seen = {};
	int fresh = 0;

	for (int i = 0; i < 51; i++) {
		struct reading reading = at(5 * i, 100u * (unsigned)i, 0);
		enum mend mend;

		reading.may_switch = false;
		mend = observation_look(&seen, &reading);
		cr_assert_neq(mend, MEND_GENERIC);
		fresh += mend == MEND_FRESH;
	}
	cr_assert(seen.not_run);
	cr_assert_eq(fresh, 3);
}

Test(observation, another_mtu_is_reason_to_try_a_fresh_program_at_once)
{
	struct observation seen = {};
	struct reading reading = {};

	for (int i = 0; i < 9; i++) {
		reading = at(5 * i, 100u * (unsigned)i, 0);
		reading.may_switch = false;
		reading.new_mtu = i == 7;
		cr_assert_eq(observation_look(&seen, &reading) == MEND_FRESH, i == 2 || i == 8);
	}
}

Test(observation, generic_mode_is_the_kernels_own_and_never_alarms)
{
	struct observation seen = {};

	for (int i = 0; i < 20; i++) {
		struct reading reading = at(5 * i, 100u * (unsigned)i, 0);

		reading.generic = true;
		cr_assert_eq(observation_look(&seen, &reading), MEND_NOTHING);
		cr_assert(!seen.not_run);
	}
}

Test(observation, where_generic_mode_sees_nothing_either_it_was_a_false_alarm_that_does_not_return)
{
	struct observation seen = {};

	for (int i = 0; i < 5; i++)
		look(&seen, 5 * i, 100u * (unsigned)i, 0);
	cr_assert(seen.not_run);
	for (int i = 5; i < 10; i++) {
		struct reading reading = at(5 * i, 100u * (unsigned)i, 0);

		reading.generic = true;
		observation_look(&seen, &reading);
	}
	cr_assert(!seen.not_run && seen.barren);
	for (int i = 10; i < 20; i++)
		cr_assert_eq(look(&seen, 5 * i, 100u * (unsigned)i, 0), MEND_NOTHING);
	cr_assert(!seen.not_run);
}

Test(observation, looks_are_a_second_apart)
{
	struct observation seen = {};

	cr_assert(observation_is_due(&seen, 5));
	look(&seen, 10, 0, 0);
	cr_assert(!observation_is_due(&seen, 10000 + OBSERVATION_PAUSE_MS - 1));
	cr_assert(observation_is_due(&seen, 10000 + OBSERVATION_PAUSE_MS));
}
