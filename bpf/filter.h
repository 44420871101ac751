/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The filter: read the frame, decide, count. Attached to every interface that has a zone, by the
 * program of a hook: see context.h.
 */
#ifndef BEAMFENCE_FILTER_H
#define BEAMFENCE_FILTER_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "context.h"
#include "contract.h"
#include "events.h"
#include "frame.h"
#include "owner.h"
#include "policy.h"
#include "verdict.h"

/* Set before loading: leave an explanation instead of counting. */
const volatile bool explaining;

/* A section, and so a map, of its own: never shared with the programs that are attached. */
struct explanation explanation SEC(".data.explanation");

static __always_inline __u32 place_slot(struct frame_source *context,
					const struct policy_tables *policy, __u16 vlan)
{
	__u32 base = tables.host.base_of[context_interface(context) & (INTERFACE_RESIDUES - 1)];

	if (base >= BASES_MAX)
		base = 0;
	return policy->slot_of[base][vlan & (VLAN_IDS - 1)] & (SLOTS_MAX - 1);
}

static __always_inline int leave_untouched(struct frame_source *context,
					   const struct policy_tables *policy, __u16 vlan,
					   enum reason reason, const bool common)
{
	const __u32 slot = place_slot(context, policy, vlan);

	if (explaining) {
		explanation.reason = reason;
		explanation.verdict = VERDICT_PASS;
		explanation.slot = slot;
		explanation.cluster = CLUSTER_NOBODY;
	} else {
		count_untouched(slot, reason, context_size(context, common));
	}
	return CONTEXT_PASS;
}

/* The one exit of every frame that is not left untouched. */
static __always_inline int conclude(struct frame_source *context,
				    const struct policy_tables *policy, __u32 slot, __u32 reason,
				    __u32 cluster, const bool common)
{
	const __u32 mode = policy->mode == MODE_AUDIT ? MODE_AUDIT : MODE_ENFORCE;
	const bool drop = mode == MODE_ENFORCE && reason_drops(reason);

	if (explaining) {
		explanation.reason = reason;
		explanation.verdict = drop ? VERDICT_DROP : VERDICT_PASS;
		explanation.slot = slot;
		explanation.cluster = cluster;
	} else {
		count_judged(slot, mode, reason, context_size(context, common));
	}
	return drop ? CONTEXT_DROP : CONTEXT_PASS;
}

/* A frame of uncommon shape that is TCP for a protected port, or could be. */
static __always_inline int judge(struct frame_source *context, __u32 generation, enum shape shape,
				 const struct view *view, bool ethernet, const bool conntrack)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];
	const __u32 slot = place_slot(context, policy, view->vlan);
	const bool port_known = shape == SHAPE_TCP || shape == SHAPE_FLAGS_TRUNCATED;
	const int cluster = port_known ? policy_cluster(generation,
							frame_ntohs(view->destination_port),
							view->destination, view->ipv4)
				       : CLUSTER_NOBODY;
	struct facts facts = {
		.shape = shape,
		.zone = tables.host.slots[slot].zone,
		.new_connection = (view->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN,
	};
	__u32 reason = verdict(&facts);

	if (reason == NEED_PEER) {
		const __u64 wanted = port_known ? clusters_wanted(cluster) : ~0ull;

		facts.peer = view->has_source &&
					     policy_has_peer(generation, view->source[0],
							     view->source[1], view->ipv4, wanted)
				     ? FACT_YES
				     : FACT_NO;
		reason = verdict(&facts);
	}
	if (reason == NEED_OWNER) {
		/* Of a packet that goes on to another address nobody here could say. */
		if (frame_leads_on(context, view))
			facts.owner = OWNER_LISTENER;
		else
			facts.owner = conntrack ? owner_of_ct(context, view)
						: owner_of(context, view);
		reason = verdict(&facts);
	}
	if (!explaining && reason_drops(reason)) {
		const __u32 what = EVENT_WHAT(reason, policy->mode == MODE_AUDIT, ethernet, slot);
		const struct teller teller = view_teller(view, what);
		__u64 hash;

		if (events_note(&teller, &hash))
			event_consider(context, view, what, hash);
	}
	return conclude(context, policy, slot, reason, (__u8)cluster, false);
}

/* The view of a frame of common shape, for what few such frames need. */
static __always_inline bool suspect_view(struct frame_source *context, __u32 word,
					 struct view *view)
{
	struct common common;

	if (!common_find(context_data(context), context_end(context), word, &common))
		return false;
	common_view(&common, view);
	view->payload = common_has_payload(&common);
	view->discovered = !!(word & COMMON_DISCOVERED);
	return true;
}

static __noinline enum owner suspect_owner(struct frame_source *context, __u32 word)
{
	struct view view = {};

	return suspect_view(context, word, &view) ? owner_of(context, &view) : OWNER_LISTENER;
}

static __noinline enum owner suspect_owner_ct(struct frame_source *context, __u32 word)
{
	struct view view = {};

	return suspect_view(context, word, &view) ? owner_of_ct(context, &view) : OWNER_LISTENER;
}

static __noinline int suspect_event(struct frame_source *context, __u32 word, __u32 what,
				    __u64 hash)
{
	struct view view = {}; /* all of it: a global function may read it */

	return suspect_view(context, word, &view) ? event_consider(context, &view, what, hash) : 0;
}

/* A frame of common shape, TCP, for a port that may be protected. @word: COMMON_WORD(). */
static __always_inline int suspect(struct frame_source *context, __u32 generation, __u32 word,
				   const bool conntrack)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];
	struct common common;
	struct facts facts = {.shape = SHAPE_TCP};
	__u64 source[2], destination[2];
	__u32 slot, reason;
	__u16 port;
	int cluster;

	if (!common_find(context_data(context), context_end(context), word, &common))
		return CONTEXT_PASS; /* cannot be: the short path has just read it */
	port = frame_ntohs(common.tcp->destination_port);
	common_destination(&common, destination);
	cluster = policy_cluster(generation, port, destination, common.ipv4);
	if (cluster == NOT_PROTECTED)
		return leave_untouched(context, policy, common.vlan, REASON_OTHER_PORT, true);
	if (!port_bit(policy->configured, port))
		word |= COMMON_DISCOVERED;
	slot = place_slot(context, policy, common.vlan);
	facts.zone = tables.host.slots[slot].zone;
	facts.new_connection = (common.tcp->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
	common_source(&common, source);
	reason = verdict(&facts);
	if (reason == NEED_PEER) {
		facts.peer = policy_has_peer(generation, source[0], source[1], common.ipv4,
					     clusters_wanted(cluster))
				     ? FACT_YES
				     : FACT_NO;
		reason = verdict(&facts);
	}
	if (reason == NEED_OWNER) {
		facts.owner = conntrack ? suspect_owner_ct(context, word)
					: suspect_owner(context, word);
		reason = verdict(&facts);
	}
	if (!explaining && reason_drops(reason)) {
		const bool audit = policy->mode == MODE_AUDIT;
		const __u32 what = EVENT_WHAT(reason, audit, COMMON_ETHERNET(word), slot);
		const struct teller teller = {
			.source = {source[0], source[1]},
			.source_port = common.tcp->source_port,
			.destination_port = common.tcp->destination_port,
			.tcp_flags = common.tcp->flags,
			.payload = audit && common_has_payload(&common),
		};
		__u64 hash;

		if (events_note(&teller, &hash))
			suspect_event(context, word, what, hash);
	}
	return conclude(context, policy, slot, reason, (__u8)cluster, true);
}

/* Out of line, so that the short path keeps few registers and no stack. */
static __noinline int filter_suspect(struct frame_source *context, __u32 generation, __u32 word)
{
	return suspect(context, generation, word, false);
}

static __noinline int filter_suspect_ct(struct frame_source *context, __u32 generation, __u32 word)
{
	return suspect(context, generation, word, true);
}

/*
 * Global, so that they are verified once and not for every way through the headers that leads here.
 * Two of them, as of the entries below. @word: generation, Ethernet or not, shape.
 */
#define UNCOMMON_WORD(generation, ethernet, shape) \
	((generation) | (__u32)(ethernet) << 1 | (__u32)(shape) << 8)

__noinline int judge_uncommon(struct frame_source *context, const struct view *view, __u32 word)
{
	if (!view)
		return CONTEXT_DROP; /* never: but the verifier takes it for possible */
	return judge(context, word & 1, (enum shape)(word >> 8), view, word >> 1 & 1, false);
}

__noinline int judge_uncommon_ct(struct frame_source *context, const struct view *view, __u32 word)
{
	if (!view)
		return CONTEXT_DROP;
	return judge(context, word & 1, (enum shape)(word >> 8), view, word >> 1 & 1, true);
}

/* A frame of uncommon shape. */
static __always_inline int uncommon(struct frame_source *context, __u32 generation, bool ethernet,
				    const bool conntrack)
{
	const struct policy_tables *policy = &tables.policy[generation & 1];
	struct common common = {.vlan = context_vlan(context)};
	struct view view = {.vlan = context_vlan(context)};
	enum shape shape = frame_chain(context_data(context), context_end(context), ethernet,
				       &common);

	if (shape == SHAPE_NOT_TCP)
		return leave_untouched(context, policy, common.vlan, REASON_NOT_TCP, true);
	if (shape == SHAPE_TCP &&
	    !policy_suspects(generation, frame_ntohs(common.tcp->destination_port)))
		return leave_untouched(context, policy, common.vlan, REASON_OTHER_PORT, true);
	shape = frame_parse(context, ethernet, &view);
	switch (shape) {
	case SHAPE_NOT_TCP:
		return leave_untouched(context, policy, view.vlan, REASON_NOT_TCP, false);
	case SHAPE_LATER_FRAGMENT:
		return conclude(context, policy, place_slot(context, policy, view.vlan),
				REASON_LATER_FRAGMENT, CLUSTER_NOBODY, false);
	case SHAPE_TCP:
	case SHAPE_FLAGS_TRUNCATED:
		if (policy_cluster(generation, frame_ntohs(view.destination_port), view.destination,
				   view.ipv4) == NOT_PROTECTED)
			return leave_untouched(context, policy, view.vlan, REASON_OTHER_PORT,
					       false);
		view.discovered = !port_bit(policy->configured, frame_ntohs(view.destination_port));
		break;
	default:
		break;
	}
	return conntrack
		       ? judge_uncommon_ct(context, &view,
					   UNCOMMON_WORD(generation, ethernet, shape))
		       : judge_uncommon(context, &view, UNCOMMON_WORD(generation, ethernet, shape));
}

/* Two again: a global function that a program merely could call has to be right for its kernel. */
static __noinline int filter_uncommon(struct frame_source *context, __u32 generation, bool ethernet)
{
	return uncommon(context, generation, ethernet, false);
}

static __noinline int filter_uncommon_ct(struct frame_source *context, __u32 generation,
					 bool ethernet)
{
	return uncommon(context, generation, ethernet, true);
}

/* Which of the two policies judges: the one in force, or, for a question, maybe the one aside. */
static __always_inline __u32 policy_asked(void)
{
	return (explaining ? tables.generation ^ explanation.aside : tables.generation) & 1;
}

static __always_inline int filter(struct frame_source *context, const bool ethernet,
				  const bool conntrack)
{
	const void *data = context_data(context);
	const void *end = context_end(context);
	const __u32 generation = policy_asked();
	const struct policy_tables *policy = &tables.policy[generation];
	struct common common = {.vlan = context_vlan(context)};
	__u32 word;

	switch (frame_common(data, end, ethernet, &common)) {
	case SHAPE_NOT_TCP:
		return leave_untouched(context, policy, common.vlan, REASON_NOT_TCP, true);
	case SHAPE_TCP:
		break;
	default:
		return conntrack ? filter_uncommon_ct(context, generation, ethernet)
				 : filter_uncommon(context, generation, ethernet);
	}
	if (!policy_suspects(generation, frame_ntohs(common.tcp->destination_port)))
		return leave_untouched(context, policy, common.vlan, REASON_OTHER_PORT, true);
	word = COMMON_WORD(data, &common, ethernet);
	return conntrack ? filter_suspect_ct(context, generation, word)
			 : filter_suspect(context, generation, word);
}

#endif
