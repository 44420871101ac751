// SPDX-License-Identifier: BSD-2-Clause
/* Reading the counters: per-CPU rows added up, each slot under the name it was given. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

/* Series that one slot can have: every reason, and in the other mode the judged ones again. */
#define SERIES_PER_SLOT (2 * REASON_COUNT)

static void add_tally(struct tally *sum, const struct tally *tally)
{
	sum->packets += tally->packets;
	sum->bytes += tally->bytes;
}

static struct tally read_untouched(const struct fence *fence, __u32 slot, enum reason reason)
{
	struct tally sum = fence->tables->host.carried[slot][MODE_ENFORCE][reason];

	for (int row = 0; row <= CPU_ROWS; row++)
		if (fence_has_row(fence, row))
			add_tally(&sum, &fence->tables->host.untouched[row][slot][reason]);
	return sum;
}

static int read_judged(const struct fence *fence, __u32 slot, enum mode mode, enum reason reason,
		       struct tally *per_cpu, struct tally *sum)
{
	const __u32 index = COUNTER_INDEX(slot, mode, reason);

	if (bpf_map_lookup_elem(bpf_map__fd(fence->live->maps.counters), &index, per_cpu) < 0)
		return -errno;
	*sum = fence->tables->host.carried[slot][mode][reason];
	for (int cpu = 0; cpu < fence->possible_cpus; cpu++)
		add_tally(sum, &per_cpu[cpu]);
	return 0;
}

static void set_counter(const struct fence *fence, struct counter *counter, __u32 slot,
			enum mode mode, enum reason reason, const struct tally *sum)
{
	counter->zone = fence->tables->host.slots[slot].zone;
	counter->reason = reason;
	counter->verdict = mode == MODE_ENFORCE && reason_is_drop(reason) ? VERDICT_DROP
									  : VERDICT_PASS;
	counter->packets = sum->packets;
	counter->bytes = sum->bytes;
	fence_slot_name(fence, slot, counter->interface);
}

/*
 * Adds one reason of one slot: in the mode in force always, so that a series is there before its
 * first frame. Reasons that do not drop are one series whichever mode counted them.
 */
static int read_reason(const struct fence *fence, __u32 slot, enum reason reason,
		       struct tally *per_cpu, struct counter *counters, size_t *count)
{
	const enum mode active =
		(enum mode)fence->tables->policy[fence->tables->generation & 1].mode;
	struct tally sums[MODE_COUNT] = {};

	if (reason < REASON_UNTOUCHED_COUNT) {
		sums[0] = read_untouched(fence, slot, reason);
		set_counter(fence, &counters[(*count)++], slot, active, reason, &sums[0]);
		return 0;
	}
	for (unsigned int mode = 0; mode < MODE_COUNT; mode++) {
		const int code = read_judged(fence, slot, (enum mode)mode, reason, per_cpu,
					     &sums[mode]);

		if (code)
			return code;
	}
	if (!reason_is_drop(reason)) {
		add_tally(&sums[MODE_ENFORCE], &sums[MODE_AUDIT]);
		set_counter(fence, &counters[(*count)++], slot, active, reason,
			    &sums[MODE_ENFORCE]);
		return 0;
	}
	for (unsigned int mode = 0; mode < MODE_COUNT; mode++)
		if (mode == active || sums[mode].packets)
			set_counter(fence, &counters[(*count)++], slot, (enum mode)mode, reason,
				    &sums[mode]);
	return 0;
}

int fence_counters(struct fence *fence, struct counter **result, size_t *result_count,
		   struct error *error)
{
	_cleanup_free_ struct tally *per_cpu = calloc((size_t)fence->possible_cpus,
						      sizeof(*per_cpu));
	_cleanup_free_ struct counter *counters = NULL;
	bool shown[SLOTS_MAX] = {};
	size_t slots = 0, count = 0;
	int code = 0;

	for (__u32 i = 1; i < SLOTS_MAX; i++)
		slots += shown[i] = slot_is_shown(fence, i);
	counters = calloc(slots * SERIES_PER_SLOT + 1, sizeof(*counters));
	if (!per_cpu || !counters)
		return error_set(error, -ENOMEM, "out of memory");
	for (__u32 i = 1; i < SLOTS_MAX; i++)
		for (int reason = 0; shown[i] && reason < REASON_COUNT && !code; reason++)
			code = read_reason(fence, i, (enum reason)reason, per_cpu, counters,
					   &count);
	if (code)
		return error_set(error, code, "cannot read the counters: %s", strerror(-code));
	*result = TAKE_POINTER(counters);
	*result_count = count;
	return 0;
}

/* Of an interface that is shown, in whichever zone: else its sum would go back with its zone. */
static bool name_is_shown(const struct fence *fence, const struct slot *slot)
{
	for (__u32 i = 1; i < SLOTS_MAX; i++) {
		const struct slot *other = &fence->tables->host.slots[i];

		if (!other->vlan && slot_is_shown(fence, i) &&
		    !strncmp(other->interface, slot->interface, INTERFACE_NAME_SIZE))
			return true;
	}
	return false;
}

int fence_reattachments(const struct fence *fence, struct reattachments **result)
{
	struct reattachments *list = calloc(SLOTS_MAX, sizeof(*list));
	int count = 0;

	if (!list)
		return -ENOMEM;
	for (__u32 i = 1; i < SLOTS_MAX; i++) {
		const struct slot *slot = &fence->tables->host.slots[i];
		int row = 0;

		if (!slot->used || slot->vlan || !name_is_shown(fence, slot))
			continue;
		while (row < count &&
		       strncmp(list[row].interface, slot->interface, INTERFACE_NAME_SIZE) != 0)
			row++;
		memcpy(list[row].interface, slot->interface, INTERFACE_NAME_SIZE);
		list[row].count += slot->reattached;
		count += row == count;
	}
	*result = list;
	return count;
}
