// SPDX-License-Identifier: BSD-2-Clause
/* Places that stay in their zones when a device is renamed. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/plan_build.h"

static bool is_fenced(enum zone zone)
{
	return zone == ZONE_CLIENT || zone == ZONE_CLUSTER;
}

/* Zones are numbered from the strictest on, but for none, which lets everything by. */
static bool is_looser(enum zone zone, enum zone than)
{
	return zone == ZONE_NONE ? than != ZONE_NONE : than != ZONE_NONE && zone > than;
}

/* Whether a place that the entries name like this has to be held. */
static bool is_needed(const struct plan_hold *hold, const struct naming *naming)
{
	return is_fenced(hold->zone) && is_looser(naming->zone, hold->zone) &&
	       naming->rank != RANK_EXACT && naming->rank >= hold->rank;
}

static struct plan_interface *find_interface(const struct plan *plan, uint32_t ifindex)
{
	for (size_t i = 0; i < plan->interface_count; i++)
		if (plan->interfaces[i].host.ifindex == ifindex)
			return &plan->interfaces[i];
	return NULL;
}

static struct plan_vlan *find_vlan(const struct plan_interface *interface, uint16_t vlan)
{
	for (size_t i = 0; i < interface->vlan_count; i++)
		if (interface->vlans[i].vlan == vlan)
			return &interface->vlans[i];
	return NULL;
}

/*
 * What the plan makes of a place: of a VLAN that is not listed, what it makes of the interface.
 * What is held is named by no entry.
 */
static struct naming naming_of(const struct plan_interface *interface, uint16_t vlan)
{
	const struct plan_vlan *listed = interface && vlan ? find_vlan(interface, vlan) : NULL;

	if (listed)
		return (struct naming){.rank = listed->held ? RANK_NONE : listed->rank,
				       .zone = listed->zone};
	if (interface)
		return (struct naming){.rank = interface->held ? RANK_NONE : interface->rank,
				       .zone = interface->zone};
	return (struct naming){.rank = RANK_NONE, .zone = ZONE_NONE};
}

/* Adds the device of a hold to the plan, with no zone yet; NULL where there is no such device. */
static struct plan_interface *add_interface(struct builder *builder, uint32_t ifindex)
{
	struct plan *plan = builder->plan;

	for (size_t i = 0; i < builder->devices.count; i++) {
		const struct host_interface *host = &builder->devices.list[i];
		struct plan_interface *added = &plan->interfaces[plan->interface_count];

		if (host->ifindex != ifindex || host->loopback)
			continue;
		*added = (struct plan_interface){
			.host = *host,
			.zone = ZONE_NONE,
			.rank = RANK_NONE,
		};
		plan->interface_count++;
		return added;
	}
	return NULL;
}

static int hold_vlan(struct plan_interface *interface, const struct plan_hold *hold)
{
	struct plan_vlan *listed = find_vlan(interface, hold->vlan);

	if (!listed) {
		listed = reallocarray(interface->vlans, interface->vlan_count + 1, sizeof(*listed));
		if (!listed)
			return -ENOMEM;
		interface->vlans = listed;
		listed += interface->vlan_count++;
	}
	*listed = (struct plan_vlan){
		.vlan = hold->vlan,
		.zone = hold->zone,
		.rank = hold->rank,
		.held = true,
	};
	return 0;
}

static int add_hold(struct builder *builder, const struct plan_hold *hold)
{
	struct plan *plan = builder->plan;
	struct plan_interface *interface = find_interface(plan, hold->ifindex);
	const struct naming naming = naming_of(interface, hold->vlan);

	if (!is_needed(hold, &naming))
		return 0;
	if (!interface)
		interface = add_interface(builder, hold->ifindex);
	if (!interface)
		return 0;
	if (hold->vlan && hold_vlan(interface, hold))
		return -ENOMEM;
	if (!hold->vlan) {
		interface->zone = hold->zone;
		interface->rank = hold->rank;
		interface->held = true;
	}
	plan->held[plan->held_count++] = *hold;
	return 0;
}

int add_holds(struct builder *builder)
{
	int code = 0;

	for (size_t i = 0; i < builder->hold_count && !code; i++)
		code = add_hold(builder, &builder->holds[i]);
	return code;
}

static void add_place(struct plan_hold *places, size_t *count,
		      const struct plan_interface *interface, uint16_t vlan)
{
	const struct naming naming = naming_of(interface, vlan);
	struct plan_hold *place = &places[(*count)++];

	*place = (struct plan_hold){
		.ifindex = interface->host.ifindex,
		.vlan = vlan,
		.zone = naming.zone,
		.rank = naming.rank,
	};
	memcpy(place->name, interface->host.name, sizeof(place->name));
}

/* One that is held already keeps the name that it had first. */
static void keep_names(const struct plan *plan, struct plan_hold *places, size_t count)
{
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < plan->held_count; j++)
			if (plan->held[j].ifindex == places[i].ifindex &&
			    plan->held[j].vlan == places[i].vlan)
				places[i] = plan->held[j];
}

int plan_places(const struct plan *plan, struct plan_hold **places)
{
	size_t count = 0;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += 1 + plan->interfaces[i].vlan_count;
	*places = calloc(count + 1, sizeof(**places));
	if (!*places)
		return -ENOMEM;
	count = 0;
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct plan_interface *interface = &plan->interfaces[i];

		if (interface->no_room)
			continue;
		add_place(*places, &count, interface, 0);
		for (size_t j = 0; j < interface->vlan_count; j++)
			add_place(*places, &count, interface, interface->vlans[j].vlan);
	}
	keep_names(plan, *places, count);
	return (int)count;
}

/* A list that grows. */
struct found {
	struct plan_hold *list;
	size_t count, room;
};

static int add_found(struct found *found, const struct plan *plan, const struct plan_hold *hold)
{
	const struct plan_interface *interface = find_interface(plan, hold->ifindex);
	const struct naming naming = naming_of(interface, hold->vlan);

	if (!is_needed(hold, &naming))
		return 0;
	if (found->count == found->room) {
		const size_t room = found->room ? 2 * found->room : 8;
		struct plan_hold *list = reallocarray(found->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		found->list = list;
		found->room = room;
	}
	found->list[found->count++] = *hold;
	return 0;
}

static bool has_place(const struct plan_hold *places, size_t count, uint32_t ifindex, uint16_t vlan)
{
	for (size_t i = 0; i < count; i++)
		if (places[i].ifindex == ifindex && places[i].vlan == vlan)
			return true;
	return false;
}

/* VLANs that were not listed, and so were where their interface was, and are listed now. */
static int add_new_vlans(struct found *found, const struct plan *plan,
			 const struct plan_hold *places, size_t count, const struct plan_hold *own)
{
	const struct plan_interface *interface = find_interface(plan, own->ifindex);
	int code = 0;

	for (size_t i = 0; interface && i < interface->vlan_count && !code; i++) {
		struct plan_hold hold = *own;

		hold.vlan = interface->vlans[i].vlan;
		if (!has_place(places, count, hold.ifindex, hold.vlan))
			code = add_found(found, plan, &hold);
	}
	return code;
}

int plan_find_holds(const struct plan *plan, const struct plan_hold *places, size_t place_count,
		    struct plan_hold **holds)
{
	struct found found = {};
	int code = 0;

	for (size_t i = 0; i < place_count && !code; i++) {
		code = add_found(&found, plan, &places[i]);
		if (!code && !places[i].vlan)
			code = add_new_vlans(&found, plan, places, place_count, &places[i]);
	}
	if (code) {
		free(found.list);
		return code;
	}
	*holds = found.list;
	return (int)found.count;
}
