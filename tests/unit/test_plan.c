// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/plan.h"

#define HOSTS_MAX 200
#define RULES_MAX 200

static void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}
#define _cleanup_plan_ _cleanup_(cleanup_plan)

static struct interface_rule rules[RULES_MAX];
static struct host_interface hosts[HOSTS_MAX];
static struct config config = {.interfaces = rules};
static size_t host_count;

static void add_rule(enum zone zone, const char *pattern, uint16_t vlan)
{
	struct interface_rule *rule = &rules[config.interface_count++];

	*rule = (struct interface_rule){.pattern = strdup(pattern), .vlan = vlan, .zone = zone};
	cr_assert_not_null(rule->pattern);
}

static struct host_interface *add_host(const char *name)
{
	struct host_interface *host = &hosts[host_count++];

	*host = (struct host_interface){.ifindex = (uint32_t)host_count, .ethernet = true};
	snprintf(host->name, sizeof(host->name), "%s", name);
	return host;
}

static void free_rules(void)
{
	for (size_t i = 0; i < config.interface_count; i++)
		free(rules[i].pattern);
}

TestSuite(plan, .fini = free_rules);

static struct plan *built(void)
{
	struct plan *plan = NULL;
	struct error error = {""};

	cr_assert_eq(plan_build(&config, hosts, host_count, &plan, &error), 0, "%s", error.text);
	return plan;
}

static const struct plan_interface *planned(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (!strcmp(plan->interfaces[i].host.name, name))
			return &plan->interfaces[i];
	return NULL;
}

static void expect_zone(const struct plan *plan, const char *name, enum zone zone)
{
	const struct plan_interface *interface = planned(plan, name);

	cr_expect_not_null(interface, "%s is not in the plan", name);
	if (interface)
		cr_expect_eq(interface->zone, zone, "%s has zone %d", name, interface->zone);
}

static void expect_vlan(const struct plan *plan, const char *name, uint16_t vlan, enum zone zone)
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

Test(plan, an_exact_name_beats_a_glob_and_a_glob_beats_everything)
{
	_cleanup_plan_ struct plan *plan = NULL;

	/* The stricter zone is always with the weaker rule, so that only the rank can decide. */
	add_rule(ZONE_CLIENT, "*", 0);
	add_rule(ZONE_CLUSTER, "eth*", 0);
	add_rule(ZONE_TRUSTED, "eth1", 0);
	add_host("eth0");
	add_host("eth1");
	add_host("wan0");
	plan = built();
	cr_expect_eq(plan->interface_count, 3);
	expect_zone(plan, "eth0", ZONE_CLUSTER);
	expect_zone(plan, "eth1", ZONE_TRUSTED);
	expect_zone(plan, "wan0", ZONE_CLIENT);
	cr_expect_eq(plan->ambiguous_count, 0);
	cr_expect_eq(plan->absent_count, 0);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, of_equal_globs_the_stricter_zone_wins_in_either_order)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "e*0", 0);
	add_rule(ZONE_CLIENT, "eth*", 0);
	add_rule(ZONE_CLUSTER, "et*", 0);
	add_host("eth0");
	plan = built();
	expect_zone(plan, "eth0", ZONE_CLIENT);
	cr_assert_eq(plan->ambiguous_count, 2);
	cr_expect_eq(plan->ambiguous[0], &rules[0]);
	cr_expect_eq(plan->ambiguous[1], &rules[2]);
}

Test(plan, a_rule_that_lost_on_two_interfaces_is_ambiguous_once)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth*", 0);
	add_rule(ZONE_CLUSTER, "*th?", 0);
	add_host("eth0");
	add_host("eth1");
	plan = built();
	cr_expect_eq(plan->ambiguous_count, 1);
}

Test(plan, globs_know_classes)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth[0-1]", 0);
	add_rule(ZONE_CLUSTER, "wan[!0]", 0);
	add_host("eth1");
	add_host("eth2");
	add_host("wan0");
	add_host("wan1");
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	expect_zone(plan, "eth1", ZONE_CLIENT);
	expect_zone(plan, "wan1", ZONE_CLUSTER);
	cr_assert_eq(plan->unassigned_count, 2);
	cr_expect_str_eq(plan->unassigned[0], "eth2");
	cr_expect_str_eq(plan->unassigned[1], "wan0");
}

Test(plan, loopback_is_neither_fenced_nor_unassigned)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	add_host("lo")->loopback = true;
	add_host("eth0");
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	cr_expect_null(planned(plan, "lo"));
	config.interface_count = 0;
	plan_free(TAKE_POINTER(plan));
	plan = built();
	cr_expect_eq(plan->unassigned_count, 1);
	cr_expect_str_eq(plan->unassigned[0], "eth0");
}

Test(plan, exact_names_that_the_host_lacks_are_absent_and_globs_are_not)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_CLIENT, "eth1", 0);
	add_rule(ZONE_CLIENT, "eth2", 7);
	add_rule(ZONE_CLIENT, "wan*", 0);
	add_rule(ZONE_CLIENT, "eth0", 7);
	add_host("eth0");
	plan = built();
	cr_assert_eq(plan->absent_count, 2);
	cr_expect_eq(plan->absent[0], &rules[1]);
	cr_expect_eq(plan->absent[1], &rules[2]);
}

Test(plan, keeps_what_the_kernel_said_of_an_interface)
{
	_cleanup_plan_ struct plan *plan = NULL;
	struct host_interface *wg0;

	add_rule(ZONE_TRUSTED, "wg0", 0);
	add_rule(ZONE_CLIENT, "*", 120);
	wg0 = add_host("wg0");
	wg0->ethernet = false;
	wg0->ifindex = 77;
	plan = built();
	expect_zone(plan, "wg0", ZONE_TRUSTED);
	cr_expect_eq(planned(plan, "wg0")->host.ifindex, 77);
	cr_expect_not(planned(plan, "wg0")->host.ethernet);
	/* Its frames start with the IP header: there are no VLANs on it. */
	cr_expect_eq(planned(plan, "wg0")->vlan_count, 0);
}

Test(plan, vlan_rules_have_the_same_order_of_precedence)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 120);
	add_rule(ZONE_CLUSTER, "eth*", 120);
	add_rule(ZONE_TRUSTED, "eth1", 120);
	add_rule(ZONE_CLIENT, "eth1", 0);
	add_host("eth0");
	add_host("eth1");
	add_host("wan0");
	plan = built();
	expect_vlan(plan, "eth0", 120, ZONE_CLUSTER);
	expect_vlan(plan, "eth1", 120, ZONE_TRUSTED);
	expect_vlan(plan, "wan0", 120, ZONE_CLIENT);
	expect_zone(plan, "eth0", ZONE_NONE);
	expect_zone(plan, "eth1", ZONE_CLIENT);
	cr_expect_eq(planned(plan, "eth1")->vlan_count, 1);
}

Test(plan, equal_vlan_globs_go_to_the_stricter_zone)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth*", 7);
	add_rule(ZONE_CLUSTER, "e*", 7);
	add_rule(ZONE_TRUSTED, "e?h*", 8);
	add_host("eth0");
	plan = built();
	expect_vlan(plan, "eth0", 7, ZONE_CLUSTER);
	expect_vlan(plan, "eth0", 8, ZONE_TRUSTED);
	cr_assert_eq(plan->ambiguous_count, 1);
	cr_expect_eq(plan->ambiguous[0], &rules[0]);
}

Test(plan, an_interface_of_which_only_vlans_are_named_is_planned_and_not_unassigned)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 1);
	add_rule(ZONE_CLUSTER, "eth0", 4094);
	add_host("eth0");
	plan = built();
	expect_zone(plan, "eth0", ZONE_NONE);
	cr_assert_eq(planned(plan, "eth0")->vlan_count, 2);
	expect_vlan(plan, "eth0", 1, ZONE_CLIENT);
	expect_vlan(plan, "eth0", 4094, ZONE_CLUSTER);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_vlan_device_is_fenced_at_its_parent)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_rule(ZONE_CLUSTER, "eth1", 0);
	add_host("eth0");
	add_host("eth0.120");
	add_host("eth0.7");
	add_host("eth1");
	add_host("eth1.7");
	add_host("eth2.7");
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	cr_expect_null(planned(plan, "eth0.120"));
	cr_expect_null(planned(plan, "eth1.7"));
	cr_assert_eq(plan->unassigned_count, 2);
	cr_expect_str_eq(plan->unassigned[0], "eth0.7", "VLAN 7 on eth0 faces nothing");
	cr_expect_str_eq(plan->unassigned[1], "eth2.7", "eth2 does not exist");
}

Test(plan, a_vlan_device_that_a_glob_names_alike_needs_no_filter_of_its_own)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	add_host("eth0");
	add_host("eth0.120");
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "eth0", ZONE_CLIENT);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_vlan_device_that_a_glob_puts_into_another_zone_gets_its_own_filter)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_rule(ZONE_CLIENT, "eth0.*", 0);
	add_host("eth0");
	add_host("eth0.120");
	plan = built();
	expect_zone(plan, "eth0", ZONE_TRUSTED);
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
}

Test(plan, a_vlan_device_without_its_parent_is_an_interface_like_others)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth*", 0);
	add_host("eth0.120");
	plan = built();
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
}

Test(plan, a_vlan_rule_beats_a_weaker_glob_over_the_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 120);
	add_rule(ZONE_CLIENT, "*", 0);
	add_host("eth0");
	add_host("eth0.120");
	plan = built();
	cr_expect_null(planned(plan, "eth0.120"));
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_vlan(plan, "eth0", 120, ZONE_TRUSTED);
}

Test(plan, a_stricter_glob_over_the_device_is_not_lost_to_an_equal_vlan_glob)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth*", 120);
	add_rule(ZONE_CLIENT, "eth0.1*", 0);
	add_host("eth0");
	add_host("eth0.120");
	plan = built();
	expect_vlan(plan, "eth0", 120, ZONE_TRUSTED);
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
}

Test(plan, a_vlan_within_a_vlan_is_fenced_below_or_by_itself)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 100);
	add_rule(ZONE_CLIENT, "eth1", 0);
	add_rule(ZONE_CLIENT, "*", 0);
	add_rule(ZONE_CLUSTER, "eth1.100", 300);
	add_host("eth0");
	add_host("eth0.100");
	add_host("eth0.100.200");
	add_host("eth1");
	add_host("eth1.100");
	add_host("eth1.100.300");
	plan = built();
	/* "*" gives it client, and nothing below it does: eth0.100 owes its zone to eth0. */
	expect_zone(plan, "eth0.100.200", ZONE_CLIENT);
	cr_expect_null(planned(plan, "eth0.100"));
	expect_zone(plan, "eth1.100", ZONE_NONE);
	expect_vlan(plan, "eth1.100", 300, ZONE_CLUSTER);
	cr_expect_null(planned(plan, "eth1.100.300"));
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_vlan_glob_does_not_reach_into_vlan_devices)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 120);
	add_rule(ZONE_CLUSTER, "eth0", 0);
	add_host("eth0");
	add_host("eth0.7");
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
}

Test(plan, a_vlan_within_a_vlan_that_nothing_names_is_covered_by_the_lowest_interface)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_host("eth0");
	add_host("eth0.100");
	add_host("eth0.100.200");
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, names_that_only_look_like_vlans_are_ordinary)
{
	static const char *const names[] = {"eth0.0",  "eth0.4095", "eth0.01", "eth0.",
					    "eth0.7x", "eth0.lan",  "eth0.+7"};
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_host("eth0");
	for (size_t i = 0; i < 7; i++)
		add_host(names[i]);
	plan = built();
	cr_expect_eq(plan->unassigned_count, 7);
}

static size_t left_out(const struct plan *plan)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += plan->interfaces[i].no_room;
	return count;
}

Test(plan, beyond_the_limit_of_interfaces_clients_come_first_and_the_rest_is_marked)
{
	_cleanup_plan_ struct plan *plan = NULL;
	char name[16];

	add_rule(ZONE_TRUSTED, "*", 0);
	add_rule(ZONE_CLIENT, "wan*", 0);
	for (int i = 0; i < INTERFACES_MAX; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		add_host(name);
	}
	plan = built();
	cr_expect_eq(plan->interface_count, INTERFACES_MAX);
	cr_expect_eq(left_out(plan), 0);
	plan_free(plan);
	add_host("wan0");
	plan = built();
	cr_expect_eq(left_out(plan), 1);
	cr_expect(!planned(plan, "wan0")->no_room);
	cr_expect(planned(plan, "eth63")->no_room);
}

Test(plan, beyond_the_limit_of_places_an_interface_is_marked_with_all_its_vlans)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_host("eth0");
	for (uint16_t vlan = 1; vlan < PLACES_MAX; vlan++)
		add_rule(ZONE_CLUSTER, "eth0", vlan);
	plan = built();
	cr_expect_eq(planned(plan, "eth0")->vlan_count, PLACES_MAX - 1);
	cr_expect_eq(left_out(plan), 0);
	plan_free(plan);
	add_rule(ZONE_CLIENT, "eth1", 0);
	add_host("eth1");
	plan = built();
	cr_expect_eq(left_out(plan), 1);
	cr_expect(planned(plan, "eth1")->no_room);
}

Test(plan, an_empty_host_has_an_empty_plan)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	plan = built();
	cr_expect_eq(plan->interface_count, 0);
	cr_expect_eq(plan->unassigned_count, 0);
}
