// SPDX-License-Identifier: BSD-2-Clause
#include "agent/problems.h"

#include <string.h>

#include "agent/events.h"
#include "agent/listeners.h"
#include "agent/problems_connections.h"
#include "agent/problems_find.h"
#include "agent/saver.h"
#include "core/cleanup.h"
#include "core/clock.h"

#define SUBJECT_SIZE 24

static void find_ambiguous_zones(const struct agent *agent, struct problems *problems)
{
	for (size_t i = 0; i < agent->plan->ambiguous_count; i++) {
		const struct interface_rule *rule = agent->plan->ambiguous[i];

		problems_add(problems, PROBLEM_AMBIGUOUS_ZONE, rule->pattern,
			     "line %u: \"%s\" (%s) also fits an interface, or a device that "
			     "shares its frames, that another entry puts into a stricter "
			     "zone: the stricter one holds",
			     rule->line, rule->pattern, zone_name(rule->zone));
	}
}

/* The name that an interface has by now. */
static const char *name_in(const struct plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (plan->interfaces[i].host.ifindex == ifindex)
			return plan->interfaces[i].host.name;
	return "?";
}

static void find_renamed(const struct agent *agent, struct problems *problems)
{
	for (size_t i = 0; i < agent->plan->held_count; i++) {
		const struct plan_hold *hold = &agent->plan->held[i];
		const char *name = name_in(agent->plan, hold->ifindex);
		char subject[SUBJECT_SIZE];

		if (hold->vlan)
			snprintf(subject, sizeof(subject), "%s.%u", name, hold->vlan);
		else
			snprintf(subject, sizeof(subject), "%s", name);
		if (strcmp(name, hold->name) != 0)
			problems_add(problems, PROBLEM_INTERFACE_RENAMED, subject,
				     "%s was %s, and no entry fences it by that name: it stays in "
				     "zone %s until a reload; list the new name, or reload to "
				     "have it as the entries say",
				     subject, hold->name, zone_name(hold->zone));
		else
			problems_add(problems, PROBLEM_INTERFACE_RENAMED, subject,
				     "%s is fenced by no entry, and was so by an earlier name of "
				     "it or of a device above it: it stays in zone %s until a "
				     "reload; list the new name, or reload to have it as the "
				     "entries say",
				     subject, zone_name(hold->zone));
	}
}

static void find_pins(const struct agent *agent, struct problems *problems)
{
	char name[256];

	if (fence_pins_problem(agent->fence)[0])
		problems_add(problems, PROBLEM_PINS, "", "%s", fence_pins_problem(agent->fence));
	if (fence_stray_pin(agent->fence, name, sizeof(name)))
		problems_add(problems, PROBLEM_PINS, name,
			     "%s/%s is not beamfence's: it is left alone, but does not belong "
			     "there",
			     agent->pin_dir, name);
}

static void find_config(const struct agent *agent, struct problems *problems)
{
	if (agent->fallback.text[0])
		problems_add(problems, PROBLEM_CONFIG_LAST_GOOD, "",
			     "the last good configuration is in force, because the file cannot be "
			     "used: %s: mend it and reload",
			     agent->fallback.text);
	for (size_t i = 0; i < agent->config->warning_count; i++)
		problems_add(problems, PROBLEM_CONFIG, agent->config->warnings[i], "%s",
			     agent->config->warnings[i]);
}

/* Whoever has too many listeners hurts himself alone, and an operator should know who it is. */
static void find_users(const struct agent *agent, struct problems *problems)
{
	_cleanup_free_ struct fence_user *users = NULL;
	const int count = fence_users(agent->fence, &users);

	for (int i = 0; i < count; i++) {
		const struct user *user = &users[i].user;
		char subject[SUBJECT_SIZE];

		if (!user->refused)
			continue;
		snprintf(subject, sizeof(subject), "%u", users[i].account);
		problems_add(problems, PROBLEM_USER_LIMIT, subject,
			     "user %u has had more listeners of BEAMs, or connections to epmd, "
			     "than are followed (%d, %d): %u were not, and were not protected",
			     users[i].account, USER_LISTENERS_MAX, USER_REGISTRATIONS_MAX,
			     user->refused);
	}
}

static void find_watch(const struct agent *agent, struct problems *problems)
{
	if (fence_watch_missed(agent->fence))
		problems_add(problems, PROBLEM_EVENTS_MISSED, "",
			     "the kernel has kept %llu events from the listener watch: what they "
			     "told was listed soon after",
			     (unsigned long long)fence_watch_missed(agent->fence));
	/* A node that ends is in epmd for a moment longer than its listener. */
	if (agent->stray_names && boottime_ms() - agent->stray_since_ms >= LISTENER_STAYS_S * 1000)
		problems_add(problems, PROBLEM_STRAY_NAMES, "",
			     "epmd names %zu nodes at ports where no process that is registered "
			     "listens: they are not protected (a lie, or a node in a container)",
			     agent->stray_names);
}

static void find_refused(const struct agent *agent, struct problems *problems)
{
	if (agent->watch_error.text[0])
		problems_add(problems, PROBLEM_WATCH_MISSING, "",
			     "%s: new listeners that the configuration does not list are open; it "
			     "is tried again",
			     agent->watch_error.text);
	if (events_problem(agent->events)[0])
		problems_add(problems, PROBLEM_EVENTS_UNREAD, "",
			     "drops are counted, and not told of as events: %s; it is tried again",
			     events_problem(agent->events));
}

static void find_peers(const struct agent *agent, struct problems *problems)
{
	const struct error *problem = agent->saver ? saver_problem(agent->saver)
						   : &agent->saver_error;
	const size_t dormant = agent_count_dormant(agent);

	if (problem && problem->text[0])
		problems_add(problems, PROBLEM_STATE_NOT_KEPT, "", "%s", problem->text);
	problem = agent->config_saver ? saver_problem(agent->config_saver) : NULL;
	if (problem)
		problems_add(problems, PROBLEM_STATE_NOT_KEPT, LAST_GOOD, "%s", problem->text);
	if (dormant)
		problems_add(problems, PROBLEM_PEERS_DORMANT, "",
			     "%zu runtime peers are of clusters that the configuration does not "
			     "have, and not in force: see \"beamfence peers\"",
			     dormant);
}

static void find_service(const struct agent *agent, struct problems *problems)
{
	if (agent_differs_from_file(agent))
		problems_add(problems, PROBLEM_CONFIG_NOT_FILE, "",
			     "the configuration in force was tried and confirmed, and is not that "
			     "of %s: install it there and reload, or the next start brings back "
			     "the one that is there",
			     agent->config_path);
	if (agent->metrics_error.text[0])
		problems_add(problems, PROBLEM_METRICS, "", "%s", agent->metrics_error.text);
	if (agent->network_error.text[0])
		problems_add(problems, PROBLEM_NETWORK_SIDE, "", "%s", agent->network_error.text);
	if (agent->control_is_stale)
		problems_add(problems, PROBLEM_CONTROL_STALE, "",
			     "a change of \"control\" takes effect at the next start");
}

void agent_problems(const struct agent *agent, struct problems *problems)
{
	*problems = (struct problems){};
	find_ambiguous_zones(agent, problems);
	find_interfaces(agent, problems);
	find_renamed(agent, problems);
	find_pins(agent, problems);
	find_config(agent, problems);
	find_listeners(agent, problems);
	find_users(agent, problems);
	find_watch(agent, problems);
	find_refused(agent, problems);
	find_peers(agent, problems);
	find_service(agent, problems);
	find_connections(agent, problems);
}
