/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a port is protected, by what the tables say: decided here alone, for filter, gate and
 * user space. Pure.
 */
#ifndef BEAMFENCE_PROTECT_H
#define BEAMFENCE_PROTECT_H

#include "contract_watch.h"

static inline __attribute__((always_inline)) _Bool port_bit(const __u64 *bits, __u16 port)
{
	return bits[port / 64] >> (port % 64) & 1;
}

enum protection {
	PROTECTION_CONFIGURED, /* whoever listens there */
	PROTECTION_EXEMPT,     /* never for who listens there */
	PROTECTION_LISTENERS,  /* while one listens there whose standing protects it */
};

/* What decides whether @port is protected. */
static inline __attribute__((always_inline)) enum protection
port_protection(const struct policy_tables *policy, __u16 port)
{
	if (port_bit(policy->configured, port))
		return PROTECTION_CONFIGURED;
	return port_bit(policy->exempt, port) ? PROTECTION_EXEMPT : PROTECTION_LISTENERS;
}

/* Whether a listener of that standing is reason to protect its port. */
static inline __attribute__((always_inline)) _Bool
standing_protects(const struct policy_tables *policy, __u32 standing)
{
	return standing == STANDING_SURE ||
	       (standing == STANDING_AUTOBOUND && policy->protect_autobound) ||
	       (standing == STANDING_FIXED && policy->protect_fixed);
}

/* Whether one of the listeners that count for so much is. @shift: the family. */
static inline __attribute__((always_inline)) _Bool
counts_protect(const struct policy_tables *policy, const __u32 *counts, __u32 shift)
{
	for (__u32 standing = 0; standing < STANDING_COUNT; standing++)
		if (standing_protects(policy, standing) && counts[standing] >> shift & 0xffff)
			return 1;
	return 0;
}

#endif
