// SPDX-License-Identifier: BSD-2-Clause
/* Putting a policy into force: all of it is built aside, then one word is switched. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/host.h"
#include "kernel/internal.h"

static struct base *find_base(struct fence *fence, uint32_t ifindex)
{
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].ifindex == ifindex)
			return &fence->bases[i];
	return NULL;
}

/*
 * Gives each interface of the plan its base. The bases of interfaces that left the plan stay taken
 * until they are released, after the switch.
 */
static int assign_bases(struct fence *fence, const struct plan *plan, struct error *error)
{
	for (size_t i = 1; i < BASES_MAX; i++)
		fence->bases[i].wanted = false;
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct host_interface *host = &plan->interfaces[i].host;
		__u8 *entry = &fence->tables->base_of[host->ifindex & (INTERFACE_RESIDUES - 1)];
		struct base *base = find_base(fence, host->ifindex);

		if (!base) {
			base = find_base(fence, 0);
			if (!base || *entry)
				return error_set(error, -E2BIG, "no room for interface %s",
						 host->name);
			base->ifindex = host->ifindex;
		}
		memcpy(base->name, host->name, sizeof(base->name));
		base->ethernet = host->ethernet;
		base->tags_hidden = plan->interfaces[i].vlan_count &&
				    host_keep_vlan_tags(host->name) < 0;
		base->wanted = true;
		*entry = (__u8)(base - fence->bases);
	}
	return 0;
}

static bool slot_is(const struct slot *slot, uint32_t ifindex, uint16_t vlan, enum zone zone)
{
	return slot->used && slot->ifindex == ifindex && slot->vlan == vlan && slot->zone == zone;
}

static int clear_counters(struct fence *fence, __u32 slot)
{
	_cleanup_free_ struct tally *zero = calloc((size_t)fence->possible_cpus, sizeof(*zero));

	if (!zero)
		return -ENOMEM;
	for (size_t row = 0; row <= CPU_ROWS; row++)
		memset(fence->tables->untouched[row][slot], 0,
		       sizeof(fence->tables->untouched[row][slot]));
	for (__u32 i = 0; i < MODE_COUNT * COUNTER_REASONS; i++) {
		const __u32 index = COUNTER_INDEX(slot, 0, 0) + i;

		if (bpf_map_update_elem(bpf_map__fd(fence->live->maps.counters), &index, zero,
					BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* Whether the policy in force, or the one being built, sends frames to the slot. */
static bool slot_in_use(const struct fence *fence, const struct policy_tables *building, __u8 slot)
{
	const struct policy_tables *active = &fence->tables->policy[fence->tables->generation & 1];

	return memchr(active->slot_of, slot, sizeof(active->slot_of)) ||
	       memchr(building->slot_of, slot, sizeof(building->slot_of));
}

/*
 * Finds the slot that counts for this place in this zone, or gives one out: a fresh one while there
 * is one, else that of a place which no policy has any more.
 */
static int find_slot(struct fence *fence, const struct policy_tables *building,
		     const struct base *base, uint16_t vlan, enum zone zone)
{
	struct slot *slots = fence->tables->slots;
	__u8 chosen = 0;

	for (__u8 i = 1; i < SLOTS_MAX; i++)
		if (slot_is(&slots[i], base->ifindex, vlan, zone)) {
			memcpy(slots[i].interface, base->name, sizeof(slots[i].interface));
			return i;
		}
	for (__u8 i = 1; i < SLOTS_MAX && !chosen; i++)
		if (!slots[i].used)
			chosen = i;
	for (__u8 i = 1; i < SLOTS_MAX && !chosen; i++)
		if (!slot_in_use(fence, building, i))
			chosen = i;
	if (!chosen)
		return -E2BIG;
	if (slots[chosen].used) {
		const int code = clear_counters(fence, chosen);

		if (code)
			return code;
	}
	slots[chosen] = (struct slot){
		.ifindex = base->ifindex, .vlan = vlan, .zone = (__u8)zone, .used = 1};
	memcpy(slots[chosen].interface, base->name, sizeof(slots[chosen].interface));
	return chosen;
}

static int fill_slots(struct fence *fence, struct policy_tables *building,
		      const struct plan_interface *interface, struct error *error)
{
	const struct base *base = find_base(fence, interface->host.ifindex);
	__u8 *slot_of = building->slot_of[base - fence->bases];
	int slot = find_slot(fence, building, base, 0, interface->zone);

	if (slot >= 0)
		memset(slot_of, slot, VLAN_IDS);
	for (size_t i = 0; i < interface->vlan_count && slot >= 0 && !base->tags_hidden; i++) {
		const struct plan_vlan *vlan = &interface->vlans[i];

		slot = find_slot(fence, building, base, vlan->vlan, vlan->zone);
		if (slot >= 0)
			slot_of[vlan->vlan] = (__u8)slot;
	}
	if (slot < 0)
		return error_set(error, slot, "no counters left for interface %s: %s",
				 interface->host.name, strerror(-slot));
	return 0;
}

static int build_tables(struct fence *fence, struct policy_tables *building,
			const struct policy *policy, const struct plan *plan, struct error *error)
{
	int code = 0;

	if (policy) {
		memcpy(building->ports, policy->ports, sizeof(building->ports));
		memcpy(building->cluster_of, policy->cluster_of, sizeof(building->cluster_of));
		building->ipv4_lengths = policy->ipv4_lengths;
		building->ipv6_lengths = policy->ipv6_lengths;
		building->mode = policy->mode;
	} else {
		*building = fence->tables->policy[fence->tables->generation & 1];
	}
	memset(building->slot_of, 0, sizeof(building->slot_of));
	for (size_t i = 0; i < plan->interface_count && !code; i++)
		code = fill_slots(fence, building, &plan->interfaces[i], error);
	return code;
}

static void add_state(struct fence *fence, const struct base *base, uint16_t vlan, enum zone zone,
		      const char *problem)
{
	struct interface_state *state = &fence->states[fence->state_count++];

	*state = (struct interface_state){.vlan = vlan, .zone = zone, .attached = base->mode};
	if (vlan)
		snprintf(state->name, sizeof(state->name), "%s.%u", base->name, vlan);
	else
		snprintf(state->name, sizeof(state->name), "%s", base->name);
	snprintf(state->problem, sizeof(state->problem), "%s", problem);
	if (base->link_fd < 0)
		state->attached = ATTACHED_NOT;
}

static void attach_interface(struct fence *fence, const struct plan_interface *interface,
			     enum attach attach)
{
	struct base *base = find_base(fence, interface->host.ifindex);
	char problem[sizeof(fence->states->problem)] = "";

	base_attach(fence, base, attach, problem, sizeof(problem));
	if (interface->zone != ZONE_NONE)
		add_state(fence, base, 0, interface->zone, problem);
	if (base->tags_hidden && !problem[0])
		snprintf(problem, sizeof(problem),
			 "the driver takes VLAN tags out of frames and cannot be told not to "
			 "(ethtool -K %s rxvlan off): this zone is not in force",
			 base->name);
	for (size_t i = 0; i < interface->vlan_count; i++)
		add_state(fence, base, interface->vlans[i].vlan, interface->vlans[i].zone, problem);
}

static int reserve_states(struct fence *fence, const struct plan *plan, struct error *error)
{
	size_t count = 1;
	void *states;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += 1 + plan->interfaces[i].vlan_count;
	states = realloc(fence->states, count * sizeof(*fence->states));
	if (!states)
		return error_set(error, -ENOMEM, "out of memory");
	fence->states = states;
	fence->state_count = 0;
	return 0;
}

/*
 * Stores the peers of the policy being built. The kernel lets every frame that is under way end
 * before the call returns (maybe_wait_bpf_programs() in kernel/bpf/syscall.c), so that no frame
 * still reads the tables aside, which were in force before the last switch.
 */
static int store_peers(const struct fence *fence, __u32 generation, int peers_fd,
		       struct error *error)
{
	if (bpf_map_update_elem(bpf_map__fd(fence->live->maps.peers), &generation, &peers_fd,
				BPF_ANY) < 0)
		return error_set(error, -errno, "cannot store the peers: %s", strerror(errno));
	return 0;
}

/* The switch: from here on every frame on every interface is judged by the new policy. */
static void switch_to(struct fence *fence, __u32 generation, int peers_fd)
{
	__atomic_store_n(&fence->tables->generation, generation, __ATOMIC_SEQ_CST);
	if (fence->peers_fd >= 0)
		close(fence->peers_fd);
	fence->peers_fd = peers_fd;
}

int fence_apply(struct fence *fence, const struct policy *policy, const struct plan *plan,
		enum attach attach, struct error *error)
{
	const __u32 next = !(fence->tables->generation & 1);
	_cleanup_close_ int peers_fd = policy ? peers_create(policy, error)
					      : fcntl(fence->peers_fd, F_DUPFD_CLOEXEC, 0);
	int code;

	if (peers_fd < 0)
		return policy ? peers_fd : error_set(error, -errno, "no policy is in force");
	code = reserve_states(fence, plan, error);
	if (!code)
		code = store_peers(fence, next, peers_fd, error);
	if (!code)
		code = assign_bases(fence, plan, error);
	if (!code)
		code = build_tables(fence, &fence->tables->policy[next], policy, plan, error);
	if (code)
		return code;
	switch_to(fence, next, TAKE_FD(peers_fd));
	for (size_t i = 0; i < plan->interface_count; i++)
		attach_interface(fence, &plan->interfaces[i], attach);
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].ifindex && !fence->bases[i].wanted)
			base_release(fence, &fence->bases[i]);
	return 0;
}

size_t fence_interfaces(struct fence *fence, const struct interface_state **states)
{
	*states = fence->states;
	return fence->state_count;
}

int fence_detach(struct fence *fence, struct error *error)
{
	const int removed = detach_pins(fence->pin_dir, error);

	if (removed < 0)
		return removed;
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].ifindex)
			base_release(fence, &fence->bases[i]);
	fence->state_count = 0;
	return removed;
}
