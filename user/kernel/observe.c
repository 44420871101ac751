// SPDX-License-Identifier: BSD-2-Clause
/* Whether the filter is run where it is attached: frames received, held against frames counted. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "kernel/internal.h"
#include "kernel/link_facts.h"
#include "kernel/rtnetlink.h"

void base_read_facts(const struct fence *fence, struct base *base)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	struct link_facts facts;

	base->facts = (struct native_facts){
		.program_takes_buffers = fence->features.multi_buffer,
	};
	link_driver_read(base->name, base->ifindex, &base->facts);
	if (!socket || link_facts_read(socket, base->ifindex, &facts))
		return;
	base->facts.mtu = facts.mtu;
	base->facts.max_mtu = facts.max_mtu;
}

static bool slot_is_of(const struct slot *slot, const struct base *base)
{
	return slot->used && !slot->gated && slot->ifindex == base->ifindex;
}

static uint64_t count_untouched(const struct fence *fence, __u32 slot)
{
	uint64_t sum = 0;

	for (int row = 0; row <= CPU_ROWS; row++)
		for (int reason = 0; fence_has_row(fence, row) && reason < REASON_UNTOUCHED_COUNT;
		     reason++)
			sum += fence->tables->host.untouched[row][slot][reason].packets;
	return sum;
}

/* What the gate refused was judged in the TCP stack: all the more where the filter is not run. */
static uint64_t count_judged(const struct fence *fence, __u32 slot, struct tally *per_cpu)
{
	uint64_t sum = 0;

	for (__u32 mode = 0; mode < MODE_COUNT; mode++)
		for (__u32 reason = REASON_UNTOUCHED_COUNT; reason < REASON_COUNT; reason++) {
			const __u32 index = COUNTER_INDEX(slot, mode, reason);

			if (reason == REASON_GATE ||
			    bpf_map_lookup_elem(bpf_map__fd(fence->live->maps.counters), &index,
						per_cpu) < 0)
				continue;
			for (int cpu = 0; cpu < fence->possible_cpus; cpu++)
				sum += per_cpu[cpu].packets;
		}
	return sum;
}

/* All frames of a base that the filter judged, by any number that changes when one is. */
static int count_frames(const struct fence *fence, const struct base *base, uint64_t *counted)
{
	_cleanup_free_ struct tally *per_cpu = calloc((size_t)fence->possible_cpus,
						      sizeof(*per_cpu));

	if (!per_cpu)
		return -ENOMEM;
	*counted = 0;
	for (__u32 i = 1; i < SLOTS_MAX; i++)
		if (slot_is_of(&fence->tables->host.slots[i], base))
			*counted += count_untouched(fence, i) + count_judged(fence, i, per_cpu);
	return 0;
}

bool base_loses_frames(const struct base *base)
{
	return base->link_fd >= 0 && base->mode == ATTACHED_NATIVE &&
	       native_loses_now(&base->facts);
}

/* Returns whether fence_apply() is due. */
static bool observe(struct fence *fence, struct base *base, struct mnl_socket *socket,
		    enum attach attach)
{
	const bool not_run = base->seen.not_run, losing = base_loses_frames(base);
	struct reading reading = {
		.generic = base->mode == ATTACHED_GENERIC,
		.may_switch = attach == ATTACH_AUTO,
		.risky = native_risk(&base->facts) != NATIVE_SOUND,
		.now_ms = (int64_t)monotonic_ms(),
	};
	struct link_facts facts;
	enum mend wanted;

	if (!observation_is_due(&base->seen, reading.now_ms) ||
	    link_facts_read(socket, base->ifindex, &facts))
		return false;
	reading.new_mtu = facts.mtu != base->facts.mtu;
	base->facts.mtu = facts.mtu;
	reading.up = facts.up;
	reading.received = facts.received; /* read first: what is counted meanwhile is no harm */
	if (count_frames(fence, base, &reading.counted))
		return false;
	wanted = observation_look(&base->seen, &reading);
	base->to_generic = wanted == MEND_GENERIC;
	base->to_refresh = wanted == MEND_FRESH;
	return wanted != MEND_NOTHING || base->seen.not_run != not_run ||
	       base_loses_frames(base) != losing;
}

bool fence_observe(struct fence *fence, enum attach attach)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	bool due = false;

	for (size_t i = 1; i < BASES_MAX && socket; i++) {
		struct base *base = &fence->bases[i];

		/* One that runs an earlier agent's program counts in tables that may be others. */
		if (base->ifindex && base->link_fd >= 0 && (base->current || base->seen.not_run))
			due |= observe(fence, base, socket, attach);
	}
	return due;
}

bool fence_is_in_doubt(const struct fence *fence)
{
	for (size_t i = 1; i < BASES_MAX; i++) {
		const struct base *base = &fence->bases[i];

		if (base->ifindex && base->mode == ATTACHED_NATIVE &&
		    observation_is_in_doubt(&base->seen))
			return true;
	}
	return false;
}

void base_describe_avoided(const struct base *base, char *note, size_t size)
{
	if (base->avoided == NATIVE_LOSES)
		snprintf(note, size,
			 "not native: the driver (%s) would lose frames that fill several buffers, "
			 "as with an MTU above %u",
			 base->facts.driver, native_one_buffer_mtu(base->facts.page_size));
	else
		snprintf(note, size,
			 "not native: the driver (%s) forgets the program, as when the link is set "
			 "down",
			 base->facts.driver);
}

void base_describe(const struct base *base, char *problem, size_t size)
{
	const enum native_risk risk = base->mode == ATTACHED_NATIVE ? native_risk(&base->facts)
								    : NATIVE_SOUND;

	if (base->seen.not_run)
		snprintf(problem, size,
			 "frames come in, and the filter is not run: the driver (%s) runs its "
			 "program no more%s%s; if this stays, \"attach: generic\" and \"beamfence "
			 "detach\" help",
			 base->facts.driver, base->refresh_code ? " and refuses it anew: " : "",
			 base->refresh_code ? strerror(-base->refresh_code) : "");
	else if (base_loses_frames(base))
		snprintf(problem, size,
			 "the driver (%s) loses frames above %u bytes: set MTU 1500, \"beamfence "
			 "detach\", start with attach: auto, then set MTU %u again",
			 base->facts.driver, native_one_buffer_mtu(base->facts.page_size),
			 base->facts.mtu);
	else if (risk == NATIVE_LOSES)
		snprintf(problem, size,
			 "native mode: with an MTU above %u the driver (%s) would lose frames; "
			 "attach: auto takes generic mode at a first attach",
			 native_one_buffer_mtu(base->facts.page_size), base->facts.driver);
	else if (risk == NATIVE_FORGETS)
		snprintf(problem, size,
			 "native mode: the driver (%s) forgets the program when the link is set "
			 "down or its MTU or rings change; attach: auto takes generic mode",
			 base->facts.driver);
}
