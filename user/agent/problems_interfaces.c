// SPDX-License-Identifier: BSD-2-Clause
/* What is wrong with interfaces although the filter is attached. */
#include "agent/problems_find.h"

void find_interfaces(const struct agent *agent, struct problems *problems)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);

	for (size_t i = 0; i < count; i++) {
		const struct interface_state *state = &states[i];

		if (state->not_run)
			problems_add(problems, PROBLEM_NOT_RUN, state->name, "%s (%s): %s",
				     state->name, zone_name(state->zone), state->problem);
		else if (state->loses_frames)
			problems_add(problems, PROBLEM_LARGE_FRAMES_LOST, state->name, "%s: %s",
				     state->name, state->problem);
	}
}
