// SPDX-License-Identifier: BSD-2-Clause
#include "agent/health.h"

#include <errno.h>

#include "agent/problems.h"
#include "core/cleanup.h"

int agent_health(struct agent *agent, struct error *reason)
{
	_cleanup_(problems_free) struct problems problems = {};
	const struct plan *plan = agent->plan;
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);

	for (size_t i = 0; i < count; i++)
		if (states[i].attached == ATTACHED_NOT && !states[i].gated &&
		    states[i].zone != ZONE_TRUSTED)
			return error_set(reason, -ENOTCONN, "%s (%s) is open: %s", states[i].name,
					 zone_name(states[i].zone), states[i].problem);
	/* It may be the name of the client interface, misspelt. */
	for (size_t i = 0; i < plan->absent_count; i++)
		if (plan->absent[i]->zone != ZONE_TRUSTED)
			return error_set(reason, -ENOTCONN, "%s (%s): there is no such interface",
					 plan->absent[i]->pattern,
					 zone_name(plan->absent[i]->zone));
	agent_problems(agent, &problems);
	for (size_t i = 0; i < problems.count; i++)
		if (problem_is_unhealthy(problems.list[i].kind))
			return error_set(reason, -EHOSTDOWN, "%s", problems.list[i].text);
	return 0;
}
