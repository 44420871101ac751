// SPDX-License-Identifier: BSD-2-Clause
/* Bases and slots: the rows of the tables that say what each interface and VLAN faces. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

struct base *base_find(struct fence *fence, uint32_t ifindex)
{
	for (size_t i = 1; i < ALL_BASES; i++)
		if (fence->bases[i].ifindex == ifindex)
			return &fence->bases[i];
	return NULL;
}

bool base_is_upper(const struct fence *fence, const struct base *base)
{
	return base >= fence->bases + BASES_MAX;
}

bool plan_upper_has_base(const struct plan_upper *upper)
{
	return !upper->no_room && upper->zone != ZONE_NONE;
}

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
	__u8 *entry = &fence->tables->base_of[host->ifindex & (INTERFACE_RESIDUES - 1)];
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
	fence->tables->index_of[base - fence->bases] = host->ifindex;
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

/* A device above others gives way to an interface that needs its entry, be it itself. */
static void free_entry(struct fence *fence, uint32_t ifindex)
{
	const __u8 entry = fence->tables->base_of[ifindex & (INTERFACE_RESIDUES - 1)];

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

/* By name: an interface that is made anew goes on with the counters of the one before it. */
static bool slot_is(const struct slot *slot, const struct base *base, uint16_t vlan, enum zone zone)
{
	return slot->used && slot->vlan == vlan && slot->zone == zone &&
	       !strncmp(slot->interface, base->name, sizeof(slot->interface));
}

static int clear_counters(struct fence *fence, __u32 slot)
{
	_cleanup_free_ struct tally *zero = calloc((size_t)fence->possible_cpus, sizeof(*zero));

	if (!zero)
		return -ENOMEM;
	for (int row = 0; row <= CPU_ROWS; row++)
		if (fence_has_row(fence, row))
			memset(fence->tables->untouched[row][slot], 0,
			       sizeof(fence->tables->untouched[row][slot]));
	memset(fence->tables->carried[slot], 0, sizeof(fence->tables->carried[slot]));
	for (__u32 i = 0; i < MODE_COUNT * COUNTER_REASONS; i++) {
		const __u32 index = COUNTER_INDEX(slot, 0, 0) + i;

		if (bpf_map_update_elem(bpf_map__fd(fence->live->maps.counters), &index, zero,
					BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* The slots that the policy in force, or the one being built, @row included, sends frames to. */
static void mark_slots_in_use(const struct fence *fence, const struct policy_tables *building,
			      const __u8 row[static VLAN_IDS], bool in_use[static SLOTS_MAX])
{
	const struct policy_tables *active = &fence->tables->policy[fence->tables->generation & 1];

	memset(in_use, 0, SLOTS_MAX * sizeof(*in_use));
	for (size_t base = 0; base < BASES_MAX; base++)
		for (size_t vlan = 0; vlan < VLAN_IDS; vlan++) {
			in_use[active->slot_of[base][vlan]] = true;
			in_use[building->slot_of[base][vlan]] = true;
		}
	for (size_t vlan = 0; vlan < VLAN_IDS; vlan++)
		in_use[row[vlan]] = true;
	/* While rows are written in place, the devices above still say what was there before. */
	for (size_t i = 0; i < UPPER_BASES_MAX; i++) {
		in_use[active->upper_slot_of[i]] = true;
		in_use[building->upper_slot_of[i]] = true;
	}
}

static __u8 unused_slot(const struct fence *fence, const struct policy_tables *building,
			const __u8 row[static VLAN_IDS])
{
	bool in_use[SLOTS_MAX];

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (!fence->tables->slots[i].used)
			return (__u8)i;
	mark_slots_in_use(fence, building, row, in_use);
	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (!in_use[i])
			return (__u8)i;
	return 0;
}

/*
 * Finds the slot that counts for this place in this zone, or gives one out: a fresh one while there
 * is one, else that of a place which no policy has any more, when no frame is under way to it.
 */
static int find_slot(struct fence *fence, const struct policy_tables *building,
		     const __u8 row[static VLAN_IDS], const struct base *base, uint16_t vlan,
		     enum zone zone, bool held)
{
	const bool gated = base_is_upper(fence, base);
	struct slot *slots = fence->tables->slots;
	__u8 chosen;

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (slot_is(&slots[i], base, vlan, zone)) {
			slots[i].ifindex = base->ifindex;
			slots[i].gated = gated;
			slots[i].held = held;
			return (int)i;
		}
	chosen = unused_slot(fence, building, row);
	if (!chosen)
		return -E2BIG;
	if (slots[chosen].used) {
		int code = fence_wait_for_frames(fence);

		if (!code)
			code = clear_counters(fence, chosen);
		if (code)
			return code;
	}
	slots[chosen] = (struct slot){.ifindex = base->ifindex,
				      .vlan = vlan,
				      .zone = (__u8)zone,
				      .used = 1,
				      .gated = gated,
				      .held = held};
	memcpy(slots[chosen].interface, base->name, sizeof(slots[chosen].interface));
	return chosen;
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
	slot = find_slot(fence, policy, row, base, 0, interface->zone, interface->held);
	if (slot >= 0)
		memset(row, slot, sizeof(row));
	for (size_t i = 0; i < interface->vlan_count && slot >= 0 && !base->tags_hidden; i++) {
		const struct plan_vlan *vlan = &interface->vlans[i];

		slot = find_slot(fence, policy, row, base, vlan->vlan, vlan->zone, vlan->held);
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
	slot = find_slot(fence, policy, row, base, 0, interface->zone, interface->held);
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
