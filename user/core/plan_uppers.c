// SPDX-License-Identifier: BSD-2-Clause
/* Devices without a filter of their own: where their frames are judged, and which are unfenced. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan_build.h"

#define DEPTH_MAX 8 /* of devices that pass on what others let by */

/* The places that the frames of one device come from. */
struct sources {
	const struct builder *builder;
	struct plan_place *places;
	size_t count, room;
	bool unfenced; /* frames come from a place without a zone, too */
	int depth;
};

static int add_place(struct sources *sources, struct plan_place place)
{
	if (sources->count == sources->room) {
		const size_t room = sources->room ? 2 * sources->room : 4;
		struct plan_place *places = reallocarray(sources->places, room, sizeof(*places));

		if (!places)
			return -ENOMEM;
		sources->places = places;
		sources->room = room;
	}
	sources->places[sources->count++] = place;
	return 0;
}

/* The place of a VLAN on an interface that has a zone, or one with ZONE_NONE. */
static struct plan_place place_of(const struct plan_interface *interface, uint16_t vlan)
{
	struct plan_place place = {.zone = ZONE_NONE};

	if (!interface || interface->no_room)
		return place;
	place.ifindex = interface->host.ifindex;
	place.zone = interface->zone;
	for (size_t i = 0; i < interface->vlan_count && !interface->host.tags_hidden; i++)
		if (interface->vlans[i].vlan == vlan) {
			place.vlan = vlan;
			place.zone = interface->vlans[i].zone;
		}
	return place;
}

static int add_source(void *context, size_t device, uint16_t vlan);

static int visit(struct sources *sources, size_t device, uint16_t vlan)
{
	return devices_visit(&sources->builder->devices, device, vlan, add_source, sources);
}

/* A device without a filter may pass on what is judged below it. */
static int add_passed_on(struct sources *sources, size_t device, uint16_t vlan)
{
	const struct devices *devices = &sources->builder->devices;
	const struct host_interface *host = &devices->list[device];
	size_t port = devices_first_port(devices, device);
	int code = 0;

	if (devices_lower(devices, device) != DEVICE_NONE)
		return visit(sources, devices_lower(devices, device),
			     host->kind == DEVICE_VLAN ? host->vlan : 0);
	if (host->kind != DEVICE_BRIDGE || port == DEVICE_NONE) {
		sources->unfenced = true;
		return 0;
	}
	for (; port != DEVICE_NONE && !code; port = devices_next_port(devices, port)) {
		code = visit(sources, port, 0);
		if (!code && vlan) /* ports may tag, or take tags away */
			code = visit(sources, port, vlan);
	}
	return code;
}

static int add_source(void *context, size_t device, uint16_t vlan)
{
	struct sources *sources = context;
	const struct plan_place place = place_of(sources->builder->planned[device], vlan);
	int code;

	if (place.zone != ZONE_NONE)
		return add_place(sources, place);
	if (sources->depth == DEPTH_MAX) {
		sources->unfenced = true;
		return 0;
	}
	sources->depth++;
	code = add_passed_on(sources, device, vlan);
	sources->depth--;
	return code;
}

static enum zone common_zone(const struct sources *sources)
{
	if (!sources->count || sources->unfenced)
		return ZONE_NONE;
	for (size_t i = 1; i < sources->count; i++)
		if (sources->places[i].zone != sources->places[0].zone)
			return ZONE_NONE;
	return sources->places[0].zone;
}

static int add_upper(struct builder *builder, size_t device)
{
	struct plan *plan = builder->plan;
	const struct host_interface *host = &builder->devices.list[device];
	const struct naming *naming = &builder->named[device];
	const bool named = naming->rank != RANK_NONE;
	const bool elsewhere = devices_judged_elsewhere(&builder->devices, device);
	struct sources sources = {.builder = builder};
	enum zone zone;

	if (builder->planned[device] && (named || builder->planned[device]->zone != ZONE_NONE))
		return 0;
	if (visit(&sources, device, 0)) {
		free(sources.places);
		return -ENOMEM;
	}
	if (!named && !builder->planned[device] && (!sources.count || sources.unfenced))
		memcpy(plan->unassigned[plan->unassigned_count++], host->name, sizeof(host->name));
	zone = common_zone(&sources);
	if (zone == ZONE_NONE && !(named && elsewhere)) {
		free(sources.places);
		return 0;
	}
	plan->uppers[plan->upper_count++] = (struct plan_upper){.host = *host,
								.named = named,
								.zone = zone,
								.wanted = naming->zone,
								.places = sources.places,
								.place_count = sources.count};
	return 0;
}

static void make_room(struct plan *plan)
{
	static const enum zone order[] = {ZONE_CLIENT, ZONE_CLUSTER, ZONE_TRUSTED};
	size_t count = 0;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += plan_interface_is_gated(&plan->interfaces[i]);
	for (size_t zone = 0; zone < sizeof(order) / sizeof(order[0]); zone++)
		for (size_t i = 0; i < plan->upper_count; i++)
			if (plan->uppers[i].zone == order[zone])
				plan->uppers[i].no_room = count++ >= UPPERS_MAX;
}

int add_uppers(struct builder *builder)
{
	int code = 0;

	for (size_t device = 0; device < builder->devices.count && !code; device++)
		if (!builder->devices.list[device].loopback)
			code = add_upper(builder, device);
	make_room(builder->plan);
	return code;
}

static bool same_host(const struct host_interface *a, const struct host_interface *b)
{
	return !strcmp(a->name, b->name) && a->ifindex == b->ifindex && a->lower == b->lower &&
	       a->master == b->master && a->kind == b->kind && a->vlan == b->vlan &&
	       a->ethernet == b->ethernet && a->unreadable == b->unreadable &&
	       a->tags_hidden == b->tags_hidden && a->generic_only == b->generic_only;
}

static bool same_interface(const struct plan_interface *a, const struct plan_interface *b)
{
	if (!same_host(&a->host, &b->host) || a->zone != b->zone || a->no_room != b->no_room ||
	    a->held != b->held || a->vlan_count != b->vlan_count)
		return false;
	for (size_t i = 0; i < a->vlan_count; i++)
		if (a->vlans[i].vlan != b->vlans[i].vlan || a->vlans[i].zone != b->vlans[i].zone ||
		    a->vlans[i].held != b->vlans[i].held)
			return false;
	return true;
}

static bool same_upper(const struct plan_upper *a, const struct plan_upper *b)
{
	if (!same_host(&a->host, &b->host) || a->named != b->named || a->zone != b->zone ||
	    a->wanted != b->wanted || a->no_room != b->no_room || a->place_count != b->place_count)
		return false;
	for (size_t i = 0; i < a->place_count; i++)
		if (a->places[i].ifindex != b->places[i].ifindex ||
		    a->places[i].vlan != b->places[i].vlan ||
		    a->places[i].zone != b->places[i].zone)
			return false;
	return true;
}

bool plan_equal(const struct plan *a, const struct plan *b)
{
	if (a->interface_count != b->interface_count || a->upper_count != b->upper_count ||
	    a->unassigned_count != b->unassigned_count || a->absent_count != b->absent_count ||
	    a->ambiguous_count != b->ambiguous_count)
		return false;
	for (size_t i = 0; i < a->interface_count; i++)
		if (!same_interface(&a->interfaces[i], &b->interfaces[i]))
			return false;
	for (size_t i = 0; i < a->upper_count; i++)
		if (!same_upper(&a->uppers[i], &b->uppers[i]))
			return false;
	return !memcmp(a->unassigned, b->unassigned,
		       a->unassigned_count * sizeof(*a->unassigned)) &&
	       !memcmp(a->absent, b->absent, a->absent_count * sizeof(*a->absent)) &&
	       !memcmp(a->ambiguous, b->ambiguous, a->ambiguous_count * sizeof(*a->ambiguous));
}
