// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/plan_host.h"

TestSuite(plan, .fini = free_rules);

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

Test(plan, a_name_with_characters_of_globs_is_a_name)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "x*0", 0);
	rules[0].literal = true;
	add_rule(ZONE_CLUSTER, "x*0", 0);
	add_rule(ZONE_TRUSTED, "wan[1]", 0);
	add_rule(ZONE_CLIENT, "w*", 0);
	add_rule(ZONE_CLIENT, "y?", 0);
	rules[4].literal = true;
	add_host("x*0");
	add_host("xy0");
	add_host("wan[1]");
	add_host("wan1");
	add_host("yy");
	plan = built();
	expect_zone(plan, "x*0", ZONE_CLIENT);
	expect_zone(plan, "xy0", ZONE_CLUSTER);
	expect_zone(plan, "wan[1]", ZONE_TRUSTED);
	expect_zone(plan, "wan1", ZONE_CLIENT);
	cr_expect_null(planned(plan, "yy"));
	cr_assert_eq(plan->absent_count, 1);
	cr_expect_eq(plan->absent[0], &rules[4]);
}

Test(plan, a_device_that_is_called_as_a_vlan_would_be_is_that_device)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_host("eth0.120");
	plan = built();
	expect_zone(plan, "eth0.120", ZONE_CLIENT);
	cr_expect_eq(plan->absent_count, 0);
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

Test(plan, an_empty_host_has_an_empty_plan)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "*", 0);
	plan = built();
	cr_expect_eq(plan->interface_count, 0);
	cr_expect_eq(plan->unassigned_count, 0);
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
