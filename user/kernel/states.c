// SPDX-License-Identifier: BSD-2-Clause
/* What came of attaching, in words: a row for each interface, VLAN and device that a list names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/internal.h"

struct interface_state *states_allocate(const struct plan *plan)
{
	size_t count = 1;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += 1 + plan->interfaces[i].vlan_count;
	for (size_t i = 0; i < plan->upper_count; i++)
		count += plan->uppers[i].named;
	return calloc(count, sizeof(struct interface_state));
}

static struct interface_state *add_state(struct fence *fence, const char *name, uint16_t vlan,
					 enum zone zone)
{
	struct interface_state *state = &fence->states[fence->state_count++];

	state->vlan = vlan;
	state->zone = zone;
	if (vlan)
		snprintf(state->name, sizeof(state->name), "%s.%u", name, vlan);
	else
		snprintf(state->name, sizeof(state->name), "%s", name);
	return state;
}

static void add_outcome(struct fence *fence, struct interface_state *state, const struct base *base,
			const char *problem)
{
	state->attached = base && base->link_fd >= 0 ? base->mode : ATTACHED_NOT;
	state->not_run = base && base->link_fd >= 0 && base->seen.not_run;
	state->loses_frames = base && base_loses_frames(base);
	state->unreadable = base && base_is_upper(fence, base);
	snprintf(state->problem, sizeof(state->problem), "%s", problem);
	if (base)
		base_describe_mode(base, state->note, sizeof(state->note));
}

void states_add(struct fence *fence, const struct plan_interface *interface,
		const struct base *base, const char *problem)
{
	const char *name = interface->host.name;

	if (interface->zone != ZONE_NONE)
		add_outcome(fence, add_state(fence, name, 0, interface->zone), base, problem);
	for (size_t i = 0; i < interface->vlan_count; i++)
		add_outcome(
			fence,
			add_state(fence, name, interface->vlans[i].vlan, interface->vlans[i].zone),
			base, problem);
}

void states_tell_gate(struct fence *fence)
{
	for (size_t i = 0; i < fence->state_count; i++) {
		struct interface_state *state = &fence->states[i];

		if (!state->unreadable)
			continue;
		state->gated = fence->features.gate;
		memset(state->problem, 0, sizeof(state->problem)); /* states are compared whole */
		if (state->gated)
			snprintf(state->problem, sizeof(state->problem),
				 "gate only: new connections are %s in the TCP stack; other "
				 "segments "
				 "are not judged, since its frames cannot be read",
				 state->zone == ZONE_CLIENT ? "refused" : "judged");
		else
			snprintf(state->problem, sizeof(state->problem),
				 "open: frames of this kind of interface cannot be read (only "
				 "Ethernet, tun, WireGuard and PPP), and there is no gate");
	}
}

/* "eth0.120", or "eth0, eth1"; what does not fit ends in "...". */
static void name_places(struct fence *fence, const struct plan_upper *upper, char *text,
			size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < upper->place_count; i++) {
		const struct plan_place *place = &upper->places[i];
		const struct base *base = base_find(fence, place->ifindex);
		char name[sizeof(fence->states->name)];

		snprintf(name, sizeof(name), place->vlan ? "%s.%u" : "%s", base ? base->name : "?",
			 place->vlan);
		if (used + strlen(name) + sizeof(", ...") > size) {
			snprintf(text + used, size - used, ", ...");
			return;
		}
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "", name);
	}
}

/* Attached where its frames are judged, every one; the mode is the worst of them. */
static void add_upper_outcome(struct fence *fence, const struct plan_upper *upper,
			      struct interface_state *state)
{
	for (size_t i = 0; i < upper->place_count; i++) {
		const struct base *base = base_find(fence, upper->places[i].ifindex);

		if (!base || base->link_fd < 0) {
			state->attached = ATTACHED_NOT;
			snprintf(state->problem, sizeof(state->problem),
				 "no filter on %s, where its frames come in",
				 base ? base->name : "an interface");
			return;
		}
		if (base->mode > state->attached)
			state->attached = base->mode;
	}
	if (!upper->place_count)
		snprintf(state->problem, sizeof(state->problem), "%s",
			 upper->host.kind == DEVICE_VLAN
				 ? "the interface below it gets no filter"
				 : "it has no members that could get the filter: each gets it when "
				   "it joins");
	else if (upper->zone == ZONE_NONE)
		snprintf(state->problem, sizeof(state->problem),
			 "its frames come in through interfaces of several zones, or of none");
	else if (upper->zone != upper->wanted)
		snprintf(state->problem, sizeof(state->problem),
			 "a list puts it into zone %s, but its frames come in through zone %s",
			 zone_name(upper->wanted), zone_name(upper->zone));
}

static bool has_state(const struct fence *fence, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(fence->states[i].name, name))
			return true;
	return false;
}

void states_add_uppers(struct fence *fence, const struct plan *plan)
{
	const size_t count = fence->state_count;

	for (size_t i = 0; i < plan->upper_count; i++) {
		const struct plan_upper *upper = &plan->uppers[i];
		struct interface_state *state;

		/* "eth0.120" may be there already, as a VLAN on eth0. */
		if (!upper->named || has_state(fence, count, upper->host.name))
			continue;
		state = add_state(fence, upper->host.name, 0,
				  upper->zone == ZONE_NONE ? upper->wanted : upper->zone);
		name_places(fence, upper, state->on, sizeof(state->on));
		add_upper_outcome(fence, upper, state);
	}
}

size_t fence_interfaces(struct fence *fence, const struct interface_state **states)
{
	*states = fence->states;
	return fence->state_count;
}
