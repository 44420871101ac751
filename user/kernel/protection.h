/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a listener's port is protected, by what the tables say. Pure. */
#ifndef BEAMFENCE_KERNEL_PROTECTION_H
#define BEAMFENCE_KERNEL_PROTECTION_H

#include <stdbool.h>
#include <string.h>

#include "../bpf/protect.h"

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
	const enum protection protection = port_protection(policy, listener->port);

	return protection == PROTECTION_CONFIGURED ||
	       (protection == PROTECTION_LISTENERS &&
		standing_protects(policy, listener->standing));
}

#endif
