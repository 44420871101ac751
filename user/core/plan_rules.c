// SPDX-License-Identifier: BSD-2-Clause
/* From rules that name devices to the places where the frames of those devices are judged. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_build.h"

/* Of an entry as such; one that is spelt as a device is called names that one exactly. */
enum rank rule_rank(const struct interface_rule *rule)
{
	if (rule->literal || !strpbrk(rule->pattern, "*?["))
		return RANK_EXACT;
	return rule->pattern[strspn(rule->pattern, "*")] ? RANK_GLOB : RANK_EVERYTHING;
}

static enum rank rank_for(const struct interface_rule *rule, const char *name)
{
	return strcmp(rule->pattern, name) ? rule_rank(rule) : RANK_EXACT;
}

static bool fits(const struct interface_rule *rule, const char *pattern, const char *name)
{
	if (!strcmp(pattern, name))
		return true;
	return rule_rank(rule) != RANK_EXACT && !fnmatch(pattern, name, FNM_NOESCAPE);
}

bool naming_is_better(enum rank rank, enum zone zone, enum rank than_rank, enum zone than_zone)
{
	return rank < than_rank || (rank == than_rank && zone < than_zone);
}

/* "eth0.120" is VLAN 120 on eth0, and the device that is called so, whatever it may be. */
bool rule_names(const struct interface_rule *rule, const struct host_interface *host)
{
	char text[2 * INTERFACE_NAME_SIZE + 8];

	if (!rule->vlan)
		return fits(rule, rule->pattern, host->name);
	if (!strchr(host->name, '.') || (size_t)snprintf(text, sizeof(text), "%s.%u", rule->pattern,
							 rule->vlan) >= sizeof(text))
		return false;
	return fits(rule, text, host->name);
}

/* A VLAN within a VLAN is meant only where the outer one is spelt out. */
static bool names_vlan_of(const struct interface_rule *rule, const struct host_interface *host)
{
	if (!rule->vlan)
		return false;
	if (host->kind == DEVICE_VLAN && rank_for(rule, host->name) != RANK_EXACT)
		return false;
	return fits(rule, rule->pattern, host->name);
}

static int add_offer(struct builder *builder, struct offer offer)
{
	if (builder->offer_count == builder->offer_room) {
		const size_t room = builder->offer_room ? 2 * builder->offer_room : 64;
		struct offer *offers = reallocarray(builder->offers, room, sizeof(*offers));

		if (!offers)
			return -ENOMEM;
		builder->offers = offers;
		builder->offer_room = room;
	}
	builder->offers[builder->offer_count++] = offer;
	return 0;
}

/* What is being offered while the places of a device are visited. */
struct offering {
	struct builder *builder;
	size_t device;
	const struct interface_rule *rule;
	enum rank rank;
};

static int offer_device(void *context, size_t device, uint16_t vlan)
{
	const struct offering *offering = context;

	return add_offer(offering->builder, (struct offer){.device = device,
							   .vlan = vlan,
							   .rank = offering->rank,
							   .of_device = true,
							   .rule = offering->rule});
}

/* Where tags cannot be seen, a VLAN can be judged on its devices. */
static int offer_vlan_devices(const struct offering *offering, bool *found)
{
	const struct devices *devices = &offering->builder->devices;
	int code = 0;

	*found = false;
	for (size_t i = 0; i < devices->count && !code; i++) {
		const struct host_interface *host = &devices->list[i];

		if (host->kind != DEVICE_VLAN || host->vlan != offering->rule->vlan ||
		    devices_lower(devices, i) != offering->device)
			continue;
		*found = true;
		code = offer_device((void *)offering, i, 0);
	}
	return code;
}

static int offer_vlan(void *context, size_t device, uint16_t vlan)
{
	const struct offering *offering = context;
	const struct host_interface *host = &offering->builder->devices.list[device];
	bool found = false;
	int code = 0;

	if (!host->ethernet)
		return 0;
	if (!vlan && host->tags_hidden)
		code = offer_vlan_devices(offering, &found);
	if (code || found)
		return code;
	return add_offer(offering->builder,
			 (struct offer){.device = device,
					.vlan = vlan ? vlan : offering->rule->vlan,
					.rank = offering->rank,
					.rule = offering->rule});
}

static int offer_rule(struct builder *builder, size_t device, const struct interface_rule *rule)
{
	const struct host_interface *host = &builder->devices.list[device];
	struct naming *naming = &builder->named[device];
	struct offering offering = {.builder = builder,
				    .device = device,
				    .rule = rule,
				    .rank = rank_for(rule, host->name)};
	int code = 0;

	if (rule_names(rule, host)) {
		if (naming_is_better(offering.rank, rule->zone, naming->rank, naming->zone))
			*naming = (struct naming){.rank = offering.rank, .zone = rule->zone};
		code = devices_visit(&builder->devices, device, 0, offer_device, &offering);
	}
	if (!code && names_vlan_of(rule, host))
		code = devices_visit(&builder->devices, device, 0, offer_vlan, &offering);
	return code;
}

static int compare_offers(const void *a, const void *b)
{
	const struct offer *left = a, *right = b;

	if (left->device != right->device)
		return left->device < right->device ? -1 : 1;
	if (left->vlan != right->vlan)
		return left->vlan < right->vlan ? -1 : 1;
	if (left->rank != right->rank)
		return left->rank < right->rank ? -1 : 1;
	if (left->rule->zone != right->rule->zone)
		return left->rule->zone < right->rule->zone ? -1 : 1;
	return left->of_device - right->of_device; /* a rule for the VLAN itself comes first */
}

int collect_offers(struct builder *builder)
{
	const struct config *config = builder->config;
	int code = 0;

	for (size_t device = 0; device < builder->devices.count && !code; device++) {
		builder->named[device] = (struct naming){.rank = RANK_NONE, .zone = ZONE_NONE};
		if (builder->devices.list[device].loopback)
			continue;
		for (size_t i = 0; i < config->interface_count && !code; i++)
			code = offer_rule(builder, device, &config->interfaces[i]);
	}
	if (!code && builder->offer_count)
		qsort(builder->offers, builder->offer_count, sizeof(*builder->offers),
		      compare_offers);
	return code;
}

bool plan_rule_fits(const struct interface_rule *rule, const char *name)
{
	struct host_interface host = {.ethernet = true};

	snprintf(host.name, sizeof(host.name), "%s", name);
	return rule_names(rule, &host) || names_vlan_of(rule, &host);
}

enum rank plan_rank(const struct config *config, const char *name, uint16_t vlan)
{
	struct host_interface host = {.ethernet = true};
	enum rank best = RANK_NONE;

	snprintf(host.name, sizeof(host.name), "%s", name);
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];
		const enum rank rank = rank_for(rule, name);
		const bool names = vlan ? rule->vlan == vlan && names_vlan_of(rule, &host)
					: rule_names(rule, &host);

		if (names && rank < best)
			best = rank;
	}
	return best;
}
