// SPDX-License-Identifier: BSD-2-Clause
#include "core/device.h"

#include <errno.h>
#include <stdlib.h>

/* The kernel stacks no deeper (MAX_NEST_DEV), and what is read while it changes may be a ring. */
#define DEPTH_MAX 8

struct device_links {
	size_t lower;
	size_t first_port;
	size_t next_port;
	unsigned height;
};

static int compare_index(const void *key, const void *item)
{
	const uint32_t index = *(const uint32_t *)key;
	const struct host_interface *host = item;

	return index < host->ifindex ? -1 : index > host->ifindex;
}

static size_t find(const struct devices *devices, uint32_t ifindex)
{
	const struct host_interface *found = NULL;

	if (ifindex && devices->count)
		found = bsearch(&ifindex, devices->list, devices->count, sizeof(*devices->list),
				compare_index);
	return found ? (size_t)(found - devices->list) : DEVICE_NONE;
}

void devices_find_failovers(struct host_interface *list, size_t count)
{
	const struct devices devices = {.list = list, .count = count};

	for (size_t i = 0; i < count; i++) {
		const size_t master = find(&devices, list[i].master);

		if (master == DEVICE_NONE || master == i || !list[master].kindless ||
		    list[master].kind != DEVICE_PLAIN)
			continue;
		list[master].kind = DEVICE_FAILOVER;
		list[master].tags_hidden = true;
		list[master].generic_only = true;
	}
}

/* The failover master that gets the frames of @device, or DEVICE_NONE. */
static size_t failover_above(const struct devices *devices, size_t device)
{
	const size_t master = find(devices, devices->list[device].master);

	return master != DEVICE_NONE && devices->list[master].kind == DEVICE_FAILOVER ? master
										      : DEVICE_NONE;
}

static bool raise_height(unsigned *height, unsigned below)
{
	if (*height > below)
		return false;
	*height = below + 1;
	return true;
}

static void measure_heights(struct devices *devices)
{
	struct device_links *links = devices->links;
	bool changed = true;

	for (int round = 0; changed && round < DEPTH_MAX; round++) {
		changed = false;
		for (size_t i = 0; i < devices->count; i++) {
			const size_t master = find(devices, devices->list[i].master);

			if (links[i].lower != DEVICE_NONE)
				changed |= raise_height(&links[i].height,
							links[links[i].lower].height);
			if (master != DEVICE_NONE)
				changed |= raise_height(&links[master].height, links[i].height);
		}
	}
}

int devices_link(const struct host_interface *list, size_t count, struct devices *devices)
{
	struct device_links *links = calloc(count + 1, sizeof(*links));

	*devices = (struct devices){.list = list, .count = count, .links = links};
	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		links[i] = (struct device_links){
			.lower = find(devices, list[i].lower),
			.first_port = DEVICE_NONE,
			.next_port = DEVICE_NONE,
		};
	for (size_t i = count; i-- > 0;) {
		const size_t master = find(devices, list[i].master);

		if (master == DEVICE_NONE)
			continue;
		links[i].next_port = links[master].first_port;
		links[master].first_port = i;
	}
	measure_heights(devices);
	return 0;
}

void devices_free(struct devices *devices)
{
	free(devices->links);
	devices->links = NULL;
}

size_t devices_lower(const struct devices *devices, size_t device)
{
	return devices->links[device].lower;
}

size_t devices_first_port(const struct devices *devices, size_t device)
{
	return devices->links[device].first_port;
}

size_t devices_next_port(const struct devices *devices, size_t port)
{
	return devices->links[port].next_port;
}

unsigned devices_height(const struct devices *devices, size_t device)
{
	return devices->links[device].height;
}

/* A VLAN device that is judged by itself is taken to hide the tags of VLANs within it. */
static bool hides_tags(const struct devices *devices, size_t device, int depth)
{
	const struct host_interface *host = &devices->list[device];
	const struct device_links *links = &devices->links[device];

	if (depth > DEPTH_MAX || failover_above(devices, device) != DEVICE_NONE)
		return true;
	if (host->kind == DEVICE_VLAN)
		return links->lower == DEVICE_NONE || hides_tags(devices, links->lower, depth + 1);
	if (host->kind != DEVICE_BOND)
		return host->tags_hidden;
	for (size_t i = links->first_port; i != DEVICE_NONE; i = devices->links[i].next_port)
		if (hides_tags(devices, i, depth + 1))
			return true;
	return false;
}

bool devices_judged_elsewhere(const struct devices *devices, size_t device)
{
	if (failover_above(devices, device) != DEVICE_NONE)
		return true;
	switch (devices->list[device].kind) {
	case DEVICE_BOND:
	case DEVICE_VRF:
		return true;
	case DEVICE_VLAN:
		return !hides_tags(devices, device, 0);
	default:
		return false;
	}
}

static int visit_places(const struct devices *devices, size_t device, uint16_t vlan, int depth,
			int (*visit)(void *context, size_t device, uint16_t vlan), void *context)
{
	const struct host_interface *host = &devices->list[device];
	const size_t above = failover_above(devices, device);
	int code = 0;

	if (depth > DEPTH_MAX)
		return 0;
	if (above != DEVICE_NONE)
		return visit_places(devices, above, vlan, depth + 1, visit, context);
	if (!devices_judged_elsewhere(devices, device))
		return visit(context, device, vlan);
	if (host->kind == DEVICE_VLAN)
		return visit_places(devices, devices->links[device].lower,
				    host->vlan ? host->vlan : vlan, depth + 1, visit, context);
	for (size_t i = devices->links[device].first_port; i != DEVICE_NONE && !code;
	     i = devices->links[i].next_port)
		code = visit_places(devices, i, vlan, depth + 1, visit, context);
	return code;
}

int devices_visit(const struct devices *devices, size_t device, uint16_t vlan,
		  int (*visit)(void *context, size_t device, uint16_t vlan), void *context)
{
	return visit_places(devices, device, vlan, 0, visit, context);
}
