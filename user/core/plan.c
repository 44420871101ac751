// SPDX-License-Identifier: BSD-2-Clause
#include "core/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/plan_build.h"

/* The offers for one place, the best first. */
struct group {
	const struct offer *offers;
	size_t count;
};

static struct group next_group(const struct builder *builder, size_t start)
{
	const struct offer *offers = builder->offers;
	size_t end = start;

	while (end < builder->offer_count && offers[end].device == offers[start].device &&
	       offers[end].vlan == offers[start].vlan)
		end++;
	return (struct group){.offers = offers + start, .count = end - start};
}

static void mark_ambiguous(const struct builder *builder, const struct group *group)
{
	const struct offer *best = group->offers;

	for (size_t i = 1; i < group->count && group->offers[i].rank == best->rank; i++)
		if (group->offers[i].rule->zone != best->rule->zone)
			builder->ambiguous[group->offers[i].rule - builder->config->interfaces] =
				true;
}

/*
 * The zone of a VLAN place below whose interface is @own, or ZONE_NONE where the VLAN needs no
 * place of its own.
 */
static enum zone vlan_zone(const struct group *group, const struct naming *own)
{
	const struct offer *best = group->offers;

	if (!best->of_device)
		return best->rule->zone;
	if (own->zone == best->rule->zone)
		return ZONE_NONE;
	if (own->zone != ZONE_NONE && own->zone < best->rule->zone && own->rank < best->rank)
		return ZONE_NONE;
	return best->rule->zone;
}

static size_t offers_of_device(const struct builder *builder, size_t start)
{
	size_t end = start;

	while (end < builder->offer_count &&
	       builder->offers[end].device == builder->offers[start].device)
		end++;
	return end - start;
}

/* Adds the device of the offers at @start, if any of its places has a zone. */
static int add_interface(struct builder *builder, size_t start, size_t count)
{
	struct plan *plan = builder->plan;
	struct plan_interface *added = &plan->interfaces[plan->interface_count];
	const size_t device = builder->offers[start].device;
	struct naming own = {.rank = RANK_NONE, .zone = ZONE_NONE};
	struct group group;

	added->vlans = calloc(count, sizeof(*added->vlans));
	if (!added->vlans)
		return -ENOMEM;
	for (size_t i = start; i < start + count; i += group.count) {
		enum zone zone;

		group = next_group(builder, i);
		mark_ambiguous(builder, &group);
		if (!group.offers->vlan) {
			own = (struct naming){.rank = group.offers->rank,
					      .zone = group.offers->rule->zone};
			continue;
		}
		zone = vlan_zone(&group, &own);
		if (zone != ZONE_NONE)
			added->vlans[added->vlan_count++] =
				(struct plan_vlan){.vlan = group.offers->vlan,
						   .zone = zone,
						   .rank = group.offers->rank};
	}
	plan->interface_count++;
	added->host = builder->devices.list[device];
	added->zone = own.zone;
	added->rank = own.rank;
	return 0;
}

static size_t position(const struct builder *builder, const struct plan_interface *interface)
{
	size_t low = 0, high = builder->devices.count;

	while (high - low > 1) {
		const size_t middle = low + (high - low) / 2;

		if (builder->devices.list[middle].ifindex <= interface->host.ifindex)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int compare_heights(const void *a, const void *b, void *context)
{
	const struct builder *builder = context;
	const size_t left = position(builder, a), right = position(builder, b);
	const unsigned left_height = devices_height(&builder->devices, left);
	const unsigned right_height = devices_height(&builder->devices, right);

	if (left_height != right_height)
		return left_height < right_height ? -1 : 1;
	return left < right ? -1 : left > right;
}

static int add_interfaces(struct builder *builder)
{
	struct plan *plan = builder->plan;
	size_t count;
	int code = 0;

	for (size_t i = 0; i < builder->offer_count && !code; i += count) {
		count = offers_of_device(builder, i);
		code = add_interface(builder, i, count);
	}
	if (!code)
		code = add_holds(builder);
	if (plan->interface_count)
		qsort_r(plan->interfaces, plan->interface_count, sizeof(*plan->interfaces),
			compare_heights, builder);
	for (size_t i = 0; i < plan->interface_count; i++)
		builder->planned[position(builder, &plan->interfaces[i])] = &plan->interfaces[i];
	return code;
}

/* Whether an exact name, with or without its VLAN, is that of a device. */
static bool is_present(const struct builder *builder, const struct interface_rule *rule)
{
	for (size_t i = 0; i < builder->devices.count; i++)
		if (!strcmp(builder->devices.list[i].name, rule->pattern) ||
		    rule_names(rule, &builder->devices.list[i]))
			return true;
	return false;
}

static void list_rules(const struct builder *builder)
{
	const struct config *config = builder->config;
	struct plan *plan = builder->plan;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];

		if (rule_rank(rule) == RANK_EXACT && !is_present(builder, rule))
			plan->absent[plan->absent_count++] = rule;
		if (builder->ambiguous[i])
			plan->ambiguous[plan->ambiguous_count++] = rule;
	}
}

/* What there is room for in the tables, and what of it is taken. */
struct room {
	size_t interfaces, places, gated;
};

static bool take_room(struct room *room, const struct plan_interface *interface)
{
	const size_t needed = 1 + interface->vlan_count;
	const bool gated = interface->host.unreadable;

	if (room->places + needed > PLACES_MAX ||
	    (gated ? room->gated == UPPERS_MAX : room->interfaces == INTERFACES_MAX))
		return false;
	room->places += needed;
	room->gated += gated;
	room->interfaces += !gated;
	return true;
}

static void make_room(struct plan *plan)
{
	static const enum zone order[] = {ZONE_CLIENT, ZONE_CLUSTER, ZONE_TRUSTED, ZONE_NONE};
	struct room room = {};

	for (size_t zone = 0; zone < sizeof(order) / sizeof(order[0]); zone++)
		for (size_t i = 0; i < plan->interface_count; i++) {
			struct plan_interface *interface = &plan->interfaces[i];

			if (interface->zone == order[zone])
				interface->no_room = !take_room(&room, interface);
		}
}

bool plan_interface_has_filter(const struct plan_interface *interface)
{
	return !interface->no_room && !interface->host.unreadable;
}

bool plan_interface_is_gated(const struct plan_interface *interface)
{
	return !interface->no_room && interface->host.unreadable && interface->zone != ZONE_NONE;
}

static void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}

static void cleanup_builder(struct builder *builder)
{
	devices_free(&builder->devices);
	plan_free(builder->plan);
	free(builder->named);
	free(builder->offers);
	free(builder->planned);
	free(builder->ambiguous);
}

static struct plan *allocate_plan(size_t host_count, size_t rule_count, size_t hold_count)
{
	_cleanup_(cleanup_plan) struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->interfaces = calloc(host_count + 1, sizeof(*plan->interfaces));
	plan->uppers = calloc(host_count + 1, sizeof(*plan->uppers));
	plan->unassigned = calloc(host_count + 1, sizeof(*plan->unassigned));
	plan->held = calloc(hold_count + 1, sizeof(*plan->held));
	plan->absent = calloc(rule_count + 1, sizeof(struct interface_rule *));
	plan->ambiguous = calloc(rule_count + 1, sizeof(struct interface_rule *));
	if (!plan->interfaces || !plan->uppers || !plan->unassigned || !plan->held ||
	    !plan->absent || !plan->ambiguous)
		return NULL;
	return TAKE_POINTER(plan);
}

static int build(struct builder *builder)
{
	const size_t hosts = builder->devices.count, rules = builder->config->interface_count;
	int code;

	builder->plan = allocate_plan(hosts, rules, builder->hold_count);
	builder->named = calloc(hosts + 1, sizeof(*builder->named));
	builder->planned = calloc(hosts + 1, sizeof(struct plan_interface *));
	builder->ambiguous = calloc(rules + 1, sizeof(*builder->ambiguous));
	if (!builder->plan || !builder->named || !builder->planned || !builder->ambiguous)
		return -ENOMEM;
	code = collect_offers(builder);
	if (!code)
		code = add_interfaces(builder);
	if (code)
		return code;
	make_room(builder->plan);
	list_rules(builder);
	return add_uppers(builder);
}

int plan_build_held(const struct config *config, const struct host_interface *host,
		    size_t host_count, const struct plan_hold *holds, size_t hold_count,
		    struct plan **plan, struct error *error)
{
	_cleanup_(cleanup_builder) struct builder builder = {
		.config = config,
		.holds = holds,
		.hold_count = hold_count,
	};

	if (devices_link(host, host_count, &builder.devices) || build(&builder))
		return error_set(error, -ENOMEM, "out of memory for the plan");
	builder.plan->config_mark = config->mark;
	*plan = TAKE_POINTER(builder.plan);
	return 0;
}

int plan_build(const struct config *config, const struct host_interface *host, size_t host_count,
	       struct plan **plan, struct error *error)
{
	return plan_build_held(config, host, host_count, NULL, 0, plan, error);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; plan->interfaces && i < plan->interface_count; i++)
		free(plan->interfaces[i].vlans);
	for (size_t i = 0; plan->uppers && i < plan->upper_count; i++)
		free(plan->uppers[i].places);
	free(plan->interfaces);
	free(plan->uppers);
	free(plan->unassigned);
	free(plan->held);
	free(plan->absent);
	free(plan->ambiguous);
	free(plan);
}
