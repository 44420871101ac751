// SPDX-License-Identifier: BSD-2-Clause
/* What was fenced by an earlier agent, and whether a device is the one that it was. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"

bool fence_is_same(const struct fence *fence, const struct host_interface *host)
{
	const struct base *base = base_find((struct fence *)fence, host->ifindex);
	__u32 program;

	/* As after a trial that named it not: closed by mistake is better than open. */
	if (!base)
		return true;
	if (base_is_upper(fence, base))
		return host->unreadable;
	program = base_program(base);
	/* Dead: somebody took the filter off this device, or it is gone and its index another's. */
	if (!program)
		return !strncmp(base->name, host->name, sizeof(base->name));
	return program == host->program;
}

/* A list that has room. */
struct former_list {
	struct fence_place *list;
	size_t count;
};

static void add_place(const struct fence *fence, const struct base *base, uint16_t vlan,
		      __u8 slot_index, struct former_list *places)
{
	const struct slot *slot = &fence->tables->host.slots[slot_index];
	struct fence_place *place = &places->list[places->count++];

	*place = (struct fence_place){
		.hold = {.ifindex = base->ifindex, .vlan = vlan, .zone = (enum zone)slot->zone},
		.held = slot->held,
		.config_mark = slot->config_mark,
	};
	memcpy(place->hold.name, slot->interface, sizeof(slot->interface));
}

static void add_row(const struct fence *fence, const struct base *base, const __u8 *row,
		    struct former_list *places)
{
	if (row[0])
		add_place(fence, base, 0, row[0], places);
	for (uint16_t vlan = 1; vlan < VLAN_IDS - 1 && places->count < FORMER_MAX; vlan++)
		if (row[vlan] != row[0])
			add_place(fence, base, vlan, row[vlan], places);
}

int fence_former_places(const struct fence *fence, struct fence_place **result)
{
	const struct policy_tables *policy = &fence->tables->policy[fence->tables->generation & 1];
	struct former_list places = {.list = calloc(FORMER_MAX + 1, sizeof(*places.list))};

	if (!places.list)
		return -ENOMEM;
	for (size_t i = 1; i < ALL_BASES && places.count < FORMER_MAX; i++) {
		const struct base *base = &fence->bases[i];
		const __u8 *row;

		/* One that the tables do not know has no row that means anything. */
		if (!base->ifindex || fence->tables->host.index_of[i] != base->ifindex)
			continue;
		if (i < BASES_MAX) {
			row = policy->slot_of[i];
			add_row(fence, base, row, &places);
			continue;
		}
		row = &policy->upper_slot_of[i - BASES_MAX];
		if (fence->tables->host.slots[*row].gated)
			add_place(fence, base, 0, *row, &places);
	}
	*result = places.list;
	return (int)places.count;
}
