/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan: a configuration's interface rules, laid over the interfaces that the host has. It says
 * where the filter has to be, what each VLAN faces, and what is left unfenced.
 */
#ifndef BEAMFENCE_PLAN_H
#define BEAMFENCE_PLAN_H

#include "core/config.h"

/* An interface of the host, as the kernel reports it. */
struct host_interface {
	char name[INTERFACE_NAME_SIZE];
	uint32_t ifindex;
	bool loopback;
	bool ethernet;	 /* frames start with an Ethernet header; false: with the IP header */
	bool unreadable; /* frames start with something else: the filter could not read them */
};

struct plan_vlan {
	uint16_t vlan; /* 1..4094 */
	enum zone zone;
};

/* An interface that gets the filter. Untagged frames and VLANs not listed have @zone. */
struct plan_interface {
	struct host_interface host;
	enum zone zone; /* ZONE_NONE: only some of its VLANs are named */
	struct plan_vlan *vlans;
	size_t vlan_count;
	bool no_room; /* beyond INTERFACES_MAX or PLACES_MAX: it gets no filter */
};

struct plan {
	struct plan_interface *interfaces;
	size_t interface_count;
	/* On the host, in no list, and not fenced at a parent. */
	char (*unassigned)[INTERFACE_NAME_SIZE];
	size_t unassigned_count;
	/* Exact names that the host lacks; the configuration owns the rules. */
	const struct interface_rule **absent;
	size_t absent_count;
	/* Rules that lost to an equal one of a stricter zone. */
	const struct interface_rule **ambiguous;
	size_t ambiguous_count;
};

/*
 * Builds the plan. For each interface and VLAN an exact name beats a glob, a glob beats "*", and
 * of equals the stricter zone wins (client, cluster, trusted). Loopback interfaces are skipped.
 * A VLAN entry applies to its parent interface only. An interface of which only VLANs are named is
 * in the plan, with ZONE_NONE. A VLAN device ("eth0.120", where there is an "eth0") needs nothing
 * when its parent's rules cover that VLAN; only a glob that gives it another zone than its parent
 * does puts a filter on the device too. Parents are told by name. Returns 0 and a plan that the
 * caller frees with plan_free() before the configuration, or -ENOMEM. Where there are more
 * interfaces than INTERFACES_MAX, or places than PLACES_MAX, those of stricter zones and then lower
 * indexes come first, and the others are marked: to fence most of a host beats to fence none of it.
 */
int plan_build(const struct config *config, const struct host_interface *host, size_t host_count,
	       struct plan **plan, struct error *error);

void plan_free(struct plan *plan);

#endif
