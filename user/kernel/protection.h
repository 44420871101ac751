/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether a listener's port is protected, by what the tables say: as bpf/policy.h decides for
 * frames. Pure.
 */
#ifndef BEAMFENCE_KERNEL_PROTECTION_H
#define BEAMFENCE_KERNEL_PROTECTION_H

#include <stdbool.h>
#include <string.h>

#include "../bpf/contract_watch.h"

static inline bool port_bit(const __u64 *bits, __u16 port)
{
	return bits[port / 64] >> (port % 64) & 1;
}

/* Bound to a loopback address: it needs no protection and closes nothing. */
static inline bool listener_is_local(const struct listener *listener)
{
	static const __u8 ipv6[16] = {[15] = 1};

	return listener->reach & REACH_BINDING &&
	       (listener->ipv4 ? listener->address[12] == 127
			       : !memcmp(listener->address, ipv6, sizeof(ipv6)));
}

/* By configuration, or for its own sake at its address; one that is local is not asked about. */
static inline bool policy_protects(const struct policy_tables *policy,
				   const struct listener *listener)
{
	if (port_bit(policy->configured, listener->port))
		return true;
	if (port_bit(policy->exempt, listener->port))
		return false;
	return listener->standing == STANDING_SURE ||
	       (listener->standing == STANDING_AUTOBOUND && policy->protect_autobound) ||
	       (listener->standing == STANDING_FIXED && policy->protect_fixed);
}

#endif
