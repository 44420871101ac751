// SPDX-License-Identifier: BSD-2-Clause
/* Devices made of others: bonds, bridges, VRFs, macvlans. */
#include "tests/unit/plan_host.h"

TestSuite(plan_devices, .fini = free_rules);

Test(plan_devices, the_members_of_a_bond_have_its_zone)
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

Test(plan_devices, a_member_that_is_named_itself_keeps_the_stricter_zone)
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

Test(plan_devices, a_bond_beats_a_glob_over_its_members_and_one_without_members_is_told)
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

Test(plan_devices, a_bridge_is_an_interface_of_its_own_and_so_are_its_ports)
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

Test(plan_devices, an_unnamed_bridge_has_the_place_of_its_ports_while_all_agree)
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

Test(plan_devices, the_ports_of_a_vrf_have_its_zone_through_all_that_is_between)
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

Test(plan_devices, a_macvlan_is_an_interface_or_has_the_place_of_its_lower_device)
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

Test(plan_devices, devices_in_a_ring_end)
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

static void add_tunnel(const char *name)
{
	struct host_interface *host = add_host(name);

	host->ethernet = false;
	host->unreadable = true;
}

Test(plan_devices, what_cannot_be_read_is_for_the_gate)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "gre0", 0);
	add_rule(ZONE_CLUSTER, "eth0", 0);
	add_rule(ZONE_CLIENT, "ipip0", 9); /* there are no VLANs on it */
	add_tunnel("gre0");
	add_tunnel("ipip0");
	add_tunnel("sit0");
	add_host("eth0");
	plan = built();
	expect_zone(plan, "gre0", ZONE_CLIENT);
	cr_expect(plan_interface_is_gated(planned(plan, "gre0")));
	cr_expect_not(plan_interface_has_filter(planned(plan, "gre0")));
	cr_expect(plan_interface_has_filter(planned(plan, "eth0")));
	cr_expect_not(plan_interface_is_gated(planned(plan, "eth0")));
	cr_expect_null(planned(plan, "ipip0"));
	cr_expect_null(planned(plan, "sit0"));
}

Test(plan_devices, a_vrf_has_the_zone_of_a_port_that_is_for_the_gate)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "gre0", 0);
	add_master("vrf0", DEVICE_VRF);
	add_tunnel("gre0");
	hosts[host_count - 1].master = index_of("vrf0");
	plan = built();
	expect_upper(plan, "vrf0", "gre0", 0, ZONE_CLIENT);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan_devices, those_for_the_gate_take_no_room_of_the_filters)
{
	_cleanup_plan_ struct plan *plan = NULL;
	char name[INTERFACE_NAME_SIZE];
	size_t gated = 0;

	add_rule(ZONE_CLIENT, "*", 0);
	for (int i = 0; i < UPPERS_MAX + 1; i++) {
		snprintf(name, sizeof(name), "gre%d", i);
		add_tunnel(name);
	}
	for (int i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "eth%d", i);
		add_host(name);
	}
	plan = built();
	for (size_t i = 0; i < plan->interface_count; i++)
		gated += plan_interface_is_gated(&plan->interfaces[i]);
	cr_expect_eq(gated, UPPERS_MAX);
	cr_expect_eq(left_out(plan), 1);
	cr_expect(planned(plan, "gre63")->no_room);
	cr_expect_not(planned(plan, "eth59")->no_room);
}

Test(plan_devices, devices_above_others_share_room_with_those_for_the_gate)
{
	_cleanup_plan_ struct plan *plan = NULL;
	char name[INTERFACE_NAME_SIZE];
	size_t out = 0;

	add_rule(ZONE_CLIENT, "gre0", 0);
	add_rule(ZONE_CLIENT, "eth0", 0);
	add_tunnel("gre0");
	add_host("eth0");
	for (int i = 1; i <= UPPERS_MAX; i++) {
		snprintf(name, sizeof(name), "vlan%d", i);
		add_vlan(name, "eth0", (uint16_t)i);
	}
	plan = built();
	cr_expect(plan_interface_is_gated(planned(plan, "gre0")));
	for (size_t i = 0; i < plan->upper_count; i++)
		out += plan->uppers[i].no_room;
	cr_expect_eq(out, 1);
}

/* As the kernel tells of them: nothing says that "nic0" is a master but its ports. */
static void add_failover(void)
{
	add_host("nic0")->kindless = true;
	add_port("vf0", "nic0")->kindless = true;
	add_port("vf1", "nic0")->kindless = true;
	devices_find_failovers(hosts, host_count);
}

Test(plan_devices, frames_of_a_failover_masters_ports_are_judged_on_it)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_CLIENT, "nic0", 0);
	add_failover();
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "nic0", ZONE_CLIENT);
	cr_expect(planned(plan, "nic0")->host.generic_only, "a native program would not see them");
	expect_upper(plan, "vf0", "nic0", 0, ZONE_CLIENT);
	expect_upper(plan, "vf1", "nic0", 0, ZONE_CLIENT);
	cr_expect_eq(plan->unassigned_count, 0);
}

Test(plan_devices, a_failover_masters_port_that_is_named_means_the_master)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "nic0", 0);
	add_rule(ZONE_CLIENT, "vf0", 0);
	add_failover();
	plan = built();
	cr_expect_eq(plan->interface_count, 1);
	expect_zone(plan, "nic0", ZONE_CLIENT);
	cr_expect_eq(plan->ambiguous_count, 1);
}

Test(plan_devices, a_failover_master_in_no_zone_is_unassigned)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_failover();
	plan = built();
	cr_expect_eq(plan->interface_count, 0);
	cr_expect_eq(plan->unassigned_count, 3);
}

/* The kernel takes VLANs out of frames before it hands them on, be it to a device on a port. */
Test(plan_devices, vlans_of_a_failover_master_and_its_ports_are_judged_by_themselves)
{
	_cleanup_plan_ struct plan *plan = NULL;

	add_rule(ZONE_TRUSTED, "nic0", 0);
	add_rule(ZONE_CLIENT, "nic0", 5);
	add_rule(ZONE_CLIENT, "odd", 0);
	add_failover();
	add_vlan("nic0.5", "nic0", 5);
	add_vlan("odd", "vf0", 6);
	plan = built();
	expect_zone(plan, "nic0", ZONE_TRUSTED);
	expect_zone(plan, "nic0.5", ZONE_CLIENT);
	expect_zone(plan, "odd", ZONE_CLIENT);
	cr_expect_eq(plan->interface_count, 3);
}

Test(plan_devices, a_device_of_a_kind_with_ports_is_no_failover_master)
{
	struct host_interface *tunnel = add_host("batadv0");

	add_port("eth0", "batadv0");
	devices_find_failovers(hosts, host_count);
	cr_expect_eq(tunnel->kind, DEVICE_PLAIN);
	cr_expect_not(tunnel->generic_only);
}
