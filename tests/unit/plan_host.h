/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A host's interfaces and the rules for them, put together line by line, and what the plan makes of
 * them. A suite ends with free_rules().
 */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/plan.h"

#define HOSTS_MAX 200
#define RULES_MAX 200

static inline void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}
#define _cleanup_plan_ _cleanup_(cleanup_plan)

static struct interface_rule rules[RULES_MAX];
static struct host_interface hosts[HOSTS_MAX];
static struct config config = {.interfaces = rules};
static size_t host_count;

static inline void add_rule(enum zone zone, const char *pattern, uint16_t vlan)
{
	struct interface_rule *rule = &rules[config.interface_count++];

	*rule = (struct interface_rule){.pattern = strdup(pattern), .vlan = vlan, .zone = zone};
	cr_assert_not_null(rule->pattern);
}

static inline struct host_interface *add_host(const char *name)
{
	struct host_interface *host = &hosts[host_count++];

	*host = (struct host_interface){.ifindex = (uint32_t)host_count, .ethernet = true};
	snprintf(host->name, sizeof(host->name), "%s", name);
	return host;
}

static inline uint32_t index_of(const char *name)
{
	for (size_t i = 0; i < host_count; i++)
		if (!strcmp(hosts[i].name, name))
			return hosts[i].ifindex;
	cr_assert_fail("no %s", name);
	return 0;
}

/* A VLAN device on @lower, which is NULL where that is in another namespace. */
static inline struct host_interface *add_vlan(const char *name, const char *lower, uint16_t vlan)
{
	struct host_interface *host = add_host(name);

	host->kind = DEVICE_VLAN;
	host->vlan = vlan;
	host->lower = lower ? index_of(lower) : 0;
	return host;
}

static inline struct host_interface *add_master(const char *name, enum device_kind kind)
{
	struct host_interface *host = add_host(name);

	host->kind = kind;
	host->tags_hidden = kind == DEVICE_BRIDGE;
	return host;
}

static inline struct host_interface *add_port(const char *name, const char *master)
{
	struct host_interface *host = add_host(name);

	host->master = index_of(master);
	return host;
}

static inline void free_rules(void)
{
	for (size_t i = 0; i < config.interface_count; i++)
		free(rules[i].pattern);
}

static inline struct plan *built(void)
{
	struct plan *plan = NULL;
	struct error error = {""};

	cr_assert_eq(plan_build(&config, hosts, host_count, &plan, &error), 0, "%s", error.text);
	return plan;
}

static inline const struct plan_interface *planned(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (!strcmp(plan->interfaces[i].host.name, name))
			return &plan->interfaces[i];
	return NULL;
}

static inline void expect_zone(const struct plan *plan, const char *name, enum zone zone)
{
	const struct plan_interface *interface = planned(plan, name);

	cr_expect_not_null(interface, "%s is not in the plan", name);
	if (interface)
		cr_expect_eq(interface->zone, zone, "%s has zone %d", name, interface->zone);
}

static inline const struct plan_upper *upper(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->upper_count; i++)
		if (!strcmp(plan->uppers[i].host.name, name))
			return &plan->uppers[i];
	return NULL;
}

/* The frames of @name are judged at one place first of all, and all in that zone. */
static inline void expect_upper(const struct plan *plan, const char *name, const char *on,
				uint16_t vlan, enum zone zone)
{
	const struct plan_upper *found = upper(plan, name);

	cr_assert_not_null(found, "%s is not above anything", name);
	cr_expect_eq(found->zone, zone, "%s has zone %d", name, found->zone);
	cr_assert_gt(found->place_count, 0, "%s has no place", name);
	cr_expect_eq(found->places[0].ifindex, index_of(on), "%s is on another interface", name);
	cr_expect_eq(found->places[0].vlan, vlan, "%s is VLAN %u", name, found->places[0].vlan);
	cr_expect_not(found->no_room);
}

static inline void expect_vlan(const struct plan *plan, const char *name, uint16_t vlan,
			       enum zone zone)
{
	const struct plan_interface *interface = planned(plan, name);

	cr_assert_not_null(interface, "%s is not in the plan", name);
	for (size_t i = 0; i < interface->vlan_count; i++) {
		if (interface->vlans[i].vlan == vlan) {
			cr_expect_eq(interface->vlans[i].zone, zone, "%s.%u has zone %d", name,
				     vlan, interface->vlans[i].zone);
			return;
		}
	}
	cr_expect_fail("%s has no VLAN %u", name, vlan);
}

static inline size_t left_out(const struct plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += plan->interfaces[i].no_room;
	return count;
}
