/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel refused of what is optional: tried again, for as long as that may change. */
#ifndef BEAMFENCE_FEATURES_H
#define BEAMFENCE_FEATURES_H

#include "agent/agent.h"

/* Zeroed: to be tried at once. */
struct features {
	int64_t due_ms; /* by CLOCK_BOOTTIME */
	int64_t wait_ms;
};

/* What features_retry() gained. */
enum gained { GAINED_NOTHING, GAINED_PROGRAMS, GAINED_WATCH };

/*
 * Tries what may be had by now, less and less often: after seconds at first, every ten minutes in
 * the end. What is gained is logged. After GAINED_PROGRAMS a new plan has the interfaces run them,
 * after GAINED_WATCH another policy is in force.
 */
enum gained features_retry(struct features *features, struct agent *agent);

/* Logs what the kernel cannot do, and why. */
void features_log(const struct agent *agent);

#endif
