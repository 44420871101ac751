// SPDX-License-Identifier: BSD-2-Clause
#include "tests/oracle/compare.h"

#include <string.h>

#include "../bpf/contract.h"

/* What could not be read far enough is dropped, and documented to be. */
#define UNREAD                                                        \
	(1u << REASON_VLAN_TOO_DEEP | 1u << REASON_HEADERS_TOO_MANY | \
	 1u << REASON_HEADERS_TRUNCATED | 1u << REASON_TCP_TRUNCATED)

struct passage {
	struct deliveries deliveries;
	uint32_t dropped; /* bit n: the n-th frame */
	struct arrival arrivals[GROUP_FRAMES];
};

static void copy_signals(void *to, const volatile void *from, size_t size)
{
	memcpy(to, (const void *)from, size);
}

static void pass(struct world *world, const struct frames *frames, struct passage *passage)
{
	passage->dropped = 0;
	memset((void *)&world->signals->deliveries, 0, sizeof(world->signals->deliveries));
	for (uint32_t i = 0; i < frames->count; i++) {
		if (!world_send(world, &frames->frames[i]))
			passage->dropped |= 1u << i;
		else
			copy_signals(&passage->arrivals[i], &world->signals->arrival,
				     sizeof(struct arrival));
	}
	copy_signals(&passage->deliveries, &world->signals->deliveries,
		     sizeof(passage->deliveries));
}

static bool same_arrival(const struct arrival *left, const struct arrival *right)
{
	const uint32_t head = left->size < ARRIVAL_HEAD ? left->size : ARRIVAL_HEAD;

	return left->size == right->size && left->protocol == right->protocol &&
	       left->vlan == right->vlan && left->packet_type == right->packet_type &&
	       !memcmp(left->macs, right->macs, sizeof(left->macs)) &&
	       !memcmp(left->head, right->head, head);
}

static bool arrived_otherwise(const struct passage *open, const struct passage *filtered,
			      uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!((filtered->dropped | open->dropped) >> i & 1) &&
		    !same_arrival(&open->arrivals[i], &filtered->arrivals[i]))
			return true;
	}
	return false;
}

/* The host's own connections get no segment that would open one: a protected port is closed to it.
 */
static uint32_t outbound(const struct deliveries *deliveries)
{
	return deliveries->outbound - deliveries->outbound_syn;
}

static bool went_elsewhere(const struct deliveries *deliveries)
{
	return deliveries->other || deliveries->tcp_other || outbound(deliveries);
}

static bool lost_something(const struct group *group, const struct passage *open,
			   const struct passage *filtered)
{
	const struct deliveries *before = &open->deliveries, *after = &filtered->deliveries;

	if (!filtered->dropped)
		return false;
	if (group->stand_in)
		return went_elsewhere(before) && !before->tcp_protected;
	return before->other > after->other || before->tcp_other > after->tcp_other ||
	       (outbound(before) > outbound(after) && !group->rerouted);
}

/* The reasons for the frames that were dropped; false: a test run judges otherwise. */
static bool explain(struct world *world, const struct frames *frames, uint32_t dropped,
		    uint32_t *reasons)
{
	bool drop;

	for (uint32_t i = 0; i < frames->count; i++) {
		if (!(dropped >> i & 1))
			continue;
		*reasons |= 1u << judge_explain(world->judge, &frames->frames[i], &drop);
		if (!drop)
			return false;
	}
	return true;
}

static enum finding judge_passage(const struct group *group, const struct passage *open,
				  const struct passage *filtered, struct outcome *outcome)
{
	/* Nor may TCP get what opens a connection to a protected port, listener or not. */
	if (filtered->deliveries.listener || filtered->deliveries.answers ||
	    filtered->deliveries.opening)
		return FINDING_THROUGH;
	if ((open->deliveries.listener || open->deliveries.opening) && !filtered->dropped)
		return FINDING_THROUGH;
	if (!group->stand_in && arrived_otherwise(open, filtered, group->full.count))
		return FINDING_CHANGED;
	if (group->harmless && filtered->dropped)
		return FINDING_LOST;
	if (!group->mixed && lost_something(group, open, filtered)) {
		if (!(outcome->reasons & UNREAD))
			return FINDING_LOST;
		outcome->unread = true;
	}
	return FINDING_NONE;
}

void compare(struct world worlds[WORLDS], const struct group *group, struct outcome *outcome)
{
	static struct passage passages[WORLDS];
	const struct passage *native = &passages[WORLD_NATIVE];
	const struct passage *generic = &passages[WORLD_GENERIC];

	memset(outcome, 0, sizeof(*outcome));
	pass(&worlds[WORLD_OPEN], group->stand_in ? &group->plain : &group->full,
	     &passages[WORLD_OPEN]);
	pass(&worlds[WORLD_NATIVE], &group->full, &passages[WORLD_NATIVE]);
	pass(&worlds[WORLD_GENERIC], &group->full, &passages[WORLD_GENERIC]);
	for (int i = WORLD_NATIVE; i < WORLDS && !group->stand_in; i++) /* the stack's own doing */
		passages[i].dropped &= ~passages[WORLD_OPEN].dropped;
	outcome->open = passages[WORLD_OPEN].deliveries;
	outcome->dropped = (uint32_t)__builtin_popcount(native->dropped);
	if (native->dropped != generic->dropped ||
	    !explain(&worlds[WORLD_GENERIC], &group->full, native->dropped, &outcome->reasons))
		outcome->finding = FINDING_DISAGREE;
	for (int i = WORLD_NATIVE; i < WORLDS && outcome->finding <= FINDING_NONE; i++)
		outcome->finding = judge_passage(group, &passages[WORLD_OPEN], &passages[i],
						 outcome);
	outcome->nobody = outcome->dropped && !outcome->open.tcp_protected &&
			  !outcome->open.listener && !went_elsewhere(&outcome->open);
}

const char *finding_text(enum finding finding)
{
	static const char *const texts[] = {
#define FINDING_TEXT(id, text) text,
		FINDINGS(FINDING_TEXT)
#undef FINDING_TEXT
	};

	return texts[finding];
}
