/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan: a configuration's interface rules, laid over the interfaces that the host has. It says
 * where the filter has to be, what each VLAN faces, and what is left unfenced.
 */
#ifndef BEAMFENCE_PLAN_H
#define BEAMFENCE_PLAN_H

#include "core/config.h"
#include "core/device.h"

/* How well an entry names what it names. The first is the best. */
enum rank { RANK_EXACT, RANK_GLOB, RANK_EVERYTHING, RANK_NONE };

struct plan_vlan {
	uint16_t vlan; /* 1..4094 */
	enum zone zone;
	enum rank rank; /* of the entry that gave the zone */
	bool held;	/* by a hold: no entry gives this zone */
};

/*
 * A place that was fenced under an earlier name of a device. It stays in its zone though the
 * entries no longer say so, unless they put it into a stricter zone, name it exactly, or name it
 * better.
 */
struct plan_hold {
	uint32_t ifindex;
	uint16_t vlan; /* 0: untagged, and VLANs that are not listed */
	enum zone zone;
	enum rank rank;			/* of the entry that gave the zone */
	char name[INTERFACE_NAME_SIZE]; /* of the interface at that time */
};

/* An interface that gets the filter. Untagged frames and VLANs not listed have @zone. */
struct plan_interface {
	struct host_interface host;
	enum zone zone; /* ZONE_NONE: only some of its VLANs have one */
	enum rank rank; /* as of a VLAN, and so is this: */
	bool held;
	struct plan_vlan *vlans;
	size_t vlan_count;
	/*
	 * Beyond INTERFACES_MAX or PLACES_MAX; or, where its frames cannot be read, UPPERS_MAX: it
	 * gets no filter, or the gate does not know it.
	 */
	bool no_room;
};

/* Whether it gets the filter; or else whether the gate alone judges its new connections. */
bool plan_interface_has_filter(const struct plan_interface *interface);
bool plan_interface_is_gated(const struct plan_interface *interface);

/* Where frames are judged: on an interface of the plan, as they come there. */
struct plan_place {
	uint32_t ifindex;
	uint16_t vlan; /* 0: untagged, or in a VLAN that is not listed */
	enum zone zone;
};

/*
 * A device that gets no filter, because all its frames are judged on other devices: a VLAN device,
 * a bond or VRF, or a bridge or macvlan that no list names, on those below it; a failover master's
 * port on that.
 */
struct plan_upper {
	struct host_interface host;
	bool named; /* by a list */
	/* That of every place; ZONE_NONE where they differ, or there is none (@places tell). */
	enum zone zone;
	enum zone wanted; /* of the lists, where @named */
	struct plan_place *places;
	size_t place_count;
	bool no_room; /* beyond UPPERS_MAX: the tables do not know it */
};

struct plan {
	uint16_t config_mark;
	struct plan_interface *interfaces; /* lower devices before those above them */
	size_t interface_count;
	struct plan_upper *uppers;
	size_t upper_count;
	/* On the host, in no list, and not fenced below. */
	char (*unassigned)[INTERFACE_NAME_SIZE];
	size_t unassigned_count;
	/* Exact names that the host lacks; the configuration owns the rules. */
	const struct interface_rule **absent;
	size_t absent_count;
	struct plan_hold *held; /* those that made a difference */
	size_t held_count;
	/* Rules that lost to an equal one of a stricter zone. */
	const struct interface_rule **ambiguous;
	size_t ambiguous_count;
};

/*
 * Builds the plan for the devices of @host, which are sorted by index. A rule holds for the places
 * where the frames of the device that it names are judged (see devices_visit()): "vlan120" for that
 * VLAN on its lower device, "bond0" and a VRF for all members, "bond0.120" for that VLAN on each.
 * For each place an exact name beats a glob, a glob beats "*", and of equals the stricter zone wins
 * (client, cluster, trusted); but a glob that names a VLAN device never makes that VLAN looser than
 * an interface below it that is better named. Loopback interfaces are skipped. A glob with a VLAN
 * does not reach into VLAN devices. An interface of which only VLANs are named is in the plan, with
 * ZONE_NONE. Returns 0 and a plan that the caller frees with plan_free() before the configuration,
 * or -ENOMEM. Where there are more interfaces than INTERFACES_MAX, or places than PLACES_MAX, those
 * of stricter zones and then lower indexes come first, and the others are marked: to fence most of
 * a host beats to fence none of it. So it is with UPPERS_MAX, which interfaces without a filter of
 * their own share: first come those whose frames cannot be read.
 */
int plan_build(const struct config *config, const struct host_interface *host, size_t host_count,
	       struct plan **plan, struct error *error);

/* The same, with places that stay in their zones; of one device that of VLAN 0 comes first. */
int plan_build_held(const struct config *config, const struct host_interface *host,
		    size_t host_count, const struct plan_hold *holds, size_t hold_count,
		    struct plan **plan, struct error *error);

/*
 * The places of a plan that were meant to be fenced, and listed VLANs besides, as holds: what they
 * are in case that a device is renamed. Returns the length of a list for the caller to free(), or
 * -ENOMEM.
 */
int plan_places(const struct plan *plan, struct plan_hold **places);

/*
 * Which of @places, those of another plan or of an earlier agent, are to be held in @plan, because
 * that would be looser. Returns the length of a list for the caller to free(), or -ENOMEM.
 */
int plan_find_holds(const struct plan *plan, const struct plan_hold *places, size_t place_count,
		    struct plan_hold **holds);

/* Whether an entry fits an interface of that name, or a VLAN on it, by the name alone. */
bool plan_rule_fits(const struct interface_rule *rule, const char *name);

/* How well an entry names an interface of that name, or a VLAN on it; RANK_NONE where none does. */
enum rank plan_rank(const struct config *config, const char *name, uint16_t vlan);

/* Whether two plans of one configuration ask for the same. */
bool plan_equal(const struct plan *a, const struct plan *b);

void plan_free(struct plan *plan);

#endif
