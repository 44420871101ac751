// SPDX-License-Identifier: BSD-2-Clause
#include "agent/state_log.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/log.h"

#define LINES_MAX 200 /* at a time: what comes by the thousand is not read by the line */
#define TOLD_MAX  10  /* problems of one kind at a time: users can bring about any number */

static int level_of(const struct interface_state *state)
{
	if (state->attached == ATTACHED_NOT) /* an absent one may come yet */
		return state->gated || state->absent ? LOG_WARNING : LOG_ERR;
	return state->problem[0] ? LOG_WARNING : LOG_INFO;
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static void log_state(const struct interface_state *state)
{
	const bool attached = state->attached != ATTACHED_NOT;

	log_line(level_of(state), attached ? "attached" : "not attached", "interface", state->name,
		 "zone", zone_name(state->zone), "mode",
		 attached ? attach_mode_name(state->attached) : NULL, "problem",
		 or_null(state->problem), "on", attached ? or_null(state->on) : NULL, "note",
		 attached ? or_null(state->note) : NULL, NULL);
}

static bool was_logged(const struct state_log *log, const struct interface_state *state)
{
	for (size_t i = 0; i < log->state_count; i++)
		if (!memcmp(&log->states[i], state, sizeof(*state)))
			return true;
	return false;
}

static bool was_unassigned(const struct state_log *log, const char *name)
{
	for (size_t i = 0; i < log->unassigned_count; i++)
		if (!strcmp(log->unassigned[i], name))
			return true;
	return false;
}

static void *copy(const void *list, size_t size)
{
	void *result = size ? malloc(size) : NULL;

	return result ? memcpy(result, list, size) : NULL;
}

static void forget_interfaces(struct state_log *log)
{
	free(log->states);
	free(log->unassigned);
	log->states = NULL;
	log->unassigned = NULL;
	log->state_count = log->unassigned_count = 0;
}

static void remember(struct state_log *log, const struct snapshot *snapshot)
{
	forget_interfaces(log);
	log->states = copy(snapshot->interfaces,
			   snapshot->interface_count * sizeof(*snapshot->interfaces));
	log->state_count = log->states ? snapshot->interface_count : 0;
	log->unassigned = copy(snapshot->unassigned,
			       snapshot->unassigned_count * sizeof(*snapshot->unassigned));
	log->unassigned_count = log->unassigned ? snapshot->unassigned_count : 0;
}

void state_log_changes(struct state_log *log, const struct snapshot *snapshot)
{
	int lines = 0;

	for (size_t i = 0; i < snapshot->interface_count && lines < LINES_MAX; i++)
		if (!was_logged(log, &snapshot->interfaces[i])) {
			log_state(&snapshot->interfaces[i]);
			lines++;
		}
	for (size_t i = 0; i < snapshot->unassigned_count && lines < LINES_MAX; i++)
		if (!was_unassigned(log, snapshot->unassigned[i])) {
			log_line(LOG_WARNING, "interface in no zone: left alone", "interface",
				 snapshot->unassigned[i], NULL);
			lines++;
		}
	remember(log, snapshot);
}

static void log_problem(const struct problem *problem)
{
	log_line(LOG_WARNING, problem->text, "problem", problem_kind_name(problem->kind), NULL);
}

void state_log_all(struct state_log *log, const struct snapshot *snapshot)
{
	const struct problems *problems = &snapshot->problems;

	forget_interfaces(log);
	state_log_changes(log, snapshot);
	for (size_t i = 0; i < problems->count; i++)
		if (problem_told(problems->list[i].kind) == TOLD_WITH_CONFIG)
			log_problem(&problems->list[i]);
	if (snapshot->mode == MODE_AUDIT)
		log_line(LOG_WARNING, "audit mode: nothing is dropped", NULL);
}

static void log_new(struct problems *now, const struct problems *known)
{
	size_t told[PROBLEM_KINDS] = {};

	for (size_t i = 0; i < now->count;) {
		const struct problem *problem = &now->list[i];

		if (problem_told(problem->kind) != TOLD_AS_FOUND ||
		    problems_have(known, problem->kind, problem->subject)) {
			i++;
		} else if (told[problem->kind]++ < TOLD_MAX) {
			log_problem(problem);
			i++;
		} else {
			problems_remove(now, i); /* it is new next time too */
		}
	}
}

static void log_ended(const struct problems *known, const struct problems *now)
{
	for (size_t i = 0; i < known->count; i++) {
		const struct problem *problem = &known->list[i];

		if (problem_told(problem->kind) == TOLD_AS_FOUND &&
		    !problems_have(now, problem->kind, problem->subject))
			log_line(LOG_NOTICE, "no longer a problem", "problem",
				 problem_kind_name(problem->kind), "subject",
				 or_null(problem->subject), NULL);
	}
}

void state_log_problems(struct state_log *log, struct snapshot *snapshot)
{
	struct problems *now = &snapshot->problems;

	log_ended(&log->problems, now);
	log_new(now, &log->problems);
	problems_free(&log->problems);
	log->problems = *now;
	*now = (struct problems){};
}

void state_log_free(struct state_log *log)
{
	forget_interfaces(log);
	problems_free(&log->problems);
}
