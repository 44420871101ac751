// SPDX-License-Identifier: BSD-2-Clause
#include "agent/planning.h"

#include <errno.h>
#include <string.h>

#include "agent/listeners.h"
#include "core/cleanup.h"
#include "kernel/host.h"

static void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}

/* What a plan is made of. */
struct planning {
	const struct agent *agent;
	const struct config *config;
	bool rehearse;
	struct host_interface *host;
	size_t host_count;
	struct plan_hold *holds;
	size_t hold_count;
};

static void cleanup_planning(struct planning *planning)
{
	free(planning->host);
	free(planning->holds);
}

/*
 * VLANs have zones only where their tags can be seen. Where the driver will not leave them in, the
 * plan looks for other places. True when that was news.
 */
static bool uncover_tags(const struct plan *plan, struct planning *planning)
{
	bool hidden = false;

	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct plan_interface *interface = &plan->interfaces[i];

		if (!interface->vlan_count || interface->host.tags_hidden || interface->no_room ||
		    host_keep_vlan_tags(interface->host.name) >= 0)
			continue;
		for (size_t j = 0; j < planning->host_count; j++)
			if (planning->host[j].ifindex == interface->host.ifindex)
				hidden = planning->host[j].tags_hidden = true;
	}
	return hidden;
}

/* The indexes of all interfaces of the plan in force, which must not be overlooked. */
static size_t known_interfaces(const struct plan *plan, uint32_t known[static INTERFACES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; plan && i < plan->interface_count && count < INTERFACES_MAX; i++)
		if (!plan->interfaces[i].no_room)
			known[count++] = plan->interfaces[i].host.ifindex;
	return count;
}

static int build(struct planning *planning, struct plan **result, struct error *error)
{
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	int code = plan_build_held(planning->config, planning->host, planning->host_count,
				   planning->holds, planning->hold_count, &plan, error);

	if (!code && !planning->rehearse && uncover_tags(plan, planning)) {
		plan_free(TAKE_POINTER(plan));
		code = plan_build_held(planning->config, planning->host, planning->host_count,
				       planning->holds, planning->hold_count, &plan, error);
	}
	if (!code)
		*result = TAKE_POINTER(plan);
	return code;
}

static const struct host_interface *find_host(const struct planning *planning, uint32_t ifindex)
{
	for (size_t i = 0; i < planning->host_count; i++)
		if (planning->host[i].ifindex == ifindex)
			return &planning->host[i];
	return NULL;
}

static bool is_same_device(const struct planning *planning, uint32_t ifindex)
{
	const struct host_interface *host = find_host(planning, ifindex);

	return host && fence_is_same(planning->agent->fence, host);
}

/* Adds holds for devices that are still those that they were. */
static int add_holds(struct planning *planning, const struct plan_hold *holds, size_t count)
{
	struct plan_hold *grown = reallocarray(planning->holds, planning->hold_count + count + 1,
					       sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	planning->holds = grown;
	for (size_t i = 0; i < count; i++)
		if (is_same_device(planning, holds[i].ifindex))
			grown[planning->hold_count++] = holds[i];
	return 0;
}

static bool was_renamed(const struct planning *planning, const struct host_interface *before)
{
	const struct host_interface *now = find_host(planning, before->ifindex);

	return now && strcmp(now->name, before->name) != 0;
}

/* Whether a device of the plan in force, or one above those, has another name by now. */
static bool any_was_renamed(const struct planning *planning, const struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (was_renamed(planning, &plan->interfaces[i].host))
			return true;
	for (size_t i = 0; i < plan->upper_count; i++)
		if (was_renamed(planning, &plan->uppers[i].host))
			return true;
	return false;
}

/*
 * Of what an earlier agent left in force: what was so by this very configuration, else what has
 * another name by now, or was held then. What is not
 * named by its former name was named by that of a device above it.
 */
static size_t choose_former(const struct planning *planning, const struct fence_place *former,
			    size_t count, struct plan_hold *places)
{
	size_t chosen = 0;

	for (size_t i = 0; i < count; i++) {
		const struct plan_hold *hold = &former[i].hold;
		const struct host_interface *now = find_host(planning, hold->ifindex);
		enum rank rank = plan_rank(planning->config, hold->name, hold->vlan);

		if (!now || !(former[i].config_mark == planning->config->mark || former[i].held ||
			      strcmp(now->name, hold->name) != 0))
			continue;
		if (rank == RANK_NONE && hold->vlan)
			rank = plan_rank(planning->config, hold->name, 0);
		if (rank == RANK_NONE || former[i].held)
			rank = RANK_EXACT;
		places[chosen] = *hold;
		places[chosen++].rank = rank;
	}
	return chosen;
}

static int former_places(const struct planning *planning, struct plan_hold **places)
{
	_cleanup_free_ struct fence_place *former = NULL;
	const int count = planning->agent->text_is_new
				  ? 0
				  : fence_former_places(planning->agent->fence, &former);

	if (count <= 0)
		return count;
	*places = calloc((size_t)count, sizeof(**places));
	if (!*places)
		return -ENOMEM;
	return (int)choose_former(planning, former, (size_t)count, *places);
}

static int places_before_trial(const struct trial *trial, struct plan_hold **places)
{
	const size_t count = (size_t)trial->former_place_count;

	*places = calloc(count + 1, sizeof(**places));
	if (!*places)
		return -ENOMEM;
	if (count)
		memcpy(*places, trial->former_places, count * sizeof(**places));
	return (int)count;
}

/* What was fenced by the same configuration until now, where names may have changed since. */
static int places_until_now(const struct planning *planning, struct plan_hold **places)
{
	const struct agent *agent = planning->agent;

	if (agent->trial.former && planning->config == agent->trial.former)
		return places_before_trial(&agent->trial, places);
	if (planning->config != agent->config)
		return 0;
	if (!agent->plan)
		return former_places(planning, places);
	return any_was_renamed(planning, agent->plan) ? plan_places(agent->plan, places) : 0;
}

/* Adds a hold for each place that was fenced and would not be so by the plan. 1 where any is new.
 */
static int hold_places(struct planning *planning, const struct plan *plan)
{
	_cleanup_free_ struct plan_hold *places = NULL, *holds = NULL;
	const size_t before = planning->hold_count;
	int count = places_until_now(planning, &places), code;

	if (count > 0)
		count = plan_find_holds(plan, places, (size_t)count, &holds);
	if (count <= 0)
		return count;
	code = add_holds(planning, holds, (size_t)count);
	return code ? code : planning->hold_count > before;
}

/* The holds that are in force, or were before the trial. */
static int keep_holds(struct planning *planning)
{
	const struct agent *agent = planning->agent;

	if (agent->trial.former && planning->config == agent->trial.former)
		return add_holds(planning, agent->trial.former_holds,
				 agent->trial.former_hold_count);
	if (agent->plan && planning->config == agent->config)
		return add_holds(planning, agent->plan->held, agent->plan->held_count);
	return 0;
}

int agent_plan(const struct agent *agent, const struct config *config, bool rehearse,
	       struct plan **result, struct error *error)
{
	_cleanup_(cleanup_planning) struct planning planning = {
		.agent = agent,
		.config = config,
		.rehearse = rehearse,
	};
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	uint32_t known[INTERFACES_MAX];
	int code = host_interfaces(known, known_interfaces(agent->plan, known), &planning.host,
				   error);

	if (code < 0)
		return code;
	planning.host_count = (size_t)code;
	if (keep_holds(&planning))
		return error_set(error, -ENOMEM, "out of memory for the plan");
	code = build(&planning, &plan, error);
	if (code)
		return code;
	code = hold_places(&planning, plan);
	if (code < 0)
		return error_set(error, code, "out of memory for the plan");
	if (code) {
		plan_free(TAKE_POINTER(plan));
		code = build(&planning, &plan, error);
	}
	if (!code)
		*result = TAKE_POINTER(plan);
	return code;
}

int agent_policy(const struct agent *agent, const struct config *config, struct policy **policy,
		 struct error *error)
{
	_cleanup_free_ struct policy_listener *listeners = NULL;
	struct policy_parts parts = {
		.config = config,
		.runtime = agent->peers.peers,
		.runtime_count = agent->peers.count,
	};
	const int count = listeners_assign(agent, config, &listeners);

	if (count < 0)
		return error_set(error, count, "cannot list the listeners: %s", strerror(-count));
	parts.listeners = listeners;
	parts.listener_count = (size_t)count;
	return policy_build(&parts, policy, error);
}
