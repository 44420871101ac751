// SPDX-License-Identifier: BSD-2-Clause
/* Slots: what is counted apart, an interface or VLAN in a zone. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "kernel/internal.h"

/* A device that its driver makes anew does not leave the page for that. */
#define SHOWN_WHEN_GONE_MS 10000

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
			memset(fence->tables->host.untouched[row][slot], 0,
			       sizeof(fence->tables->host.untouched[row][slot]));
	memset(fence->tables->host.carried[slot], 0, sizeof(fence->tables->host.carried[slot]));
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

/* Never given out, else the one whose interface went away longest ago. */
static __u8 unused_slot(const struct fence *fence, const struct policy_tables *building,
			const __u8 row[static VLAN_IDS])
{
	bool in_use[SLOTS_MAX];
	unsigned int oldest = 0;

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (!fence->tables->host.slots[i].used)
			return (__u8)i;
	mark_slots_in_use(fence, building, row, in_use);
	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (!in_use[i] && (!oldest || fence->slot_gone_ms[i] < fence->slot_gone_ms[oldest]))
			oldest = i;
	return (__u8)oldest;
}

int slot_find(struct fence *fence, const struct policy_tables *building,
	      const __u8 row[static VLAN_IDS], const struct base *base, uint16_t vlan,
	      enum zone zone, bool held)
{
	const bool gated = base_is_upper(fence, base);
	struct slot *slots = fence->tables->host.slots;
	__u8 chosen;

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (slot_is(&slots[i], base, vlan, zone)) {
			slots[i].ifindex = base->ifindex;
			slots[i].gated = gated;
			slots[i].held = held;
			slots[i].config_mark = fence->config_mark;
			fence->slot_placed[i] = true;
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
				      .held = held,
				      .config_mark = fence->config_mark};
	memcpy(slots[chosen].interface, base->name, sizeof(slots[chosen].interface));
	fence->slot_placed[chosen] = true;
	return chosen;
}

void slots_begin(struct fence *fence, uint16_t config_mark)
{
	fence->config_mark = config_mark;
	memset(fence->slot_placed, 0, sizeof(fence->slot_placed));
}

void slots_end(struct fence *fence)
{
	const uint64_t now_ms = monotonic_ms();

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (fence->slot_placed[i])
			fence->slot_gone_ms[i] = 0;
		else if (fence->tables->host.slots[i].used && !fence->slot_gone_ms[i])
			fence->slot_gone_ms[i] = now_ms;
}

bool slot_is_shown(const struct fence *fence, __u32 slot)
{
	return fence->tables->host.slots[slot].used &&
	       (!fence->slot_gone_ms[slot] ||
		monotonic_ms() - fence->slot_gone_ms[slot] < SHOWN_WHEN_GONE_MS);
}
