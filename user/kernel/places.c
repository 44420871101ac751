// SPDX-License-Identifier: BSD-2-Clause
/* Bases, and the rows of the tables that say what each interface and VLAN faces. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

static struct base *free_base(struct fence *fence, size_t first, size_t end)
{
	for (size_t i = first; i < end; i++)
		if (!fence->bases[i].ifindex)
			return &fence->bases[i];
	return NULL;
}

/*
 * Gives a device its base. Those that left the plan keep theirs until the change is done: there is
 * room for twice as many as can be planned.
 */
static struct base *assign_base(struct fence *fence, const struct host_interface *host, bool upper)
{
	__u8 *entry = &fence->tables->host.base_of[host->ifindex & (INTERFACE_RESIDUES - 1)];
	struct base *base = base_find(fence, host->ifindex);

	if (base && upper != base_is_upper(fence, base))
		return NULL; /* not before the filter on it is gone, which needs the entry */
	if (!base) {
		base = upper ? free_base(fence, BASES_MAX, ALL_BASES)
			     : free_base(fence, 1, BASES_MAX);
		if (!base || *entry)
			return NULL;
		base->ifindex = host->ifindex;
	}
	memcpy(base->name, host->name, sizeof(base->name));
	base->ethernet = host->ethernet;
	base->generic_only = host->generic_only;
	base->wanted = true;
	fence->tables->host.index_of[base - fence->bases] = host->ifindex;
	__atomic_store_n(entry, (__u8)(base - fence->bases), __ATOMIC_RELEASE);
	return base;
}

/* Entries of those that have the filter are given out before these. */
static void assign_gated(struct fence *fence, const struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct plan_interface *interface = &plan->interfaces[i];
		struct base *base = plan_interface_is_gated(interface)
					    ? assign_base(fence, &interface->host, true)
					    : NULL;

		if (base)
			base->below = (struct plan_place){};
	}
}

void base_release(struct fence *fence, struct base *base)
{
	const size_t index = (size_t)(base - fence->bases);
	__u8 *entry = &fence->tables->host.base_of[base->ifindex & (INTERFACE_RESIDUES - 1)];

	base_drop_link(fence, base);
	if (*entry == index)
		*entry = 0;
	fence->tables->host.index_of[index] = 0;
	for (size_t i = 0; i < 2; i++) {
		if (base_is_upper(fence, base))
			fence->tables->policy[i].upper_slot_of[index - BASES_MAX] = 0;
		else
			memset(fence->tables->policy[i].slot_of[index], 0, VLAN_IDS);
	}
	*base = (struct base){.link_fd = -1};
}

/* A device above others gives way to an interface that needs its entry, be it itself. */
static void free_entry(struct fence *fence, uint32_t ifindex)
{
	const __u8 entry = fence->tables->host.base_of[ifindex & (INTERFACE_RESIDUES - 1)];

	if (entry >= BASES_MAX)
		base_release(fence, &fence->bases[entry]);
}

void bases_assign(struct fence *fence, const struct plan *plan)
{
	for (size_t i = 1; i < ALL_BASES; i++)
		fence->bases[i].wanted = false;
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct plan_interface *interface = &plan->interfaces[i];
		struct base *base;

		if (!plan_interface_has_filter(interface))
			continue;
		free_entry(fence, interface->host.ifindex);
		base = assign_base(fence, &interface->host, false);
		if (!base)
			continue; /* the others are to be fenced all the same */
		base->tags_hidden = interface->vlan_count && interface->host.tags_hidden;
		base->seen_program = interface->host.program;
	}
	assign_gated(fence, plan);
	/* These are a help, not the fence: one that finds no room goes without. */
	for (size_t i = 0; i < plan->upper_count; i++) {
		const struct plan_upper *upper = &plan->uppers[i];
		struct base *base = plan_upper_has_base(upper)
					    ? assign_base(fence, &upper->host, true)
					    : NULL;

		if (base)
			base->below = upper->places[0];
	}
}

/* Byte by byte: a frame reads one of them, and so finds the old slot or the new one. */
static void write_row(__u8 *row, const __u8 *wanted)
{
	for (size_t vlan = 0; vlan < VLAN_IDS; vlan++)
		if (row[vlan] != wanted[vlan])
			__atomic_store_n(&row[vlan], wanted[vlan], __ATOMIC_RELAXED);
}

static int fill_row(struct fence *fence, struct policy_tables *policy,
		    const struct plan_interface *interface, struct error *error)
{
	const struct base *base = base_find(fence, interface->host.ifindex);
	__u8 row[VLAN_IDS] = {};
	int slot;

	if (!base)
		return 0;
	slot = slot_find(fence, policy, row, base, 0, interface->zone, interface->held);
	if (slot >= 0)
		memset(row, slot, sizeof(row));
	for (size_t i = 0; i < interface->vlan_count && slot >= 0 && !base->tags_hidden; i++) {
		const struct plan_vlan *vlan = &interface->vlans[i];

		slot = slot_find(fence, policy, row, base, vlan->vlan, vlan->zone, vlan->held);
		if (slot >= 0)
			row[vlan->vlan] = (__u8)slot;
	}
	if (slot < 0)
		return error_set(error, slot, "no counters left for interface %s: %s",
				 interface->host.name, strerror(-slot));
	write_row(policy->slot_of[base - fence->bases], row);
	return 0;
}

static void write_upper(const struct fence *fence, struct policy_tables *policy,
			const struct base *base, __u8 slot)
{
	__atomic_store_n(&policy->upper_slot_of[base - fence->bases - BASES_MAX], slot,
			 __ATOMIC_RELAXED);
}

/* Of an interface that cannot have the filter: one slot, for the gate. */
static int fill_gated(struct fence *fence, struct policy_tables *policy,
		      const struct plan_interface *interface, struct error *error)
{
	const struct base *base = base_find(fence, interface->host.ifindex);
	const __u8 row[VLAN_IDS] = {};
	int slot;

	if (!base || !base_is_upper(fence, base))
		return 0;
	slot = slot_find(fence, policy, row, base, 0, interface->zone, interface->held);
	if (slot < 0)
		return error_set(error, slot, "no counters left for interface %s: %s",
				 interface->host.name, strerror(-slot));
	write_upper(fence, policy, base, (__u8)slot);
	return 0;
}

static void fill_upper(struct fence *fence, struct policy_tables *policy,
		       const struct plan_upper *upper)
{
	const struct base *base = base_find(fence, upper->host.ifindex);
	const struct base *below = base_find(fence, upper->places[0].ifindex);

	if (!base || !base_is_upper(fence, base) || !below)
		return;
	write_upper(fence, policy, base,
		    base_is_upper(fence, below)
			    ? policy->upper_slot_of[below - fence->bases - BASES_MAX]
			    : policy->slot_of[below - fence->bases][upper->places[0].vlan]);
}

int rows_fill(struct fence *fence, struct policy_tables *policy, const struct plan *plan,
	      struct error *error)
{
	int code = 0;

	slots_begin(fence, plan->config_mark);
	for (size_t i = 0; i < plan->interface_count && !code; i++)
		if (plan_interface_has_filter(&plan->interfaces[i]))
			code = fill_row(fence, policy, &plan->interfaces[i], error);
		else if (plan_interface_is_gated(&plan->interfaces[i]))
			code = fill_gated(fence, policy, &plan->interfaces[i], error);
	for (size_t i = 0; i < plan->upper_count && !code; i++)
		if (plan_upper_has_base(&plan->uppers[i]))
			fill_upper(fence, policy, &plan->uppers[i]);
	return code;
}
