// SPDX-License-Identifier: BSD-2-Clause
#include "core/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/plan.h"

static const struct {
	const char *name;
	const char *text;
	enum verdict verdict;
} reasons[] = {
#define REASON_ROW(id, name, verdict, text) [REASON_##id] = {name, text, VERDICT_##verdict},
	REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *zone_name(enum zone zone)
{
	static const char *const names[] = {"none", "client", "cluster", "trusted"};

	return zone < ZONE_COUNT ? names[zone] : "?";
}

const char *mode_name(enum mode mode)
{
	return mode == MODE_AUDIT ? "audit" : "enforce";
}

const char *verdict_name(enum verdict verdict)
{
	return verdict == VERDICT_DROP ? "drop" : "pass";
}

const char *reason_name(enum reason reason)
{
	return reason < REASON_COUNT ? reasons[reason].name : "?";
}

const char *reason_text(enum reason reason)
{
	return reason < REASON_COUNT ? reasons[reason].text : "?";
}

bool reason_is_drop(enum reason reason)
{
	return reason < REASON_COUNT && reasons[reason].verdict == VERDICT_DROP;
}

const char *attach_mode_name(enum attach_mode mode)
{
	static const char *const names[] = {"none", "native", "generic"};

	return names[mode];
}

static void set_absent(struct interface_state *state, const struct interface_rule *rule)
{
	*state = (struct interface_state){.vlan = rule->vlan, .zone = rule->zone, .absent = true};
	snprintf(state->name, sizeof(state->name), rule->vlan ? "%s.%u" : "%s", rule->pattern,
		 rule->vlan);
	snprintf(state->problem, sizeof(state->problem), "there is no such interface");
}

int snapshot_list_interfaces(struct snapshot *snapshot, const struct interface_state *states,
			     size_t count, const struct plan *plan)
{
	struct interface_state *list = calloc(count + plan->absent_count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	if (count)
		memcpy(list, states, count * sizeof(*list));
	for (size_t i = 0; i < plan->absent_count; i++)
		set_absent(&list[count++], plan->absent[i]);
	snapshot->interfaces = list;
	snapshot->interface_count = count;
	return 0;
}

uint64_t snapshot_ports(const struct snapshot *snapshot)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < PORT_COUNTS; i++)
		sum += snapshot->ports[i].count;
	return sum;
}

uint64_t snapshot_peers(const struct snapshot *snapshot)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < snapshot->cluster_count; i++)
		sum += snapshot->peers[i].ipv4 + snapshot->peers[i].ipv6;
	return sum;
}

void snapshot_free(struct snapshot *snapshot)
{
	free(snapshot->interfaces);
	free(snapshot->reattachments);
	free(snapshot->counters);
	problems_free(&snapshot->problems);
	*snapshot = (struct snapshot){};
}
