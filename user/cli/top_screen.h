/* SPDX-License-Identifier: BSD-2-Clause */
/* What "top" shows, from two looks at the agent a moment apart. */
#ifndef BEAMFENCE_TOP_SCREEN_H
#define BEAMFENCE_TOP_SCREEN_H

#include <jansson.h>
#include <stdio.h>

/* What the agent said at one moment. */
struct sample {
	double time_s;	/* of a clock that never goes back */
	json_t *status; /* results of the control protocol's commands */
	json_t *counters;
	json_t *sources;
};

/* Releases the results. */
void sample_clear(struct sample *sample);

/* Prints the rates between two samples, in @rows lines at most. Returns 0 or -ENOMEM. */
int top_print(const struct sample *before, const struct sample *now, unsigned int rows, FILE *out);

#endif
