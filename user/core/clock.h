/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef BEAMFENCE_CLOCK_H
#define BEAMFENCE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds of CLOCK_MONOTONIC: for how long something takes, but for a suspend. */
static inline uint64_t monotonic_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
