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

static bool has_filter(const struct plan_interface *interface)
{
	return !interface->no_room && !interface->host.unreadable;
}

static void release_unwanted(struct fence *fence)
{
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].ifindex && !fence->bases[i].wanted)
			base_release(fence, &fence->bases[i]);
}

/*
 * Gives each interface of the plan its base. Interfaces that left the plan keep theirs until the
 * switch is done: there is room for twice as many as can be planned.
 */
static int assign_base(struct fence *fence, const struct plan_interface *interface,
		       struct error *error)
{
	const struct host_interface *host = &interface->host;
	__u8 *entry = &fence->tables->base_of[host->ifindex & (INTERFACE_RESIDUES - 1)];
	struct base *base = find_base(fence, host->ifindex);

	if (!base) {
		base = find_base(fence, 0);
		if (!base || *entry)
			return error_set(error, -E2BIG, "no room for interface %s", host->name);
		base->ifindex = host->ifindex;
		/* Of an interface that is gone: in the policy in force this one has no zone yet. */
		memset(fence->tables->policy[fence->tables->generation & 1]
			       .slot_of[base - fence->bases],
		       0, VLAN_IDS);
	}
	memcpy(base->name, host->name, sizeof(base->name));
	base->ethernet = host->ethernet;
	base->tags_hidden = interface->vlan_count && host_keep_vlan_tags(host->name) < 0;
	base->wanted = true;
	*entry = (__u8)(base - fence->bases);
	return 0;
}

static int assign_bases(struct fence *fence, const struct plan *plan, struct error *error)
{
	int code = 0;

	for (size_t i = 1; i < BASES_MAX; i++)
		fence->bases[i].wanted = false;
	for (size_t i = 0; i < plan->interface_count && !code; i++)
		if (has_filter(&plan->interfaces[i]))
			code = assign_base(fence, &plan->interfaces[i], error);
	return code;
}

/* By name: an interface that is made anew goes on with the counters of the one before it. */
static bool slot_is(const struct slot *slot, const struct base *base, uint16_t vlan, enum zone zone)
{
	return slot->used && slot->vlan == vlan && slot->zone == zone &&
	       !strncmp(slot->interface, base->name, sizeof(slot->interface));
}

static int clear_counters(struct fence *fence, __u32 slot)
{
	_cleanup_free_ struct tally *zero = calloc((size_t)fence->possible_cpus, sizeof(*zero));

	if (!zero)
		return -ENOMEM;
	for (size_t row = 0; row <= CPU_ROWS; row++)
		memset(fence->tables->untouched[row][slot], 0,
		       sizeof(fence->tables->untouched[row][slot]));
	memset(fence->tables->carried[slot], 0, sizeof(fence->tables->carried[slot]));
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

	for (unsigned int i = 1; i < SLOTS_MAX; i++)
		if (slot_is(&slots[i], base, vlan, zone)) {
			slots[i].ifindex = base->ifindex;
			return (int)i;
		}
	for (unsigned int i = 1; i < SLOTS_MAX && !chosen; i++)
		if (!slots[i].used)
			chosen = (__u8)i;
	for (unsigned int i = 1; i < SLOTS_MAX && !chosen; i++)
		if (!slot_in_use(fence, building, (__u8)i))
			chosen = (__u8)i;
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

/*
 * Suspects are the configured ports and those of listeners. First the old ones are cleared, then
 * the counts are read: a listener that comes meanwhile either finds its bit cleared and sets it, or
 * is in the counts (see protect() in bpf/listeners.bpf.c).
 */
static void suspect_ports(const struct fence *fence, struct policy_tables *building)
{
	memcpy(building->suspects, building->configured, sizeof(building->suspects));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (size_t port = 0; port < PORTS; port++) {
		const struct port_listeners *counts = &fence->tables->listeners[port];

		if (counts->epmd || counts->autobound || fence->tables->claimed[port])
			fence_suspect(building, (uint16_t)port);
	}
}

static int build_tables(struct fence *fence, struct policy_tables *building,
			const struct policy *policy, const struct plan *plan, struct error *error)
{
	int code = 0;

	if (policy) {
		memcpy(building->configured, policy->ports, sizeof(building->configured));
		memcpy(building->exempt, policy->exempt, sizeof(building->exempt));
		memcpy(building->cluster_of, policy->cluster_of, sizeof(building->cluster_of));
		building->ipv4_lengths = policy->ipv4_lengths;
		building->ipv6_lengths = policy->ipv6_lengths;
		memcpy(building->cluster_names, policy->cluster_names,
		       sizeof(building->cluster_names));
		building->mode = policy->mode;
		building->protect_autobound = policy->protect_autobound;
	} else {
		*building = fence->tables->policy[fence->tables->generation & 1];
	}
	suspect_ports(fence, building);
	memset(building->slot_of, 0, sizeof(building->slot_of));
	for (size_t i = 0; i < plan->interface_count && !code; i++)
		if (has_filter(&plan->interfaces[i]))
			code = fill_slots(fence, building, &plan->interfaces[i], error);
	return code;
}

static void add_state(struct fence *fence, const struct plan_interface *interface, uint16_t vlan,
		      enum zone zone, const struct base *base, const char *problem)
{
	struct interface_state *state = &fence->states[fence->state_count++];

	*state = (struct interface_state){.vlan = vlan, .zone = zone};
	state->attached = base && base->link_fd >= 0 ? base->mode : ATTACHED_NOT;
	if (vlan)
		snprintf(state->name, sizeof(state->name), "%s.%u", interface->host.name, vlan);
	else
		snprintf(state->name, sizeof(state->name), "%s", interface->host.name);
	snprintf(state->problem, sizeof(state->problem), "%s", problem);
}

static void attach_base(struct fence *fence, struct base *base, enum attach attach, char *problem,
			size_t problem_size)
{
	base_attach(fence, base, attach, problem, problem_size);
	if (base->tags_hidden && !problem[0])
		snprintf(problem, problem_size,
			 "VLAN tags are taken out of frames before the filter sees them, and %s "
			 "cannot be told not to: zones of its VLANs are not in force",
			 base->name);
}

/*
 * Before the switch, so that it is the switch that fences new interfaces too: until then the
 * program finds no zone for them. (One that is attached already may run an earlier agent's program
 * over other tables: that has to wait for the policy.)
 */
static void attach_new_interfaces(struct fence *fence, enum attach attach)
{
	char problem[sizeof(fence->states->problem)];

	for (size_t i = 1; i < BASES_MAX; i++) {
		struct base *base = &fence->bases[i];

		if (base->ifindex && base->wanted && !base_is_attached(base))
			base_attach(fence, base, attach, problem, sizeof(problem));
	}
}

static void attach_interface(struct fence *fence, const struct plan_interface *interface,
			     enum attach attach)
{
	char problem[sizeof(fence->states->problem)] = "";
	struct base *base = NULL;

	if (interface->no_room) {
		snprintf(problem, sizeof(problem),
			 "no room: at most %d interfaces (%d with their VLANs) get the filter; "
			 "name fewer",
			 INTERFACES_MAX, PLACES_MAX);
	} else if (interface->host.unreadable) {
		snprintf(problem, sizeof(problem),
			 "frames of this kind of interface cannot be read (only Ethernet, tun, "
			 "WireGuard and PPP)");
	} else {
		base = find_base(fence, interface->host.ifindex);
		attach_base(fence, base, attach, problem, sizeof(problem));
	}
	if (interface->zone != ZONE_NONE)
		add_state(fence, interface, 0, interface->zone, base, problem);
	for (size_t i = 0; i < interface->vlan_count; i++)
		add_state(fence, interface, interface->vlans[i].vlan, interface->vlans[i].zone,
			  base, problem);
}

static struct interface_state *allocate_states(const struct plan *plan)
{
	size_t count = 1;

	for (size_t i = 0; i < plan->interface_count; i++)
		count += 1 + plan->interfaces[i].vlan_count;
	return calloc(count, sizeof(struct interface_state));
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
	_cleanup_free_ struct interface_state *states = allocate_states(plan);
	_cleanup_close_ int peers_fd = policy ? peers_create(policy, error)
					      : fcntl(fence->peers_fd, F_DUPFD_CLOEXEC, 0);
	int code;

	if (!states)
		return error_set(error, -ENOMEM, "out of memory");
	if (peers_fd < 0)
		return policy ? peers_fd : error_set(error, -errno, "no policy is in force");
	code = store_peers(fence, next, peers_fd, error);
	if (!code)
		code = assign_bases(fence, plan, error);
	if (!code)
		code = build_tables(fence, &fence->tables->policy[next], policy, plan, error);
	if (code)
		return code;
	attach_new_interfaces(fence, attach);
	switch_to(fence, next, TAKE_FD(peers_fd));
	free(fence->states);
	fence->states = TAKE_POINTER(states);
	fence->state_count = 0;
	for (size_t i = 0; i < plan->interface_count; i++)
		attach_interface(fence, &plan->interfaces[i], attach);
	release_unwanted(fence);
	/* Again, only to wait: frames that the old program still has are counted before they are
	 * read. */
	code = fence->succeeding ? store_peers(fence, next, fence->peers_fd, error) : 0;
	if (code)
		return code;
	code = fence_succeed(fence);
	return code ? error_set(error, code, "cannot give the pins below %s their names: %s",
				fence->pin_dir, strerror(-code))
		    : 0;
}

int fence_retry(struct fence *fence, enum attach attach)
{
	char problem[sizeof(fence->states->problem)];
	int attached = 0;

	for (size_t i = 1; i < BASES_MAX; i++) {
		struct base *base = &fence->bases[i];

		if (!base->ifindex || !base->wanted || base_is_attached(base))
			continue;
		base_attach(fence, base, attach, problem, sizeof(problem));
		attached += base->link_fd >= 0;
	}
	return attached;
}

bool fence_is_whole(const struct fence *fence)
{
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].ifindex && fence->bases[i].wanted &&
		    !base_is_attached(&fence->bases[i]))
			return false;
	return true;
}

size_t fence_interfaces(struct fence *fence, const struct interface_state **states)
{
	*states = fence->states;
	return fence->state_count;
}

int fence_detach(struct fence *fence, struct error *error)
{
	const int removed = detach_pins_locked(fence->pin_dir, error);

	if (removed < 0)
		return removed;
	for (size_t i = 1; i < BASES_MAX; i++)
		fence->bases[i].wanted = false;
	release_unwanted(fence);
	fence->state_count = 0;
	return removed;
}
