/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics of the contract, in the Prometheus text format (version 0.0.4). */
#ifndef BEAMFENCE_METRICS_H
#define BEAMFENCE_METRICS_H

#include <stdio.h>

#include "core/snapshot.h"

/* Writes every metric to @out. Returns 0, or -EIO when @out could not take it. */
int metrics_write(FILE *out, const struct snapshot *snapshot);

#endif
