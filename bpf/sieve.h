/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sieve before the table of peers: which bit of struct sieve stands for a prefix. It is set
 * before the prefix is in the table, so one that is not set saves a look-up; one that is set for
 * others only costs what it would have saved.
 */
#ifndef BEAMFENCE_SIEVE_H
#define BEAMFENCE_SIEVE_H

#include "contract.h"

/*
 * The bit of a prefix: its address as two words in network byte order, with every bit past its
 * length zero. @shift is the policy's, 64 less the binary logarithm of the bits in use: a product's
 * upper bits are those that all of its factors' bits reach.
 */
static inline __attribute__((always_inline)) __u32 sieve_bit(__u64 high, __u64 low, __u32 length,
							     __u32 shift)
{
	const __u64 hash = high * 0x9e3779b97f4a7c15ull + (low + length) * 0xc2b2ae3d27d4eb4full;

	return (__u32)(hash >> (shift & 63)) & (SIEVE_BITS_MAX - 1);
}

static inline __attribute__((always_inline)) _Bool sieve_has(const struct sieve *sieve, __u32 bit)
{
	return sieve->words[bit / 64] >> (bit % 64) & 1;
}

#endif
