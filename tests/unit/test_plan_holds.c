// SPDX-License-Identifier: BSD-2-Clause
/* A device that is renamed stays fenced. */
#include "tests/unit/plan_host.h"

TestSuite(plan_holds, .fini = free_rules);

static struct plan *held(const struct plan_hold *holds, size_t count)
{
	struct plan *plan = NULL;
	struct error error = {""};

	cr_assert_eq(plan_build_held(&config, hosts, host_count, holds, count, &plan, &error), 0,
		     "%s", error.text);
	return plan;
}

static void rename_host(const char *from, const char *to)
{
	struct host_interface *host = &hosts[index_of(from) - 1];

	snprintf(host->name, sizeof(host->name), "%s", to);
}

/* The plan after one device was renamed, of which the plan before was @before. */
static struct plan *renamed(const struct plan *before, const char *from, const char *to)
{
	_cleanup_free_ struct plan_hold *places = NULL, *holds = NULL;
	_cleanup_plan_ struct plan *plan = NULL;
	int count;

	rename_host(from, to);
	plan = built();
	count = plan_places(before, &places);
	cr_assert_geq(count, 0);
	count = plan_find_holds(plan, places, (size_t)count, &holds);
	cr_assert_geq(count, 0);
	return held(holds, (size_t)count);
}

Test(plan_holds, new_name_that_no_rule_fits_keeps_the_zone)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_CLUSTER, "eth1", 0);
	add_host("eth0");
	add_host("eth1");
	before = built();
	after = renamed(before, "eth0", "wan9");
	expect_zone(after, "wan9", ZONE_CLIENT);
	expect_zone(after, "eth1", ZONE_CLUSTER);
	cr_expect_eq(after->unassigned_count, 0);
	cr_expect_eq(after->absent_count, 1);
	cr_assert_eq(after->held_count, 1);
	cr_expect_str_eq(after->held[0].name, "eth0");
	cr_expect_not(plan_equal(before, after));
}

Test(plan_holds, name_of_a_looser_zone_holds_where_it_is_exact_or_better_than_the_former)
{
	static const struct {
		const char *client, *looser, *to;
		enum zone zone;
	} cases[] = {
		{"eth0", "lan*", "lan0", ZONE_CLIENT},	/* a glob against an exact name */
		{"eth*", "lan*", "lan0", ZONE_CLIENT},	/* equals */
		{"eth*", "lan0", "lan0", ZONE_TRUSTED}, /* it is meant */
		{"eth0", "lan0", "lan0", ZONE_TRUSTED},
		{"*", "lan*", "lan0", ZONE_TRUSTED}, /* as udev renames what "*" had before */
		{"*", "lan0", "lan0", ZONE_TRUSTED},
		{"eth*", "*", "lan0", ZONE_CLIENT},
	};

	add_host("eth0");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_plan_ struct plan *before = NULL, *after = NULL;

		free_rules();
		config.interface_count = 0;
		add_rule(ZONE_CLIENT, cases[i].client, 0);
		add_rule(ZONE_TRUSTED, cases[i].looser, 0);
		before = built();
		expect_zone(before, "eth0", ZONE_CLIENT);
		after = renamed(before, "eth0", cases[i].to);
		expect_zone(after, cases[i].to, cases[i].zone);
		cr_expect_eq(after->held_count, cases[i].zone == ZONE_CLIENT, "case %zu", i);
		rename_host(cases[i].to, "eth0");
	}
}

Test(plan_holds, name_of_a_stricter_zone_takes_that)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_CLUSTER, "eth0", 0);
	add_rule(ZONE_CLIENT, "*", 0);
	add_host("eth0");
	before = built();
	after = renamed(before, "eth0", "wan9");
	expect_zone(after, "wan9", ZONE_CLIENT);
	cr_expect_eq(after->held_count, 0);
}

Test(plan_holds, trusted_interface_that_no_rule_names_any_more_is_left_alone)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_host("eth0");
	before = built();
	after = renamed(before, "eth0", "wan9");
	cr_expect_null(planned(after, "wan9"));
	cr_expect_eq(after->unassigned_count, 1);
}

Test(plan_holds, vlans_keep_their_zones_with_their_interface)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_CLIENT, "eth0", 120);
	add_rule(ZONE_TRUSTED, "eth0", 130);
	add_rule(ZONE_CLUSTER, "eth0", 0);
	add_host("eth0");
	before = built();
	after = renamed(before, "eth0", "wan9");
	expect_zone(after, "wan9", ZONE_CLUSTER);
	expect_vlan(after, "wan9", 120, ZONE_CLIENT);
	/* What was trusted is not held: it is where its interface is. */
	cr_expect_eq(planned(after, "wan9")->vlan_count, 1);
}

Test(plan_holds, vlan_that_a_rule_would_open_by_the_new_name_stays_with_its_interface)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_rule(ZONE_TRUSTED, "wan*", 120);
	add_host("eth0");
	before = built();
	after = renamed(before, "eth0", "wan9");
	expect_zone(after, "wan9", ZONE_CLIENT);
	expect_vlan(after, "wan9", 120, ZONE_CLIENT);
}

Test(plan_holds, members_keep_the_zone_of_a_bond_that_is_renamed)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL;

	add_rule(ZONE_CLIENT, "bond0", 0);
	add_master("bond0", DEVICE_BOND);
	add_port("eth0", "bond0");
	add_port("eth1", "bond0");
	before = built();
	expect_zone(before, "eth0", ZONE_CLIENT);
	after = renamed(before, "bond0", "uplink");
	expect_zone(after, "eth0", ZONE_CLIENT);
	expect_zone(after, "eth1", ZONE_CLIENT);
	expect_upper(after, "uplink", "eth0", 0, ZONE_CLIENT);
	cr_expect_eq(after->unassigned_count, 0);
}

Test(plan_holds, hold_is_over_when_the_former_name_is_back_or_the_device_is_gone)
{
	_cleanup_plan_ struct plan *before = NULL, *after = NULL, *back = NULL, *gone = NULL;

	add_rule(ZONE_CLIENT, "eth0", 0);
	add_host("eth0");
	before = built();
	after = renamed(before, "eth0", "wan9");
	rename_host("wan9", "eth0");
	back = held(after->held, after->held_count);
	cr_expect_eq(back->held_count, 0);
	cr_expect(plan_equal(before, back));
	host_count = 0;
	gone = held(after->held, after->held_count);
	cr_expect_eq(gone->held_count + gone->interface_count, 0);
}

Test(plan_holds, rank_is_that_of_the_best_entry_for_a_name)
{
	add_rule(ZONE_CLIENT, "*", 0);
	add_rule(ZONE_CLIENT, "eth*", 0);
	add_rule(ZONE_TRUSTED, "eth0", 0);
	add_rule(ZONE_CLIENT, "eth*", 120);
	cr_expect_eq(plan_rank(&config, "eth0", 0), RANK_EXACT);
	cr_expect_eq(plan_rank(&config, "eth1", 0), RANK_GLOB);
	cr_expect_eq(plan_rank(&config, "wan0", 0), RANK_EVERYTHING);
	cr_expect_eq(plan_rank(&config, "eth1", 120), RANK_GLOB);
	cr_expect_eq(plan_rank(&config, "eth1", 121), RANK_NONE);
}
