// SPDX-License-Identifier: BSD-2-Clause
#include "core/health.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_open(const struct interface_state *state)
{
	return state->attached == ATTACHED_NOT && !state->gated && state->zone != ZONE_TRUSTED;
}

int health_check(const struct snapshot *snapshot, struct error *reason)
{
	const struct problems *problems = &snapshot->problems;

	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct interface_state *state = &snapshot->interfaces[i];

		if (is_open(state))
			return error_set(reason, -ENOTCONN, "%s (%s)%s: %s", state->name,
					 zone_name(state->zone), state->absent ? "" : " is open",
					 state->problem);
	}
	for (size_t i = 0; i < problems->count; i++)
		if (problem_is_unhealthy(problems->list[i].kind))
			return error_set(reason, -EHOSTDOWN, "%s", problems->list[i].text);
	return 0;
}

/* What is in force where it is not the file, as the last reload or the start found it. */
static const char *config_clause(const struct snapshot *snapshot)
{
	const struct problems *problems = &snapshot->problems;

	for (size_t i = 0; i < problems->count; i++)
		if (problems->list[i].kind == PROBLEM_CONFIG_LAST_GOOD)
			return problems->list[i].text;
	return snapshot->config.last_reload_successful ? "" : "the last reload was refused";
}

const char *health_summary(const struct snapshot *snapshot, char text[static SUMMARY_SIZE])
{
	const char *clause = config_clause(snapshot);
	struct error reason = {};
	size_t attached = 0;

	for (size_t i = 0; i < snapshot->interface_count; i++)
		attached += snapshot->interfaces[i].attached != ATTACHED_NOT;
	health_check(snapshot, &reason);
	if (!strncmp(clause, reason.text, strlen(reason.text))) /* that is the reason */
		reason.text[0] = '\0';
	snprintf(text, SUMMARY_SIZE, "%s: %zu of %zu interfaces attached%s%s%s%s",
		 mode_name(snapshot->mode), attached, snapshot->interface_count,
		 reason.text[0] ? "; " : "", reason.text, clause[0] ? "; " : "", clause);
	return text;
}
