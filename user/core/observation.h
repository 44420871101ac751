/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether an interface's driver runs the filter: frames that it received are held against frames
 * that the filter counted. Pure. Numbers need not agree, since drivers count differently; but where
 * frames keep arriving and not one was counted, the program is not run.
 */
#ifndef BEAMFENCE_OBSERVATION_H
#define BEAMFENCE_OBSERVATION_H

#include <stdbool.h>
#include <stdint.h>

/* So many frames, in so many looks that saw some, without one that was counted. */
#define OBSERVATION_FRAMES   4
#define OBSERVATION_LOOKS    2
#define OBSERVATION_PAUSE_MS 1000 /* between looks: what is under way is counted meanwhile */

struct observation {
	bool begun;
	uint64_t received; /* at the last look */
	uint64_t counted;
	int64_t looked_ms;
	uint64_t uncounted; /* frames received since one was counted last */
	unsigned int looks; /* that saw some of them */
	bool lately;	    /* the last look did */
	unsigned int mends; /* that were tried since then */
	bool not_run;
	bool barren; /* what it receives is not for the host: generic mode sees nothing either */
};

/* What a look finds. */
struct reading {
	bool up;
	bool generic;	 /* the kernel itself runs the program, for all that comes up */
	bool may_switch; /* to generic mode: attach is auto */
	bool risky;	 /* the driver is known for it: taking it anew would not last */
	bool new_mtu;	 /* since the last look: a driver may take now what it refused before */
	uint64_t received;
	uint64_t counted;
	int64_t now_ms;
};

enum mend {
	MEND_NOTHING,
	MEND_FRESH,   /* have the driver take the program anew, through the link */
	MEND_GENERIC, /* attach in generic mode */
};

/* Whether it is time for another look. */
bool observation_is_due(const struct observation *observation, int64_t now_ms);

/* Whether frames come that are not counted, but not enough yet to tell: a look is due soon. */
bool observation_is_in_doubt(const struct observation *observation);

/*
 * Takes in a look; sets @observation->not_run and says what to try. In generic mode nothing is
 * found: there are devices that count what never leaves them (keepalives, frames of VLANs that a
 * bridge filters), and the kernel runs the program for what does.
 */
enum mend observation_look(struct observation *observation, const struct reading *reading);

#endif
