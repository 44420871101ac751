// SPDX-License-Identifier: BSD-2-Clause
#include "agent/outcome.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/log.h"

#define LINES_MAX 200 /* at a time: what comes by the thousand is not read by the line */

static void log_state(const struct interface_state *state)
{
	if (state->attached == ATTACHED_NOT)
		log_line(state->gated ? LOG_WARNING : LOG_ERR, "not attached", "interface",
			 state->name, "zone", zone_name(state->zone), "problem", state->problem,
			 NULL);
	else
		log_line(state->problem[0] ? LOG_WARNING : LOG_INFO, "attached", "interface",
			 state->name, "zone", zone_name(state->zone), "mode",
			 attach_mode_name(state->attached), "problem",
			 state->problem[0] ? state->problem : NULL, "on",
			 state->on[0] ? state->on : NULL, "note",
			 state->note[0] ? state->note : NULL, NULL);
}

static bool was_logged(const struct outcome *outcome, const struct interface_state *state)
{
	for (size_t i = 0; i < outcome->state_count; i++)
		if (!memcmp(&outcome->states[i], state, sizeof(*state)))
			return true;
	return false;
}

static bool was_unassigned(const struct outcome *outcome, const char *name)
{
	for (size_t i = 0; i < outcome->unassigned_count; i++)
		if (!strcmp(outcome->unassigned[i], name))
			return true;
	return false;
}

static void *copy(const void *list, size_t size)
{
	void *result = size ? malloc(size) : NULL;

	return result ? memcpy(result, list, size) : NULL;
}

static void remember(struct outcome *outcome, const struct interface_state *states, size_t count,
		     const struct plan *plan)
{
	outcome_free(outcome);
	outcome->states = copy(states, count * sizeof(*states));
	outcome->state_count = outcome->states ? count : 0;
	outcome->unassigned = copy(plan->unassigned,
				   plan->unassigned_count * sizeof(*plan->unassigned));
	outcome->unassigned_count = outcome->unassigned ? plan->unassigned_count : 0;
}

void outcome_log_changes(struct outcome *outcome, const struct agent *agent)
{
	const struct plan *plan = agent->plan;
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);
	int lines = 0;

	for (size_t i = 0; i < count && lines < LINES_MAX; i++)
		if (!was_logged(outcome, &states[i])) {
			log_state(&states[i]);
			lines++;
		}
	for (size_t i = 0; i < plan->unassigned_count && lines < LINES_MAX; i++)
		if (!was_unassigned(outcome, plan->unassigned[i])) {
			log_line(LOG_WARNING, "interface in no zone: left alone", "interface",
				 plan->unassigned[i], NULL);
			lines++;
		}
	remember(outcome, states, count, plan);
}

void outcome_log(struct outcome *outcome, const struct agent *agent)
{
	const struct plan *plan = agent->plan;

	outcome_free(outcome);
	outcome_log_changes(outcome, agent);
	for (size_t i = 0; i < plan->absent_count; i++)
		log_line(LOG_WARNING, "no such interface yet", "interface",
			 plan->absent[i]->pattern, "zone", zone_name(plan->absent[i]->zone), NULL);
	for (size_t i = 0; i < plan->ambiguous_count; i++)
		log_line(LOG_WARNING, "entries of two zones fit one interface: the stricter holds",
			 "entry", plan->ambiguous[i]->pattern, "zone",
			 zone_name(plan->ambiguous[i]->zone), NULL);
	for (size_t i = 0; i < agent->config->warning_count; i++)
		log_line(LOG_WARNING, agent->config->warnings[i], NULL);
	if (agent->policy->mode == MODE_AUDIT)
		log_line(LOG_WARNING, "audit mode: nothing is dropped", NULL);
}

void outcome_free(struct outcome *outcome)
{
	free(outcome->states);
	free(outcome->unassigned);
	*outcome = (struct outcome){};
}
