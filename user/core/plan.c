// SPDX-License-Identifier: BSD-2-Clause
#include "core/plan.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

enum rank { RANK_EXACT, RANK_GLOB, RANK_EVERYTHING, RANK_NONE };

/* The best rule so far for an interface, or for one VLAN on it. */
struct choice {
	enum rank rank; /* RANK_NONE: no rule */
	enum zone zone;
};

/* What the rules say of an interface: of[0] of itself, the others of its VLANs. */
struct choices {
	struct choice of[VLAN_IDS];
};

struct builder {
	const struct config *config;
	const struct host_interface *host;
	size_t host_count;
	struct plan *plan;
	bool *ambiguous; /* by rule */
	struct choices own;
	struct choices below;
};

static enum rank pattern_rank(const char *pattern)
{
	if (!strpbrk(pattern, "*?["))
		return RANK_EXACT;
	return pattern[strspn(pattern, "*")] ? RANK_GLOB : RANK_EVERYTHING;
}

/*
 * How a rule fits an interface, RANK_NONE when it does not. @vlan_device: it is called "eth0.120",
 * and the host has an "eth0".
 */
static enum rank rule_rank(const struct interface_rule *rule, const struct host_interface *host,
			   bool vlan_device)
{
	enum rank rank = pattern_rank(rule->pattern);

	if (rule->vlan && !host->ethernet)
		return RANK_NONE;
	if (rank == RANK_EXACT)
		return strcmp(rule->pattern, host->name) ? RANK_NONE : rank;
	/* A VLAN within a VLAN is meant only where the outer one is spelt out. */
	if (rule->vlan && vlan_device)
		return RANK_NONE;
	return fnmatch(rule->pattern, host->name, FNM_NOESCAPE) ? RANK_NONE : rank;
}

/* Zones are numbered from the strictest on. */
static bool better(enum rank rank, enum zone zone, const struct choice *than)
{
	return rank < than->rank || (rank == than->rank && zone < than->zone);
}

static void choose(const struct builder *builder, const struct host_interface *host,
		   bool vlan_device, struct choices *choices)
{
	for (size_t i = 0; i < VLAN_IDS; i++)
		choices->of[i] = (struct choice){.rank = RANK_NONE, .zone = ZONE_NONE};
	for (size_t i = 0; i < builder->config->interface_count; i++) {
		const struct interface_rule *rule = &builder->config->interfaces[i];
		enum rank rank = rule_rank(rule, host, vlan_device);
		struct choice *choice = &choices->of[rule->vlan];

		if (rank != RANK_NONE && better(rank, rule->zone, choice))
			*choice = (struct choice){.rank = rank, .zone = rule->zone};
	}
}

static void mark_ambiguous(const struct builder *builder, const struct host_interface *host,
			   bool vlan_device)
{
	for (size_t i = 0; i < builder->config->interface_count; i++) {
		const struct interface_rule *rule = &builder->config->interfaces[i];
		const struct choice *choice = &builder->own.of[rule->vlan];
		enum rank rank = rule_rank(rule, host, vlan_device);

		if (rank != RANK_NONE && rank == choice->rank && rule->zone != choice->zone)
			builder->ambiguous[i] = true;
	}
}

static const struct host_interface *find_host(const struct builder *builder, const char *name,
					      size_t length)
{
	for (size_t i = 0; i < builder->host_count; i++)
		if (strlen(builder->host[i].name) == length &&
		    !memcmp(builder->host[i].name, name, length))
			return &builder->host[i];
	return NULL;
}

/* The interface that @host is a VLAN of, going by its name ("eth0.120"), or NULL. */
static const struct host_interface *find_parent(const struct builder *builder,
						const struct host_interface *host, unsigned *vlan)
{
	const char *dot = strrchr(host->name, '.');
	unsigned long id;
	char *end;

	if (!dot || dot[1] < '1' || dot[1] > '9')
		return NULL;
	id = strtoul(dot + 1, &end, 10);
	if (*end || id >= VLAN_IDS - 1)
		return NULL;
	*vlan = (unsigned)id;
	return find_host(builder, host->name, (size_t)(dot - host->name));
}

/*
 * Whether the frames of a VLAN device are judged on their way through an interface below it, so
 * that the device itself needs nothing: a VLAN rule there that is as good as the device's own, the
 * same zone there, or any zone there when the device has none. A device in the middle ("eth0.1"
 * below "eth0.1.2") may itself owe its zone to the one below, so sameness with it proves nothing.
 */
static bool covered_below(struct builder *builder, const struct host_interface *host)
{
	const struct choice *own = &builder->own.of[0];
	unsigned vlan = 0, next_vlan = 0;
	const struct host_interface *below = find_parent(builder, host, &vlan), *next;

	for (; below && below->ethernet && !below->loopback; below = next, vlan = next_vlan) {
		const struct choice *listed = &builder->below.of[vlan];
		enum zone zone;

		next = find_parent(builder, below, &next_vlan);
		choose(builder, below, next != NULL, &builder->below);
		zone = listed->rank != RANK_NONE ? listed->zone : builder->below.of[0].zone;
		if (listed->rank != RANK_NONE && !better(own->rank, own->zone, listed))
			return true;
		if (own->rank != RANK_NONE)
			return !next && own->zone == zone;
		if (zone != ZONE_NONE)
			return true;
	}
	return false;
}

static size_t count_vlans(const struct choices *choices)
{
	size_t count = 0;

	for (size_t vlan = 1; vlan < VLAN_IDS; vlan++)
		count += choices->of[vlan].rank != RANK_NONE;
	return count;
}

static int add_interface(struct plan *plan, const struct host_interface *host,
			 const struct choices *choices, enum zone zone, size_t vlan_count)
{
	struct plan_interface *added = &plan->interfaces[plan->interface_count];

	added->vlans = calloc(vlan_count + 1, sizeof(*added->vlans));
	if (!added->vlans)
		return -ENOMEM;
	plan->interface_count++;
	added->host = *host;
	added->zone = zone;
	for (uint16_t vlan = 1; vlan < VLAN_IDS; vlan++)
		if (choices->of[vlan].rank != RANK_NONE)
			added->vlans[added->vlan_count++] =
				(struct plan_vlan){.vlan = vlan, .zone = choices->of[vlan].zone};
	return 0;
}

static int plan_interface(struct builder *builder, const struct host_interface *host)
{
	struct plan *plan = builder->plan;
	enum zone zone;
	unsigned vlan;
	size_t vlan_count;
	bool vlan_device, covered;

	if (host->loopback)
		return 0;
	vlan_device = find_parent(builder, host, &vlan) != NULL;
	choose(builder, host, vlan_device, &builder->own);
	covered = covered_below(builder, host);
	vlan_count = count_vlans(&builder->own);
	zone = covered ? ZONE_NONE : builder->own.of[0].zone;
	if (!covered)
		mark_ambiguous(builder, host, vlan_device);
	if (zone != ZONE_NONE || vlan_count)
		return add_interface(plan, host, &builder->own, zone, vlan_count);
	if (!covered)
		memcpy(plan->unassigned[plan->unassigned_count++], host->name, sizeof(host->name));
	return 0;
}

static void list_rules(const struct builder *builder)
{
	const struct config *config = builder->config;
	struct plan *plan = builder->plan;

	for (size_t i = 0; i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];

		if (pattern_rank(rule->pattern) == RANK_EXACT &&
		    !find_host(builder, rule->pattern, strlen(rule->pattern)))
			plan->absent[plan->absent_count++] = rule;
		if (builder->ambiguous[i])
			plan->ambiguous[plan->ambiguous_count++] = rule;
	}
}

static void make_room(struct plan *plan)
{
	static const enum zone order[] = {ZONE_CLIENT, ZONE_CLUSTER, ZONE_TRUSTED, ZONE_NONE};
	size_t interfaces = 0, places = 0;

	for (size_t zone = 0; zone < sizeof(order) / sizeof(order[0]); zone++)
		for (size_t i = 0; i < plan->interface_count; i++) {
			struct plan_interface *interface = &plan->interfaces[i];
			const size_t needed = 1 + interface->vlan_count;

			if (interface->zone != order[zone])
				continue;
			interface->no_room = interfaces == INTERFACES_MAX ||
					     places + needed > PLACES_MAX;
			interfaces += !interface->no_room;
			places += interface->no_room ? 0 : needed;
		}
}

static void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}

static struct plan *allocate_plan(size_t host_count, size_t rule_count)
{
	_cleanup_(cleanup_plan) struct plan *plan = calloc(1, sizeof(*plan));

	if (!plan)
		return NULL;
	plan->interfaces = calloc(host_count + 1, sizeof(*plan->interfaces));
	plan->unassigned = calloc(host_count + 1, sizeof(*plan->unassigned));
	plan->absent = calloc(rule_count + 1, sizeof(struct interface_rule *));
	plan->ambiguous = calloc(rule_count + 1, sizeof(struct interface_rule *));
	if (!plan->interfaces || !plan->unassigned || !plan->absent || !plan->ambiguous)
		return NULL;
	return TAKE_POINTER(plan);
}

int plan_build(const struct config *config, const struct host_interface *host, size_t host_count,
	       struct plan **plan, struct error *error)
{
	_cleanup_(cleanup_plan) struct plan *built = allocate_plan(host_count,
								   config->interface_count);
	_cleanup_free_ bool *ambiguous = calloc(config->interface_count + 1, sizeof(*ambiguous));
	_cleanup_free_ struct builder *builder = calloc(1, sizeof(*builder));

	if (!built || !ambiguous || !builder)
		return error_set(error, -ENOMEM, "out of memory for the plan");
	builder->config = config;
	builder->host = host;
	builder->host_count = host_count;
	builder->plan = built;
	builder->ambiguous = ambiguous;
	for (size_t i = 0; i < host_count; i++)
		if (plan_interface(builder, &host[i]) < 0)
			return error_set(error, -ENOMEM, "out of memory for the plan");
	list_rules(builder);
	make_room(built);
	*plan = TAKE_POINTER(built);
	return 0;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->interface_count; i++)
		free(plan->interfaces[i].vlans);
	free(plan->interfaces);
	free(plan->unassigned);
	free(plan->absent);
	free(plan->ambiguous);
	free(plan);
}
