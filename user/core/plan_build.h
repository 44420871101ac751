/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files that build a plan share among themselves. */
#ifndef BEAMFENCE_PLAN_BUILD_H
#define BEAMFENCE_PLAN_BUILD_H

#include "core/plan.h"

/* A rule that fits a place: a device, and a VLAN on it. */
struct offer {
	size_t device; /* its position */
	uint16_t vlan;
	enum rank rank;
	bool of_device; /* the rule names a device that gets the frames; false: the VLAN itself */
	const struct interface_rule *rule;
};

/* What the rules say of a device by its own name. */
struct naming {
	enum rank rank;
	enum zone zone;
};

struct builder {
	const struct config *config;
	const struct plan_hold *holds;
	size_t hold_count;
	struct devices devices;
	struct plan *plan;
	struct naming *named; /* by position */
	struct offer *offers; /* sorted by device, VLAN, rank and zone */
	size_t offer_count, offer_room;
	struct plan_interface **planned; /* by position; NULL: not in the plan */
	bool *ambiguous;		 /* by rule */
};

/* plan_rules.c */
enum rank rule_rank(const struct interface_rule *rule);
/* Zones are numbered from the strictest on. */
bool naming_is_better(enum rank rank, enum zone zone, enum rank than_rank, enum zone than_zone);
bool rule_names(const struct interface_rule *rule, const struct host_interface *host);
int collect_offers(struct builder *builder);

/* plan_holds.c: puts the holds into the plan's interfaces, which are not sorted yet. */
int add_holds(struct builder *builder);

/* plan_uppers.c: adds what has no filter of its own: devices above others, and what is unfenced. */
int add_uppers(struct builder *builder);

#endif
