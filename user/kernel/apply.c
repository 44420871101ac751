// SPDX-License-Identifier: BSD-2-Clause
/* Putting a policy into force: all of it is built aside, then one word is switched. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/internal.h"

/*
 * Suspects are the configured ports and those of listeners. First the old ones are cleared, then
 * the counts are read: a listener that comes meanwhile either finds its bit cleared and sets it, or
 * is in the counts (see suspect() in bpf/counts.h).
 */
static void suspect_ports(const struct fence *fence, __u32 generation)
{
	const struct policy_tables *building = &fence->tables->policy[generation];
	struct namespace_tables *here = &fence->tables->here;

	memcpy(here->suspects[generation], building->configured, sizeof(building->configured));
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (size_t port = 0; port < PORTS; port++) {
		const __u32 *counts = here->listeners[port].counts;
		const __u64 bit = 1ull << (port % 64);

		if (building->exempt[port / 64] & bit)
			continue;
		if (counts[STANDING_SURE] ||
		    (counts[STANDING_AUTOBOUND] && building->protect_autobound) ||
		    (counts[STANDING_FIXED] && building->protect_fixed) ||
		    here->bound[port / 64] & bit)
			fence_suspect(fence->tables, generation, (uint16_t)port);
	}
}

static int build_tables(struct fence *fence, __u32 generation, const struct policy *policy,
			const struct plan *plan, struct error *error)
{
	struct policy_tables *building = &fence->tables->policy[generation];

	memcpy(building->configured, policy->ports, sizeof(building->configured));
	memcpy(building->exempt, policy->exempt, sizeof(building->exempt));
	memcpy(building->cluster_of, policy->cluster_of, sizeof(building->cluster_of));
	building->ipv4_lengths = policy->ipv4_lengths;
	building->ipv6_lengths = policy->ipv6_lengths;
	memcpy(building->cluster_names, policy->cluster_names, sizeof(building->cluster_names));
	building->mode = policy->mode;
	building->protect_autobound = policy->protect_autobound;
	building->protect_fixed = policy->protect_fixed;
	suspect_ports(fence, generation);
	memset(building->slot_of, 0, sizeof(building->slot_of));
	memset(building->upper_slot_of, 0, sizeof(building->upper_slot_of));
	return rows_fill(fence, building, plan, error);
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
	else if (base->link_fd >= 0 && (!problem[0] || base_loses_frames(base)))
		base_describe(base, problem, problem_size);
}

static void say_not_known(const struct plan_interface *interface, char *problem, size_t size)
{
	if (!interface->no_room)
		snprintf(problem, size,
			 "another interface has the same index modulo %d: make this one anew",
			 INTERFACE_RESIDUES);
	else if (interface->host.unreadable)
		snprintf(problem, size,
			 "no room: the gate is told of at most %d interfaces whose frames cannot "
			 "be read; name fewer",
			 UPPERS_MAX);
	else
		snprintf(problem, size,
			 "no room: at most %d interfaces (%d with their VLANs) get the filter; "
			 "name fewer",
			 INTERFACES_MAX, PLACES_MAX);
}

static void attach_interface(struct fence *fence, const struct plan_interface *interface,
			     enum attach attach)
{
	char problem[sizeof(fence->states->problem)] = "";
	struct base *base = interface->no_room ? NULL : base_find(fence, interface->host.ifindex);

	if (base && plan_interface_has_filter(interface) && !base_is_upper(fence, base))
		attach_base(fence, base, attach, problem, sizeof(problem));
	else if (!base)
		say_not_known(interface, problem, sizeof(problem));
	states_add(fence, interface, base, problem);
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

		if (base->ifindex && base->wanted && base->link_fd < 0)
			base_attach(fence, base, attach, problem, sizeof(problem));
	}
}

/* All that follows when the tables are as the plan wants them. */
static void attach_all(struct fence *fence, const struct plan *plan, enum attach attach,
		       struct interface_state *states)
{
	struct interface_state *before = fence->states;
	const size_t before_count = fence->state_count;

	fence->states = states;
	fence->state_count = 0;
	for (size_t i = 0; i < plan->interface_count; i++)
		attach_interface(fence, &plan->interfaces[i], attach);
	states_add_uppers(fence, plan);
	states_tell_gate(fence);
	for (size_t i = 1; i < ALL_BASES; i++)
		if (fence->bases[i].ifindex && !fence->bases[i].wanted)
			base_release(fence, &fence->bases[i]);
	fence->states_changed = before_count != fence->state_count ||
				memcmp(before, states, before_count * sizeof(*states));
	free(before);
}

/* The switch: from here on every frame on every interface is judged by the new policy. */
static void switch_to(struct fence *fence, __u32 generation, int peers_fd)
{
	__atomic_store_n(&fence->tables->generation, generation, __ATOMIC_SEQ_CST);
	if (fence->peers_fd >= 0)
		close(fence->peers_fd);
	fence->peers_fd = peers_fd;
}

/* Where the wait fails they stay until the next policy takes their place. */
static void forget_former_peers(struct fence *fence)
{
	if (!fence_wait_for_frames(fence))
		peers_forget_aside(fence);
}

/*
 * The same policy for other interfaces. Nothing is built aside: it is a byte of the table in force
 * that a frame is judged by, and each is right before and after it is written. So a new interface
 * does not wait for frames that are under way on others.
 */
static int apply_plan(struct fence *fence, const struct plan *plan, struct error *error)
{
	if (fence->peers_fd < 0)
		return error_set(error, -EINVAL, "no policy is in force");
	bases_assign(fence, plan);
	return rows_fill(fence, &fence->tables->policy[fence->tables->generation & 1], plan, error);
}

/* Everything of the policy, beside the one in force. */
static int build_aside(struct fence *fence, __u32 next, int peers_fd, const struct policy *policy,
		       const struct plan *plan, struct error *error)
{
	int code = peers_store(fence, next, peers_fd, error);

	if (code)
		return code;
	bases_assign(fence, plan);
	code = sieve_build(fence, next, policy, error);
	if (!code) {
		fence->next_peers_fd = peers_fd;
		code = build_tables(fence, next, policy, plan, error);
		if (!code && watch_assign_bindings(fence, next, policy))
			code = error_set(error, -EIO, "cannot assign clusters to listeners");
		fence->next_peers_fd = -1;
	}
	if (code)
		peers_forget_aside(fence);
	return code;
}

/* Shows the policy aside to who wants to see it first. */
static int review_aside(struct fence *fence, const struct fence_review *review, struct error *error)
{
	struct fence_cuts cuts;
	int code = cuts_find(fence, true, &cuts, error);

	code = review->look(review->context, &cuts, code, error);
	fence_cuts_free(&cuts);
	return code;
}

/* Of what is not going to be switched: no frame has been counted in slots that are new. */
static void forget_aside(struct fence *fence, const bool used[static SLOTS_MAX])
{
	peers_forget_aside(fence);
	for (size_t i = 1; i < SLOTS_MAX; i++)
		if (!used[i])
			fence->tables->host.slots[i] = (struct slot){};
}

static int apply_policy(struct fence *fence, const struct policy *policy, const struct plan *plan,
			enum attach attach, const struct fence_review *review, struct error *error)
{
	const __u32 next = !(fence->tables->generation & 1);
	_cleanup_close_ int peers_fd = peers_create(policy, error);
	bool used[SLOTS_MAX];
	int code;

	if (peers_fd < 0)
		return peers_fd;
	for (size_t i = 0; i < SLOTS_MAX; i++)
		used[i] = fence->tables->host.slots[i].used;
	code = build_aside(fence, next, peers_fd, policy, plan, error);
	if (code)
		return code;
	code = review ? review_aside(fence, review, error) : 0;
	if (code) {
		forget_aside(fence, used);
		return code;
	}
	attach_new_interfaces(fence, attach);
	switch_to(fence, next, TAKE_FD(peers_fd));
	forget_former_peers(fence);
	return 0;
}

/* Frames that an earlier agent's program still has are counted before its counts are read. */
static int succeed(struct fence *fence, struct error *error)
{
	int code = fence->succeeding ? fence_wait_for_frames(fence) : 0;

	if (!code)
		code = fence_succeed(fence);
	return code ? error_set(error, code, "cannot give the pins below %s their names: %s",
				fence->pin_dir, strerror(-code))
		    : 0;
}

int fence_apply(struct fence *fence, const struct policy *policy, const struct plan *plan,
		enum attach attach, const struct fence_review *review, struct error *error)
{
	struct interface_state *states = states_allocate(plan);
	int code = !states  ? error_set(error, -ENOMEM, "out of memory")
		   : policy ? apply_policy(fence, policy, plan, attach, review, error)
			    : apply_plan(fence, plan, error);

	if (code) {
		free(states);
		return code;
	}
	attach_all(fence, plan, attach, states);
	code = succeed(fence, error);
	slots_end(fence);
	return code;
}

bool fence_is_whole(struct fence *fence, const struct plan *plan)
{
	for (size_t i = 0; i < plan->interface_count; i++) {
		const struct plan_interface *interface = &plan->interfaces[i];
		struct base *base = base_find(fence, interface->host.ifindex);

		if (plan_interface_has_filter(interface) &&
		    (!base || !base_is_whole(fence, base, interface->host.program)))
			return false;
		if (plan_interface_is_gated(interface) && !base)
			return false;
		if (base && refusal_look(&base->refusal, base->name) != REFUSAL_STANDS)
			return false;
	}
	for (size_t i = 0; i < plan->upper_count; i++)
		if (plan_upper_has_base(&plan->uppers[i]) &&
		    !base_find(fence, plan->uppers[i].host.ifindex))
			return false;
	return true;
}

bool fence_interfaces_changed(const struct fence *fence)
{
	return fence->states_changed;
}

int fence_detach(struct fence *fence, struct error *error)
{
	const int removed = detach_pins_locked(fence->lock_fd, fence->pin_dir, error);

	if (removed < 0)
		return removed;
	for (size_t i = 1; i < ALL_BASES; i++)
		if (fence->bases[i].ifindex)
			base_release(fence, &fence->bases[i]);
	fence->state_count = 0;
	return removed;
}
