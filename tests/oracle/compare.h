/* SPDX-License-Identifier: BSD-2-Clause */
/* One group through all worlds, and what is wrong about it. */
#ifndef BEAMFENCE_ORACLE_COMPARE_H
#define BEAMFENCE_ORACLE_COMPARE_H

#include "tests/oracle/oracle.h"

enum { WORLD_OPEN, WORLD_NATIVE, WORLD_GENERIC, WORLDS };

#define FINDINGS(X)                                                                          \
	X(NONE, "nothing")                                                                   \
	X(THROUGH, "a frame reached a protected listener through the filter")                \
	X(LOST, "a frame that is not for a protected listener was dropped")                  \
	X(CHANGED, "a frame arrived otherwise than without the filter")                      \
	X(DISAGREE, "the filter judged the same frame differently natively, generically or " \
		    "in a test run")

enum finding {
#define FINDING_ENUMERATOR(id, text) FINDING_##id,
	FINDINGS(FINDING_ENUMERATOR)
#undef FINDING_ENUMERATOR
		FINDING_COUNT,
};

struct outcome {
	enum finding finding;
	struct deliveries open; /* without the filter */
	uint32_t dropped;	/* frames */
	uint32_t reasons;	/* of these, as bits */
	bool nobody;		/* dropped, and the stack would have discarded it as well */
	bool unread;		/* dropped as unreadable, and the stack takes it elsewhere */
};

void compare(struct world worlds[WORLDS], const struct group *group, struct outcome *outcome);

const char *finding_text(enum finding finding);

#endif
