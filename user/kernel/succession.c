// SPDX-License-Identifier: BSD-2-Clause
/*
 * Taking over from an agent with another layout: what it counted and knew is carried into new
 * tables, while its filter works on until each link has got the new program. Interrupted at any
 * point, the next agent goes on from the pins that are there.
 */
#include "kernel/succession.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/detach.h"

/* Nothing sensible is larger; so that no product of two numbers from outside overflows. */
#define COUNT_MAX  65536u
#define TABLES_MAX (1u << 30)

/* What every version's struct slot begins with. */
#define SLOT_START (offsetof(struct slot, interface) + INTERFACE_NAME_SIZE)

struct predecessor {
	const uint8_t *tables;
	size_t size;
	const struct layout *layout;
	int counters_fd;
	struct tally *per_cpu; /* for one counter */
};

static const struct layout own_layout = {
	.magic = LAYOUT_MAGIC,
	.size = sizeof(struct tables),
	.slots = offsetof(struct tables, host.slots),
	.slot_size = sizeof(struct slot),
	.slot_count = SLOTS_MAX,
	.untouched = offsetof(struct tables, host.untouched),
	.untouched_rows = CPU_ROWS + 1,
	.untouched_reasons = REASON_UNTOUCHED_COUNT,
	.carried = offsetof(struct tables, host.carried),
	.counter_modes = MODE_COUNT,
	.counter_reasons = COUNTER_REASONS,
	.claimed = offsetof(struct tables, here.claimed),
	.policy = offsetof(struct tables, policy),
	.policy_size = sizeof(struct policy_tables),
	.cluster_of = offsetof(struct policy_tables, cluster_of),
	.cluster_names = offsetof(struct policy_tables, cluster_names),
};

void tables_describe(struct tables *tables)
{
	tables->version = CONTRACT_VERSION;
	tables->layout = own_layout;
}

static bool within(const struct layout *layout, uint64_t start, uint64_t size)
{
	return start % _Alignof(struct tally) == 0 && start + size <= layout->size;
}

/* Every part lies within the tables: what is pinned may be anybody's. */
static bool is_sound(const struct layout *layout, size_t size)
{
	const uint64_t tallies = (uint64_t)layout->slot_count * sizeof(struct tally);

	if (layout->magic != LAYOUT_MAGIC || layout->size > size || layout->size > TABLES_MAX ||
	    layout->slot_count > COUNT_MAX || layout->slot_size > COUNT_MAX ||
	    layout->slot_size < SLOT_START || layout->untouched_rows > COUNT_MAX ||
	    layout->untouched_reasons > COUNTER_REASONS || layout->counter_modes != MODE_COUNT ||
	    layout->counter_reasons > COUNTER_REASONS || layout->policy_size > layout->size)
		return false;
	return within(layout, layout->slots, (uint64_t)layout->slot_count * layout->slot_size) &&
	       within(layout, layout->untouched,
		      tallies * layout->untouched_rows * layout->untouched_reasons) &&
	       within(layout, layout->carried,
		      tallies * layout->counter_modes * layout->counter_reasons) &&
	       layout->claimed + (uint64_t)PORTS <= layout->size &&
	       within(layout, layout->policy, 2 * (uint64_t)layout->policy_size) &&
	       layout->cluster_of + (uint64_t)PORTS <= layout->policy_size &&
	       layout->cluster_names + (uint64_t)CLUSTERS_MAX * CLUSTER_NAME_SIZE <=
		       layout->policy_size;
}

void predecessor_free(struct predecessor *predecessor)
{
	if (!predecessor)
		return;
	if (predecessor->tables)
		munmap((void *)predecessor->tables, predecessor->size);
	if (predecessor->counters_fd >= 0)
		close(predecessor->counters_fd);
	free(predecessor->per_cpu);
	free(predecessor);
}

static void cleanup_predecessor(struct predecessor **predecessor)
{
	predecessor_free(*predecessor);
}

static bool counts_tallies(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       info.type == BPF_MAP_TYPE_PERCPU_ARRAY && info.value_size == sizeof(struct tally);
}

struct predecessor *predecessor_open(int tables_fd, int counters_fd, int possible_cpus)
{
	_cleanup_(cleanup_predecessor) struct predecessor *predecessor =
		calloc(1, sizeof(*predecessor));
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	void *tables;

	if (!predecessor)
		return NULL;
	predecessor->counters_fd = -1;
	if (bpf_obj_get_info_by_fd(tables_fd, &info, &size) < 0 ||
	    info.type != BPF_MAP_TYPE_ARRAY || info.max_entries != 1 ||
	    info.value_size < offsetof(struct tables, layout) + sizeof(struct layout))
		return NULL;
	tables = mmap(NULL, info.value_size, PROT_READ, MAP_SHARED, tables_fd, 0);
	if (tables == MAP_FAILED)
		return NULL;
	predecessor->tables = tables;
	predecessor->size = info.value_size;
	predecessor->layout = &((const struct tables *)tables)->layout;
	predecessor->per_cpu = calloc((size_t)possible_cpus, sizeof(struct tally));
	if (!predecessor->per_cpu || !is_sound(predecessor->layout, predecessor->size))
		return NULL;
	if (counters_fd >= 0 && counts_tallies(counters_fd))
		predecessor->counters_fd = dup(counters_fd);
	return TAKE_POINTER(predecessor);
}

/* The policy that was in force. */
static const uint8_t *old_policy(const struct predecessor *predecessor)
{
	const struct layout *layout = predecessor->layout;
	const __u32 generation = ((const struct tables *)predecessor->tables)->generation & 1;

	return predecessor->tables + layout->policy + (size_t)generation * layout->policy_size;
}

void predecessor_hand_over(const struct predecessor *predecessor, struct tables *tables)
{
	struct policy_tables *policy = &tables->policy[tables->generation & 1];
	const uint8_t *old = old_policy(predecessor);

	for (size_t port = 0; port < PORTS; port++)
		tables->here.claimed[port] =
			predecessor->tables[predecessor->layout->claimed + port] != CLAIM_NONE;
	for (size_t family = 0; family < 2; family++)
		memcpy(policy->cluster_of[family], old + predecessor->layout->cluster_of, PORTS);
	memcpy(policy->cluster_names, old + predecessor->layout->cluster_names,
	       sizeof(policy->cluster_names));
}

static void add_tally(struct tally *sum, const struct tally *tally)
{
	sum->packets += tally->packets;
	sum->bytes += tally->bytes;
}

/* What the predecessor counted, and had itself carried over, for one slot and reason. */
static struct tally old_count(const struct predecessor *predecessor, __u32 slot, __u32 mode,
			      __u32 reason, int possible_cpus)
{
	const struct layout *layout = predecessor->layout;
	const __u32 index = (slot * layout->counter_modes + mode) * layout->counter_reasons +
			    reason;
	const struct tally *carried =
		(const struct tally *)(predecessor->tables + layout->carried) + index;
	const struct tally *untouched =
		(const struct tally *)(predecessor->tables + layout->untouched);
	struct tally sum = *carried;

	if (predecessor->counters_fd >= 0 &&
	    !bpf_map_lookup_elem(predecessor->counters_fd, &index, predecessor->per_cpu))
		for (int cpu = 0; cpu < possible_cpus; cpu++)
			add_tally(&sum, &predecessor->per_cpu[cpu]);
	if (mode == MODE_ENFORCE && reason < layout->untouched_reasons)
		for (size_t row = 0; row < layout->untouched_rows; row++)
			add_tally(&sum, &untouched[(row * layout->slot_count + slot) *
							   layout->untouched_reasons +
						   reason]);
	return sum;
}

/* The slot that counts for the same place here, given out if need be; NULL: there is no room. */
static struct slot *same_place(struct tables *tables, const struct slot *old, size_t old_size)
{
	struct slot *room = NULL;

	for (size_t i = 1; i < SLOTS_MAX; i++) {
		struct slot *slot = &tables->host.slots[i];

		if (!slot->used && !room)
			room = slot;
		if (slot->used && slot->vlan == old->vlan && slot->zone == old->zone &&
		    !strncmp(slot->interface, old->interface, sizeof(slot->interface)))
			return slot;
	}
	if (room)
		memcpy(room, old, old_size < sizeof(*room) ? old_size : sizeof(*room));
	return room;
}

void predecessor_carry_over(const struct predecessor *predecessor, struct tables *tables,
			    int possible_cpus)
{
	const struct layout *layout = predecessor->layout;

	for (__u32 i = 1; i < layout->slot_count; i++) {
		const struct slot *old = (const struct slot *)(predecessor->tables + layout->slots +
							       (size_t)i * layout->slot_size);
		struct slot *slot = old->used ? same_place(tables, old, layout->slot_size) : NULL;

		if (!slot)
			continue;
		if (slot->reattached < old->reattached)
			slot->reattached = old->reattached;
		for (__u32 mode = 0; mode < layout->counter_modes; mode++)
			for (__u32 reason = 0; reason < layout->counter_reasons; reason++)
				tables->host.carried[slot - tables->host.slots][mode][reason] =
					old_count(predecessor, i, mode, reason, possible_cpus);
	}
}
