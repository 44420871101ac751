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

static uint32_t index_of(const char *name)
{
	for (size_t i = 0; i < host_count; i++)
		if (!strcmp(hosts[i].name, name))
			return hosts[i].ifindex;
	cr_assert_fail("no %s", name);
	return 0;
}

/* A VLAN device on @lower, which is NULL where that is in another namespace. */
static struct host_interface *add_vlan(const char *name, const char *lower, uint16_t vlan)
{
	struct host_interface *host = add_host(name);

	host->kind = DEVICE_VLAN;
	host->vlan = vlan;
	host->lower = lower ? index_of(lower) : 0;
	return host;
}

static struct host_interface *add_master(const char *name, enum device_kind kind)
{
	struct host_interface *host = add_host(name);

	host->kind = kind;
	host->tags_hidden = kind == DEVICE_BRIDGE;
	return host;
}

static struct host_interface *add_port(const char *name, const char *master)
{
	struct host_interface *host = add_host(name);

	host->master = index_of(master);
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

static const struct plan_upper *upper(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->upper_count; i++)
		if (!strcmp(plan->uppers[i].host.name, name))
			return &plan->uppers[i];
	return NULL;
}

/* The frames of @name are judged at one place first of all, and all in that zone. */
static void expect_upper(const struct plan *plan, const char *name, const char *on, uint16_t vlan,
			 enum zone zone)
{
	const struct plan_upper *found = upper(plan, name);

	cr_assert_not_null(found, "%s is not above anything", name);
	cr_expect_eq(found->zone, zone, "%s has zone %d", name, found->zone);
	cr_assert_gt(found->place_count, 0, "%s has no place", name);
	cr_expect_eq(found->places[0].ifindex, index_of(on), "%s is on another interface", name);
	cr_expect_eq(found->places[0].vlan, vlan, "%s is VLAN %u", name, found->places[0].vlan);
	cr_expect_not(found->no_room);
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

Test(plan, a_vlan_device_is_fenced_at_its_lower_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_rule(ZONE_CLUSTER, "eth1", 0);
	add_host("eth0");
	add_host("eth1");
	add_vlan("eth0.120", "eth0", 120);
	add_vlan("eth0.7", "eth0", 7);
	add_vlan("eth1.7", "eth1", 7);
	add_vlan("eth2.7", NULL, 7);
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	expect_upper(plan, "eth0.120", "eth0", 120, ZONE_CLIENT);
	expect_upper(plan, "eth1.7", "eth1", 0, ZONE_CLUSTER);
	cr_assert_eq(plan->unassigned_count, 2);
	cr_expect_str_eq(plan->unassigned[0], "eth0.7", "VLAN 7 on eth0 faces nothing");
	cr_expect_str_eq(plan->unassigned[1], "eth2.7", "its lower device is elsewhere");
}

Test(plan, a_vlan_device_of_any_name_stands_for_its_vlan)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "mgmt", 0);
	add_rule(ZONE_CLUSTER, "vlan*", 0);
	add_rule(ZONE_TRUSTED, "eth1", 0);
	add_host("eth0");
	add_host("eth1");
	add_vlan("mgmt", "eth0", 120);
	add_vlan("vlan100", "eth1", 100);
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	expect_zone(plan, "eth0", ZONE_NONE);
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
	expect_zone(plan, "eth1", ZONE_TRUSTED);
	expect_vlan(plan, "eth1", 100, ZONE_CLUSTER);
	expect_upper(plan, "mgmt", "eth0", 120, ZONE_CLIENT);
	cr_expect(upper(plan, "mgmt")->named);
	cr_expect_eq(plan->unassigned_count, 0);
	cr_expect_eq(plan->absent_count, 0);
}

Test(plan, a_renamed_device_called_like_another_vlan_is_named_by_its_name_too)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_host("eth0");
	add_vlan("eth0.120", "eth0", 7);
	plan = built();
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
	expect_vlan(plan, "eth0", 7, ZONE_CLIENT);
}

Test(plan, a_vlan_device_that_a_glob_names_alike_needs_no_place_of_its_own)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	add_host("eth0");
	add_vlan("eth0.120", "eth0", 120);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "eth0", ZONE_CLIENT);
	cr_expect_eq(planned(plan, "eth0")->vlan_count, 0);
	expect_upper(plan, "eth0.120", "eth0", 0, ZONE_CLIENT);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_glob_over_a_vlan_device_may_be_stricter_than_its_lower_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_rule(ZONE_CLIENT, "eth0.*", 0);
	add_host("eth0");
	add_vlan("eth0.120", "eth0", 120);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "eth0", ZONE_TRUSTED);
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
}

Test(plan, a_glob_over_a_vlan_device_is_not_looser_than_a_better_named_lower_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_TRUSTED, "*", 0);
	add_host("eth0");
	add_vlan("mgmt", "eth0", 120);
	plan = built();
	expect_zone(plan, "eth0", ZONE_CLIENT);
	cr_expect_eq(planned(plan, "eth0")->vlan_count, 0);
	expect_upper(plan, "mgmt", "eth0", 0, ZONE_CLIENT);
}

Test(plan, a_vlan_device_without_its_lower_device_is_an_interface_like_others)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth*", 0);
	add_vlan("eth0.120", NULL, 120);
	plan = built();
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
	cr_expect_eq(plan->upper_count, 0);
}

Test(plan, a_vlan_rule_beats_a_weaker_glob_over_the_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 120);
	add_rule(ZONE_CLIENT, "*", 0);
	add_host("eth0");
	add_vlan("vlan120", "eth0", 120);
	plan = built();
	cr_expect_null(planned(plan, "vlan120"));
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_vlan(plan, "eth0", 120, ZONE_TRUSTED);
	cr_expect_eq(plan->ambiguous_count, 0);
}

Test(plan, a_stricter_glob_over_the_device_is_not_lost_to_an_equal_vlan_glob)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "eth*", 120);
	add_rule(ZONE_CLIENT, "eth0.1*", 0);
	add_host("eth0");
	add_vlan("eth0.120", "eth0", 120);
	plan = built();
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
	cr_assert_eq(plan->ambiguous_count, 1);
	cr_expect_eq(plan->ambiguous[0], &rules[0]);
}

Test(plan, of_two_vlan_devices_over_one_outer_tag_the_stricter_zone_holds)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "outer", 0);
	add_rule(ZONE_CLUSTER, "inner", 0);
	add_rule(ZONE_CLIENT, "other", 0);
	add_rule(ZONE_TRUSTED, "twin", 0);
	add_host("eth0");
	add_host("eth1");
	add_vlan("outer", "eth0", 100);
	add_vlan("inner", "outer", 200);
	add_vlan("other", "eth1", 7);
	add_vlan("twin", "eth1", 7); /* 802.1Q and 802.1ad have IDs of their own */
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	expect_vlan(plan, "eth0", 100, ZONE_CLUSTER);
	expect_vlan(plan, "eth1", 7, ZONE_CLIENT);
	expect_upper(plan, "outer", "eth0", 100, ZONE_CLUSTER);
	expect_upper(plan, "inner", "eth0", 100, ZONE_CLUSTER);
	cr_expect_eq(upper(plan, "outer")->wanted, ZONE_TRUSTED);
	cr_assert_eq(plan->ambiguous_count, 2);
	cr_expect_eq(plan->ambiguous[0], &rules[0]);
	cr_expect_eq(plan->ambiguous[1], &rules[3]);
}

Test(plan, a_vlan_within_a_vlan_counts_for_the_outer_one)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth1", 0);
	add_rule(ZONE_CLUSTER, "eth1.100", 300);
	add_host("eth1");
	add_vlan("eth1.100", "eth1", 100);
	add_vlan("eth1.100.300", "eth1.100", 300);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "eth1", ZONE_CLIENT);
	expect_vlan(plan, "eth1", 100, ZONE_CLUSTER);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_vlan_glob_does_not_reach_into_vlan_devices)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 120);
	add_rule(ZONE_CLUSTER, "eth0", 0);
	add_host("eth0");
	add_vlan("eth0.7", "eth0", 7);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	cr_expect_eq(planned(plan, "eth0")->vlan_count, 1);
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
}

Test(plan, a_vlan_within_a_vlan_that_nothing_names_is_covered_by_the_lowest_interface)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_host("eth0");
	add_vlan("a", "eth0", 100);
	add_vlan("b", "a", 200);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_upper(plan, "b", "eth0", 0, ZONE_CLIENT);
	cr_expect_not(upper(plan, "b")->named);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, a_priority_tagged_device_has_the_zone_of_its_interface)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "prio", 0);
	add_host("eth0");
	add_vlan("prio", "eth0", 0);
	plan = built();
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_upper(plan, "prio", "eth0", 0, ZONE_CLIENT);
}

Test(plan, where_tags_are_hidden_a_vlan_is_judged_on_its_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_rule(ZONE_CLUSTER, "eth0", 7);
	add_rule(ZONE_TRUSTED, "mgmt", 0);
	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_vlan("vlan120", NULL, 120)->lower = 2; /* older than what it stands on */
	add_host("eth0")->tags_hidden = true;
	add_vlan("mgmt", "eth0", 9);
	plan = built();
	cr_assert_eq(plan->interface_count, 3);
	cr_expect_str_eq(plan->interfaces[0].host.name, "eth0", "lower ones come first");
	expect_zone(plan, "vlan120", ZONE_CLIENT);
	expect_zone(plan, "mgmt", ZONE_TRUSTED);
	expect_zone(plan, "eth0", ZONE_TRUSTED);
	cr_expect_eq(planned(plan, "eth0")->vlan_count, 1);
	expect_vlan(plan, "eth0", 7,
		    ZONE_CLUSTER); /* no device: the plan says what was asked for */
}

Test(plan, the_members_of_a_bond_have_its_zone)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "bond0", 0);
	add_rule(ZONE_CLUSTER, "bond0", 120);
	add_rule(ZONE_TRUSTED, "storage", 0);
	add_master("bond0", DEVICE_BOND);
	add_port("eth0", "bond0");
	add_port("eth1", "bond0");
	add_vlan("storage", "bond0", 9);
	add_host("eth2");
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	for (int i = 0; i < 2; i++) {
		const char *member = i ? "eth1" : "eth0";

		expect_zone(plan, member, ZONE_CLIENT);
		expect_vlan(plan, member, 120, ZONE_CLUSTER);
		expect_vlan(plan, member, 9, ZONE_TRUSTED);
	}
	expect_upper(plan, "bond0", "eth0", 0, ZONE_CLIENT);
	cr_expect_eq(upper(plan, "bond0")->place_count, 2);
	expect_upper(plan, "storage", "eth0", 9, ZONE_TRUSTED);
	cr_expect_eq(plan->unassigned_count, 1);
	cr_expect_eq(plan->ambiguous_count, 0);
}

Test(plan, a_member_that_is_named_itself_keeps_the_stricter_zone)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLUSTER, "bond0", 0);
	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_TRUSTED, "eth1", 0);
	add_master("bond0", DEVICE_BOND);
	add_port("eth0", "bond0");
	add_port("eth1", "bond0");
	plan = built();
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_zone(plan, "eth1", ZONE_CLUSTER);
	cr_assert_eq(plan->ambiguous_count, 2);
	cr_expect_eq(plan->ambiguous[0], &rules[0]);
	cr_expect_eq(plan->ambiguous[1], &rules[2]);
	cr_expect_eq(upper(plan, "bond0")->zone, ZONE_NONE, "its members differ");
}

Test(plan, a_bond_beats_a_glob_over_its_members_and_one_without_members_is_told)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "bond0", 0);
	add_rule(ZONE_CLIENT, "*", 0);
	add_master("bond0", DEVICE_BOND);
	add_port("eth0", "bond0");
	add_master("bond1", DEVICE_BOND);
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "eth0", ZONE_TRUSTED);
	cr_expect_eq(plan->ambiguous_count, 0);
	cr_assert_not_null(upper(plan, "bond1"));
	cr_expect_eq(upper(plan, "bond1")->place_count, 0);
	cr_expect_eq(upper(plan, "bond1")->wanted, ZONE_CLIENT);
	cr_expect_eq(plan->absent_count, 0);
}

Test(plan, a_bridge_is_an_interface_of_its_own_and_so_are_its_ports)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "br0", 0);
	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_master("br0", DEVICE_BRIDGE);
	add_port("eth0", "br0");
	add_port("tap0", "br0");
	add_vlan("br0.7", "br0", 7);
	plan = built();
	cr_assert_eq(plan->interface_count, 2);
	cr_expect_str_eq(plan->interfaces[0].host.name, "eth0", "ports come before their bridge");
	expect_zone(plan, "br0", ZONE_CLIENT);
	expect_zone(plan, "eth0", ZONE_TRUSTED);
	expect_upper(plan, "br0.7", "br0", 0, ZONE_CLIENT);
	cr_assert_eq(plan->unassigned_count, 1);
	cr_expect_str_eq(plan->unassigned[0], "tap0");
}

Test(plan, an_unnamed_bridge_has_the_place_of_its_ports_while_all_agree)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLUSTER, "eth*", 0);
	add_master("br0", DEVICE_BRIDGE);
	add_port("eth0", "br0");
	add_port("eth1", "br0");
	plan = built();
	expect_upper(plan, "br0", "eth0", 0, ZONE_CLUSTER);
	cr_expect_eq(plan->unassigned_count, 0);
	add_port("tap0", "br0");
	plan_free(TAKE_POINTER(plan));
	plan = built();
	cr_expect_null(upper(plan, "br0"), "frames from tap0 are judged nowhere");
	cr_expect_eq(plan->unassigned_count, 2);
	add_rule(ZONE_CLIENT, "tap0", 0);
	plan_free(TAKE_POINTER(plan));
	plan = built();
	cr_expect_null(upper(plan, "br0"), "a peer behind eth0 is not to be cut off");
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, the_ports_of_a_vrf_have_its_zone_through_all_that_is_between)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "blue", 0);
	add_master("blue", DEVICE_VRF);
	add_port("bond0", "blue")->kind = DEVICE_BOND;
	add_port("eth0", "bond0");
	add_host("eth1");
	add_vlan("mgmt", "eth1", 9)->master = index_of("blue");
	plan = built();
	cr_expect_eq(plan->interface_count, 2);
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_zone(plan, "eth1", ZONE_NONE);
	expect_vlan(plan, "eth1", 9, ZONE_CLIENT);
	expect_upper(plan, "blue", "eth0", 0, ZONE_CLIENT);
	expect_upper(plan, "bond0", "eth0", 0, ZONE_CLIENT);
	expect_upper(plan, "mgmt", "eth1", 9, ZONE_CLIENT);
}

Test(plan, a_macvlan_is_an_interface_or_has_the_place_of_its_lower_device)
{
	_cleanup_plan_ struct plan *plan = NULL;
	struct host_interface *macvlan;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_TRUSTED, "mv0", 0);
	add_host("eth0");
	for (int i = 0; i < 2; i++) {
		macvlan = add_host(i ? "mv1" : "mv0");
		macvlan->lower = 1;
		macvlan->tags_hidden = true;
	}
	plan = built();
	expect_zone(plan, "mv0", ZONE_TRUSTED);
	expect_upper(plan, "mv1", "eth0", 0, ZONE_CLIENT);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan, devices_in_a_ring_end)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	add_vlan("a", NULL, 1)->lower = 2;
	add_vlan("b", NULL, 2)->lower = 1;
	add_master("c", DEVICE_BOND)->master = 4;
	add_master("d", DEVICE_BRIDGE)->master = 3;
	add_master("e", DEVICE_BRIDGE)->master = 5;
	plan = built();
	cr_expect_not_null(plan);
}

Test(plan, more_devices_above_than_there_is_room_for_are_marked_the_stricter_first)
{
	_cleanup_plan_ struct plan *plan = NULL;
	size_t left = 0;

	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_rule(ZONE_CLIENT, "last", 0);
	add_host("eth0");
	for (uint16_t vlan = 1; vlan <= UPPERS_MAX; vlan++) {
		char name[16];

		snprintf(name, sizeof(name), "vlan%u", vlan);
		add_vlan(name, "eth0", vlan);
	}
	add_vlan("last", "eth0", 4000);
	plan = built();
	for (size_t i = 0; i < plan->upper_count; i++)
		left += plan->uppers[i].no_room;
	cr_expect_eq(left, 1);
	expect_upper(plan, "last", "eth0", 4000, ZONE_CLIENT);
}

Test(plan, plans_are_equal_until_something_changes)
{
	_cleanup_plan_ struct plan *plan = NULL, *other = NULL;

	add_rule(ZONE_CLIENT, "bond0", 0);
	add_master("bond0", DEVICE_BOND);
	add_port("eth0", "bond0");
	plan = built();
	hosts[1].program = 7; /* of no concern */
	other = built();
	cr_expect(plan_equal(plan, other));
	plan_free(TAKE_POINTER(other));
	hosts[1].master = 0;
	other = built();
	cr_expect_not(plan_equal(plan, other));
	plan_free(TAKE_POINTER(other));
	hosts[1].master = hosts[0].ifindex;
	add_vlan("mgmt", "bond0", 3);
	other = built();
	cr_expect_not(plan_equal(plan, other));
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
