// SPDX-License-Identifier: BSD-2-Clause
#include "core/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct kind {
	const char *name;
	bool unhealthy;
	enum problem_told told;
} kinds[PROBLEM_KINDS] = {
	[PROBLEM_AMBIGUOUS_ZONE] = {.name = "ambiguous-zone", .told = TOLD_WITH_CONFIG},
	[PROBLEM_CLOSED_SERVICE] = {.name = "closed-service"},
	[PROBLEM_CONFIG] = {.name = "config", .told = TOLD_WITH_CONFIG},
	[PROBLEM_CONFIG_LAST_GOOD] = {.name = "config-last-good",
				      .unhealthy = true,
				      .told = TOLD_ELSEWHERE},
	[PROBLEM_CONFIG_NOT_FILE] = {.name = "config-not-file"},
	[PROBLEM_CONNECTION_REFUSED] = {.name = "connection-refused"},
	[PROBLEM_CONNECTIONS_UNKNOWN] = {.name = "connections-unknown"},
	[PROBLEM_CONTROL_STALE] = {.name = "control-stale"},
	[PROBLEM_EVENTS_MISSED] = {.name = "events-missed", .told = TOLD_ELSEWHERE},
	[PROBLEM_EVENTS_UNREAD] = {.name = "events-unread"},
	[PROBLEM_EXPOSED_LISTENER] = {.name = "exposed-listener"},
	[PROBLEM_LARGE_FRAMES_LOST] = {.name = "large-frames-lost"},
	[PROBLEM_METRICS] = {.name = "metrics", .told = TOLD_ELSEWHERE},
	[PROBLEM_NETWORK_SIDE] = {.name = "network-side", .told = TOLD_ELSEWHERE},
	[PROBLEM_NODE_OF_NO_CLUSTER] = {.name = "node-of-no-cluster"},
	[PROBLEM_NOT_RUN] = {.name = "not-run", .unhealthy = true},
	[PROBLEM_OTHER_NAMESPACE] = {.name = "other-namespace"},
	[PROBLEM_PEERS_DORMANT] = {.name = "peers-dormant", .told = TOLD_WITH_CONFIG},
	[PROBLEM_INTERFACE_RENAMED] = {.name = "interface-renamed"},
	[PROBLEM_PINS] = {.name = "pins", .told = TOLD_ELSEWHERE},
	[PROBLEM_STATE_NOT_KEPT] = {.name = "state-not-kept", .told = TOLD_ELSEWHERE},
	[PROBLEM_STRAY_NAMES] = {.name = "stray-names"},
	[PROBLEM_USER_LIMIT] = {.name = "user-limit", .told = TOLD_ELSEWHERE},
	[PROBLEM_WATCH_MISSING] = {.name = "watch-missing", .unhealthy = true},
};

static bool make_room(struct problems *problems)
{
	const size_t room = problems->room ? problems->room * 2 : 16;
	struct problem *list;

	if (problems->count < problems->room)
		return true;
	list = realloc(problems->list, room * sizeof(*list));
	if (!list)
		return false;
	problems->list = list;
	problems->room = room;
	return true;
}

void problems_add(struct problems *problems, enum problem_kind kind, const char *subject,
		  const char *format, ...)
{
	struct problem problem = {.kind = kind};
	va_list arguments;
	int length;

	if (problems->of_kind[kind]++ >= PROBLEMS_OF_KIND_MAX || !make_room(problems))
		return;
	va_start(arguments, format);
	length = vasprintf(&problem.text, format, arguments);
	va_end(arguments);
	if (length < 0)
		return;
	problem.subject = strdup(subject);
	if (problem.subject)
		problems->list[problems->count++] = problem;
	else
		free(problem.text);
}

bool problems_have(const struct problems *problems, enum problem_kind kind, const char *subject)
{
	for (size_t i = 0; i < problems->count; i++)
		if (problems->list[i].kind == kind && !strcmp(problems->list[i].subject, subject))
			return true;
	return false;
}

void problems_remove(struct problems *problems, size_t index)
{
	free(problems->list[index].subject);
	free(problems->list[index].text);
	problems->count--;
	memmove(&problems->list[index], &problems->list[index + 1],
		(problems->count - index) * sizeof(*problems->list));
}

void problems_free(struct problems *problems)
{
	for (size_t i = 0; i < problems->count; i++) {
		free(problems->list[i].subject);
		free(problems->list[i].text);
	}
	free(problems->list);
	*problems = (struct problems){};
}

const char *problem_kind_name(enum problem_kind kind)
{
	return kinds[kind].name;
}

bool problem_is_unhealthy(enum problem_kind kind)
{
	return kinds[kind].unhealthy;
}

enum problem_told problem_told(enum problem_kind kind)
{
	return kinds[kind].told;
}
