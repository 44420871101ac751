/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a driver does not run the filter itself, and whether that may have changed. */
#ifndef BEAMFENCE_KERNEL_REFUSAL_H
#define BEAMFENCE_KERNEL_REFUSAL_H

#include <stdbool.h>
#include <stdint.h>

#define REFUSAL_WORDS_SIZE 120
#define FEATURE_BLOCKS	   4 /* of 32 features each */

/* What drivers look at before they take a program. Compared whole. */
struct circumstances {
	uint32_t mtu;
	uint32_t channels[4]; /* receive, transmit, other, combined */
	uint32_t rings[2];    /* receive, transmit */
	uint32_t features[FEATURE_BLOCKS];
};

struct refusal {
	char words[REFUSAL_WORDS_SIZE]; /* the driver's own; "": none, or it has no native mode */
	bool no_native;			/* the device has no native mode */
	struct circumstances at;	/* when they were said */
	bool changed;			/* something is otherwise now */
	uint64_t down_ms; /* since when it is changed and the interface down, 0: it is not */
};

/*
 * Asks the kernel, which has just refused to attach @program natively, for the driver's words.
 * Nothing may be attached to the interface. Returns true when it does not refuse any more: nothing
 * is attached all the same.
 */
bool refusal_ask(struct refusal *refusal, int program, uint32_t ifindex, const char *interface);

/* What refusal_look() found. */
enum refusal_now {
	REFUSAL_STANDS, /* nothing is new */
	REFUSAL_NEWS,	/* refusal_note() says something else than before, once this was noted */
	REFUSAL_RETRY,	/* what it was about has changed, and no frame can come in at present */
};

/* Looks whether what was refused may be taken now. A few ioctls; none without a refusal. */
enum refusal_now refusal_look(struct refusal *refusal, const char *interface);

/* Notes what there is now; refusal_look() finds no news then. */
void refusal_note_change(struct refusal *refusal, const char *interface);

/* One line for the operator, or "". */
void refusal_describe(const struct refusal *refusal, char *text, unsigned long size);

#endif
