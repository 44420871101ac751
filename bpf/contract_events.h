/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the filter reports of frames. A part of the contract: see contract.h. */
#ifndef BEAMFENCE_CONTRACT_EVENTS_H
#define BEAMFENCE_CONTRACT_EVENTS_H

#include "contract.h"

/*
 * What the filter reports of frames that it drops (in audit mode: would drop), in the ring
 * "events". The maps "events" and "event-rows" are adopted apart from the others, by
 * EVENTS_VERSION.
 */
#define EVENTS_VERSION	  1
#define EVENTS_RING_SIZE  (1u << 18) /* bytes */
#define EVENT_FRAME_SIZE  256	     /* bytes of a frame that an event holds at most */
#define EVENT_SETS	  512	     /* of sources that a CPU tells apart ... */
#define EVENT_WAYS	  2	     /* ... with so many places each */
#define EVENT_SOURCES_MAX (EVENT_SETS * EVENT_WAYS)

/* LIMITED: one event for each source and port in a time. ALL: every frame, within the budget. */
enum event_level { EVENTS_OFF, EVENTS_LIMITED, EVENTS_ALL };

struct event {
	__u64 time_ns;	 /* CLOCK_BOOTTIME */
	__u8 source[16]; /* IPv4 mapped; all zero where no IP header was read */
	__u8 destination[16];
	__u32 repeats;	   /* frames of this source and port since their last event, without one */
	__u32 wire_size;   /* bytes of the whole frame */
	__u16 source_port; /* 0 where it was not read */
	__u16 destination_port;
	__u16 vlan;
	__u16 frame_size; /* bytes in frame[] */
	__u8 slot;
	__u8 zone;   /* enum zone */
	__u8 mode;   /* enum mode */
	__u8 reason; /* enum reason */
	__u8 tcp_flags;
	__u8 ethernet; /* whether the frame starts with an Ethernet header */
	__u8 payload;  /* it carries some, and the mode is audit */
	__u8 repeated; /* not due by the limit for its source: reported at EVENTS_ALL alone */
	__u8 frame[EVENT_FRAME_SIZE];
};

/* A source and port that had an event of late. Written by its CPU alone. */
struct event_source {
	__u64 until;	 /* jiffies: no other event before */
	__u64 frames;	 /* since it has this place */
	__u32 signature; /* 0: free */
	__u32 reported;	 /* of frames, the low bits: those up to the last event */
	__u8 source[16];
	__u16 port;
	__u8 slot;
	__u8 reason;
	__u8 mode;
	__u8 padding[3];
};

/*
 * One for each CPU, in the array "event-rows". Times are in jiffies, which the agent knows. In
 * every version both counts of what was lost stand where they do here.
 */
struct event_row {
	/* Written by user space. */
	__u32 version;		/* EVENTS_VERSION, or the row was never set up */
	__u32 level;		/* enum event_level */
	__u64 seed;		/* so that nobody can choose sources that share a place */
	__u32 interval;		/* between events of one source and port */
	__u32 payload_interval; /* the same for what a connection carries */
	__u32 budget_interval;
	__u32 budget; /* events of all sources in that time, on this CPU */
	/* Written by the filter. */
	__u64 budget_until;
	__u64 lost; /* frames that should have had an event: no budget, no place, no room */
	__u32 left;
	__u32 padding;
	__u64 lost_elsewhere; /* by agents, or in rows of another version; written by user space */
	struct event_source sources[EVENT_SOURCES_MAX];
};

_Static_assert(sizeof(struct event) == 64 + EVENT_FRAME_SIZE, "layout of event");
_Static_assert(sizeof(struct event_source) == 48, "layout of event_source");
_Static_assert(__builtin_offsetof(struct event_row, lost) == 40 &&
		       __builtin_offsetof(struct event_row, lost_elsewhere) == 56,
	       "what another version carries over");
_Static_assert(sizeof(struct event_row) == 64 + 48 * EVENT_SOURCES_MAX, "layout of event_row");

#endif
