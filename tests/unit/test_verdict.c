// SPDX-License-Identifier: BSD-2-Clause
/* The truth table of the verdict: every combination of facts, against the architecture's words. */
#include <criterion/criterion.h>

#include "tests/unit/native_frame.h"

#include "bpf/verdict.h"

static bool readable(enum shape shape)
{
	return shape == SHAPE_TCP;
}

static __u32 expected_unreadable(enum shape shape)
{
	return shape == SHAPE_VLAN_TOO_DEEP	  ? REASON_VLAN_TOO_DEEP
	       : shape == SHAPE_HEADERS_TOO_MANY  ? REASON_HEADERS_TOO_MANY
	       : shape == SHAPE_HEADERS_TRUNCATED ? REASON_HEADERS_TRUNCATED
						  : REASON_TCP_TRUNCATED;
}

static __u32 expected_owner(const struct facts *facts)
{
	const bool client = facts->zone == ZONE_CLIENT;

	if (facts->new_connection)
		return client ? REASON_CLIENT_NEW : REASON_STRANGER_NEW;
	return facts->owner == OWNER_UNKNOWN	   ? (__u32)NEED_OWNER
	       : facts->owner == OWNER_NOBODY	   ? REASON_NO_LISTENER
	       : facts->owner == OWNER_OUTBOUND	   ? REASON_OUTBOUND
	       : facts->owner == OWNER_MASQUERADED ? REASON_MASQUERADED
	       : client				   ? REASON_CLIENT_SEGMENT
						   : REASON_STRANGER_SEGMENT;
}

static __u32 expected(const struct facts *facts)
{
	if (facts->zone == ZONE_NONE)
		return REASON_NO_ZONE;
	if (facts->zone == ZONE_TRUSTED)
		return REASON_TRUSTED;
	if (facts->zone == ZONE_CLUSTER && facts->peer == FACT_UNKNOWN)
		return NEED_PEER;
	if (facts->zone == ZONE_CLUSTER && facts->peer == FACT_YES)
		return REASON_PEER;
	return readable(facts->shape) ? expected_owner(facts) : expected_unreadable(facts->shape);
}

static const enum shape judged_shapes[] = {SHAPE_TCP,
					   SHAPE_VLAN_TOO_DEEP,
					   SHAPE_HEADERS_TOO_MANY,
					   SHAPE_HEADERS_TRUNCATED,
					   SHAPE_PORTS_TRUNCATED,
					   SHAPE_FLAGS_TRUNCATED};

Test(verdict, follows_the_table_of_zones_for_every_combination_of_facts)
{
	size_t rows = 0;

	for (size_t s = 0; s < sizeof(judged_shapes) / sizeof(judged_shapes[0]); s++)
		for (int zone = 0; zone < ZONE_COUNT; zone++)
			for (int new_connection = 0; new_connection < 2; new_connection++)
				for (int peer = FACT_UNKNOWN; peer <= FACT_YES; peer++)
					for (int owner = 0; owner <= OWNER_MASQUERADED; owner++) {
						const struct facts facts = {
							.shape = judged_shapes[s],
							.zone = (enum zone)zone,
							.new_connection = new_connection,
							.peer = (enum fact)peer,
							.owner = (enum owner)owner,
						};

						cr_expect_eq(verdict(&facts), expected(&facts),
							     "shape %d zone %d new %d peer %d "
							     "owner %d",
							     facts.shape, zone, new_connection,
							     peer, owner);
						rows++;
					}
	cr_expect_eq(rows, 6 * 4 * 2 * 3 * 5);
}

Test(verdict, a_peer_on_a_client_interface_is_nobody)
{
	const struct facts facts = {
		.shape = SHAPE_TCP, .zone = ZONE_CLIENT, .new_connection = true, .peer = FACT_YES};

	cr_expect_eq(verdict(&facts), REASON_CLIENT_NEW);
}

Test(verdict, reasons_drop_exactly_where_their_name_is_one_of_a_drop)
{
	static const enum reason drops[] = {
		REASON_CLIENT_NEW,	  REASON_CLIENT_SEGMENT, REASON_STRANGER_NEW,
		REASON_STRANGER_SEGMENT,  REASON_VLAN_TOO_DEEP,	 REASON_HEADERS_TOO_MANY,
		REASON_HEADERS_TRUNCATED, REASON_TCP_TRUNCATED,	 REASON_GATE};
	unsigned int count = 0;

	for (__u32 reason = 0; reason < REASON_COUNT; reason++)
		count += reason_drops(reason);
	cr_expect_eq(count, sizeof(drops) / sizeof(drops[0]));
	for (size_t i = 0; i < sizeof(drops) / sizeof(drops[0]); i++)
		cr_expect(reason_drops(drops[i]), "reason %d", drops[i]);
}
