// SPDX-License-Identifier: BSD-2-Clause
/* VLANs, named by rules or by devices of their own, and VLANs within them. */
#include "tests/unit/plan_host.h"

TestSuite(plan_vlans, .fini = free_rules);

Test(plan_vlans, vlan_rules_have_the_same_order_of_precedence)
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

Test(plan_vlans, equal_vlan_globs_go_to_the_stricter_zone)
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

Test(plan_vlans, an_interface_of_which_only_vlans_are_named_is_planned_and_not_unassigned)
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

Test(plan_vlans, names_that_only_look_like_vlans_are_ordinary)
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

Test(plan_vlans, a_vlan_device_is_fenced_at_its_lower_device)
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

Test(plan_vlans, a_vlan_device_of_any_name_stands_for_its_vlan)
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

Test(plan_vlans, a_renamed_device_called_like_another_vlan_is_named_by_its_name_too)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_host("eth0");
	add_vlan("eth0.120", "eth0", 7);
	plan = built();
	expect_vlan(plan, "eth0", 120, ZONE_CLIENT);
	expect_vlan(plan, "eth0", 7, ZONE_CLIENT);
}

Test(plan_vlans, a_vlan_device_that_a_glob_names_alike_needs_no_place_of_its_own)
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

Test(plan_vlans, a_glob_over_a_vlan_device_may_be_stricter_than_its_lower_device)
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

Test(plan_vlans, a_glob_over_a_vlan_device_is_not_looser_than_a_better_named_lower_device)
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

Test(plan_vlans, a_vlan_device_without_its_lower_device_is_an_interface_like_others)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth*", 0);
	add_vlan("eth0.120", NULL, 120);
	plan = built();
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
	cr_expect_eq(plan->upper_count, 0);
}

Test(plan_vlans, a_vlan_rule_beats_a_weaker_glob_over_the_device)
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

Test(plan_vlans, a_stricter_glob_over_the_device_is_not_lost_to_an_equal_vlan_glob)
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

Test(plan_vlans, of_two_vlan_devices_over_one_outer_tag_the_stricter_zone_holds)
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

Test(plan_vlans, a_vlan_within_a_vlan_counts_for_the_outer_one)
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

Test(plan_vlans, a_vlan_glob_does_not_reach_into_vlan_devices)
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

Test(plan_vlans, a_vlan_within_a_vlan_that_nothing_names_is_covered_by_the_lowest_interface)
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

Test(plan_vlans, a_priority_tagged_device_has_the_zone_of_its_interface)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "prio", 0);
	add_host("eth0");
	add_vlan("prio", "eth0", 0);
	plan = built();
	expect_zone(plan, "eth0", ZONE_CLIENT);
	expect_upper(plan, "prio", "eth0", 0, ZONE_CLIENT);
}

Test(plan_vlans, where_tags_are_hidden_a_vlan_is_judged_on_its_device)
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
