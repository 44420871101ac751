/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is told of frames that are dropped: one event for each source and port in a time, and no
 * more than a budget of all together. Each CPU keeps its own account of sources, in a row that no
 * other writes, so that a flood costs a look at one or two places in it, and nothing waits.
 */
#ifndef BEAMFENCE_EVENTS_H
#define BEAMFENCE_EVENTS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "context.h"
#include "contract_events.h"
#include "frame.h"
#include "policy.h"

/* User space sets the number of rows: of CPUs that are possible. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct event_row);
} event_rows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_RING_SIZE);
} events SEC(".maps");

/* What happened to a frame, in one word: a function takes no more than five arguments. */
#define EVENT_WHAT(reason, mode, ethernet, slot) \
	((reason) | (__u32)(mode) << 8 | (__u32)(ethernet) << 9 | (slot) << 16)
#define EVENT_REASON(what)    ((what)&0xff)
#define EVENT_MODE(what)      ((what) >> 8 & 1)
#define EVENT_ETHERNET(what)  ((what) >> 9 & 1)
#define EVENT_REPEATED(what)  ((what) >> 10 & 1)
#define EVENT_SLOT(what)      ((what) >> 16)

#define EVENT_PLACE(hash)     (((hash) >> 55 & (EVENT_SETS - 1)) * EVENT_WAYS)
#define EVENT_SIGNATURE(hash) ((__u32)(hash) | 1)

/*
 * Copies the front of the frame's first buffer: bpf_xdp_load_bytes() is younger than Linux 5.15,
 * and behind the first buffer there are no headers.
 */
static __always_inline __u32 event_copy_frame(struct frame_source *context, struct event *event)
{
	const __u8 *data = context_data(context);
	const __u8 *end = context_end(context);
	__u32 size = 0;

	for (; size < EVENT_FRAME_SIZE; size += sizeof(__u64)) {
		if (data + size + sizeof(__u64) > end)
			break;
		*(__u64 *)(event->frame + size) = *(const __u64 *)(data + size);
	}
	for (__u32 i = 1; i < sizeof(__u64); i++) {
		if (size >= EVENT_FRAME_SIZE || data + size + 1 > end)
			break;
		event->frame[size] = data[size];
		size++;
	}
	return size;
}

/*
 * Whether what a frame carries makes it an account of its own: only in audit mode, in which
 * connections come about.
 */
static __always_inline bool event_says(const struct view *view, __u32 what)
{
	return EVENT_MODE(what) == MODE_AUDIT && view->payload;
}

/* Returns whether the ring had room. */
static __noinline bool event_submit(struct frame_source *context, const struct view *view,
				    __u32 what, __u32 repeats)
{
	struct event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

	if (!event)
		return false;
	event->time_ns = bpf_ktime_get_boot_ns();
	__builtin_memcpy(event->source, view->source, sizeof(event->source));
	__builtin_memcpy(event->destination, view->destination, sizeof(event->destination));
	event->repeats = repeats;
	event->wire_size = (__u32)context_size(context, false);
	event->source_port = frame_ntohs(view->source_port);
	event->destination_port = frame_ntohs(view->destination_port);
	event->vlan = view->vlan;
	event->slot = EVENT_SLOT(what) & (SLOTS_MAX - 1);
	event->zone = tables.host.slots[EVENT_SLOT(what) & (SLOTS_MAX - 1)].zone;
	event->mode = EVENT_MODE(what);
	event->reason = EVENT_REASON(what);
	event->tcp_flags = view->tcp_flags;
	event->ethernet = EVENT_ETHERNET(what);
	event->payload = event_says(view, what);
	event->repeated = EVENT_REPEATED(what);
	event->frame_size = event_copy_frame(context, event);
	bpf_ringbuf_submit(event, 0);
	return true;
}

/* What of a frame makes its account, so that most frames are noted without a view. */
struct teller {
	__u64 source[2];
	__be16 source_port;
	__be16 destination_port;
	__u8 tcp_flags;
	bool payload; /* as event_says() has it */
};

static __always_inline struct teller view_teller(const struct view *view, __u32 what)
{
	return (struct teller){
		.source = {view->source[0], view->source[1]},
		.source_port = view->source_port,
		.destination_port = view->destination_port,
		.tcp_flags = view->tcp_flags,
		.payload = event_says(view, what),
	};
}

/*
 * What makes an account: source, port, and whether a connection is opened, or something said. What
 * a connection says goes by its source port too; where frames are dropped that would make a flood
 * of accounts.
 */
static __always_inline __u64 event_hash(const struct event_row *row, const struct teller *teller)
{
	const bool opens = (teller->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	__u64 kind = teller->destination_port | (__u64)opens << 16 | (__u64)teller->payload << 17;
	__u64 hash;

	if (teller->payload)
		kind |= (__u64)teller->source_port << 32;
	/* Products beside each other, not in a row: this is paid for each frame of a flood. */
	hash = (teller->source[0] ^ row->seed) * 0x9e3779b97f4a7c15ull +
	       (teller->source[1] ^ teller->source[1] >> 32) * 0xc2b2ae3d27d4eb4full +
	       kind * 0x9fb21c651e98df25ull;
	return hash ^ hash >> 32;
}

/* Opens an account, with nothing in it. */
static __always_inline void event_account(struct event_source *source, const struct view *view,
					  __u32 what, __u32 signature)
{
	source->signature = signature;
	source->frames = 1;
	source->reported = 0;
	__builtin_memcpy(source->source, view->source, sizeof(source->source));
	source->port = frame_ntohs(view->destination_port);
	source->slot = EVENT_SLOT(what);
	source->reason = EVENT_REASON(what);
	source->mode = EVENT_MODE(what);
}

static __always_inline bool event_afford(struct event_row *row, __u64 now)
{
	if (row->budget_until <= now) {
		row->budget_until = now + row->budget_interval;
		row->left = row->budget;
	}
	if (!row->left) {
		row->lost++;
		return false;
	}
	row->left--;
	return true;
}

/*
 * An event that may be due: of a source that has no account, or had its last event long enough ago.
 * Out of line, and for this looks everything up again: few frames of a flood come here. Global, so
 * that it is verified once and not for every way that leads here.
 */
__noinline int event_consider(struct frame_source *context, const struct view *view, __u32 what,
			      __u64 hash)
{
	const __u32 signature = EVENT_SIGNATURE(hash), cpu = bpf_get_smp_processor_id();
	struct event_row *row = bpf_map_lookup_elem(&event_rows, &cpu);
	const __u64 now = bpf_jiffies64();
	struct event_source *first, *second, *source;
	bool repeated = false;
	__u32 repeats = 0;

	if (!row || !view)
		return 0;
	first = &row->sources[EVENT_PLACE(hash)];
	second = first + 1;
	if (first->signature == signature || second->signature == signature) {
		source = first->signature == signature ? first : second;
		repeated = source->until > now;
		if (!event_afford(row, now))
			return 0;
	} else {
		source = first->until > now ? second : first;
		if (source->until > now) { /* no place for it */
			row->lost++;
			return 0;
		}
		if (!event_afford(row, now))
			return 0;
		event_account(source, view, what, signature);
	}
	if (!repeated) {
		repeats = (__u32)source->frames - source->reported - 1;
		source->reported = (__u32)source->frames;
		source->until = now +
				(event_says(view, what) ? row->payload_interval : row->interval);
	}
	if (!event_submit(context, view, what | (__u32)repeated << 10, repeats))
		row->lost++;
	return 0;
}

/*
 * Notes a frame whose verdict is a reason to drop. Most frames of a flood end here, counted.
 * Returns whether event_consider() has to be called, with that @hash.
 */
static __always_inline bool events_note(const struct teller *teller, __u64 *result)
{
	const __u32 cpu = bpf_get_smp_processor_id();
	struct event_row *row = bpf_map_lookup_elem(&event_rows, &cpu);
	struct event_source *source;
	__u64 hash;

	if (!row || row->level == EVENTS_OFF)
		return false;
	*result = hash = event_hash(row, teller);
	source = &row->sources[EVENT_PLACE(hash)];
	if (source->signature == EVENT_SIGNATURE(hash)) {
		source->frames++;
		if (source->until > bpf_jiffies64() && row->level != EVENTS_ALL)
			return false;
	} else if (source[1].signature == EVENT_SIGNATURE(hash)) {
		source[1].frames++;
		if (source[1].until > bpf_jiffies64() && row->level != EVENTS_ALL)
			return false;
	} else if (!row->left && row->budget_until > bpf_jiffies64()) {
		row->lost++;
		return false;
	}
	return true;
}

#endif
