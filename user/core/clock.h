/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All clocks. CLOCK_MONOTONIC is for how long something takes, but for a suspend; CLOCK_BOOTTIME
 * goes on through that, and is the clock of the BPF programs and of everything that ends some time.
 * Nobody steps either of them.
 */
#ifndef BEAMFENCE_CLOCK_H
#define BEAMFENCE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_OF_S	 UINT64_C(1000000000)
#define NS_OF_MS UINT64_C(1000000)

static inline uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * NS_OF_S + (uint64_t)now.tv_nsec;
}

static inline uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t monotonic_ms(void)
{
	return monotonic_ns() / NS_OF_MS;
}

static inline uint64_t boottime_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

/* Signed, because what has an end by this clock may be over. */
static inline int64_t boottime_ms(void)
{
	return (int64_t)(boottime_ns() / NS_OF_MS);
}

/* Nanoseconds since 1970 of a time of CLOCK_BOOTTIME. */
static inline uint64_t wall_clock_ns(uint64_t boot_ns)
{
	return boot_ns + clock_ns(CLOCK_REALTIME) - boottime_ns();
}

/* Seconds of that; 0 for 0, a time that is not known. */
static inline int64_t wall_clock_s(uint64_t boot_ns)
{
	return boot_ns ? (int64_t)(wall_clock_ns(boot_ns) / NS_OF_S) : 0;
}

#endif
