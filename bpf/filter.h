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
#include "judge.h"
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

/* What is judged is a frame: of common shape, or, where there is a view, of any other. */
struct origin {
	struct frame_source *context;
	const struct view *view;
	const struct common *common;
	__u32 word; /* COMMON_WORD() */
	__u16 vlan;
	__u16 port;
	const __u64 *destination;
	__u64 *source; /* room for it, where there is no view */
	bool ethernet;
	bool conntrack; /* the connection tracker may be asked */
};

static __always_inline int subject_cluster(struct subject *subject)
{
	if (!shape_has_ports(subject->shape))
		return CLUSTER_NOBODY;
	return policy_cluster(subject->generation, subject->origin->port,
			      subject->origin->destination, subject->ipv4);
}

static __always_inline int subject_leave(const struct subject *subject)
{
	const struct origin *origin = subject->origin;

	return leave_untouched(origin->context, &tables.policy[subject->generation & 1],
			       origin->vlan, REASON_OTHER_PORT, !origin->view);
}

static __always_inline void subject_place(struct subject *subject)
{
	const struct origin *origin = subject->origin;
	__u8 flags;

	subject->slot = place_slot(origin->context, &tables.policy[subject->generation & 1],
				   origin->vlan);
	if (origin->view) {
		subject->source = origin->view->source;
		flags = origin->view->tcp_flags;
	} else {
		common_source(origin->common, origin->source);
		subject->source = origin->source;
		flags = origin->common->tcp->flags;
	}
	subject->new_connection = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static __always_inline enum owner subject_owner(const struct subject *subject)
{
	const struct policy_tables *policy = &tables.policy[subject->generation & 1];
	const struct origin *origin = subject->origin;
	__u32 word = origin->word;

	if (!origin->view) {
		if (!port_bit(policy->configured, origin->port))
			word |= COMMON_DISCOVERED;
		return origin->conntrack ? suspect_owner_ct(origin->context, word)
					 : suspect_owner(origin->context, word);
	}
	/* Of a packet that goes on to another address nobody here could say. */
	if (frame_leads_on(origin->context, origin->view))
		return OWNER_LISTENER;
	return origin->conntrack ? owner_of_ct(origin->context, origin->view)
				 : owner_of(origin->context, origin->view);
}

static __always_inline void subject_tell(const struct subject *subject, __u32 reason)
{
	const bool audit = tables.policy[subject->generation & 1].mode == MODE_AUDIT;
	const struct origin *origin = subject->origin;
	const __u32 what = EVENT_WHAT(reason, audit, origin->ethernet, subject->slot);
	struct teller teller;
	__u64 hash;

	if (explaining)
		return;
	teller = origin->view ? view_teller(origin->view, what)
			      : common_teller(origin->common, subject->source, audit);
	if (!events_note(&teller, &hash))
		return;
	if (origin->view)
		event_consider(origin->context, origin->view, what, hash);
	else
		suspect_event(origin->context, origin->word, what, hash);
}

static __always_inline int subject_conclude(const struct subject *subject, __u32 reason,
					    int cluster)
{
	const struct origin *origin = subject->origin;

	return conclude(origin->context, &tables.policy[subject->generation & 1], subject->slot,
			reason, (__u8)cluster, !origin->view);
}

/* A frame of common shape, TCP, for a port that may be protected. @word: COMMON_WORD(). */
static __always_inline int suspect(struct frame_source *context, __u32 generation, __u32 word,
				   const bool conntrack)
{
	struct common common;
	__u64 source[2], destination[2];
	struct origin origin = {
		.context = context,
		.common = &common,
		.word = word,
		.destination = destination,
		.source = source,
		.ethernet = COMMON_ETHERNET(word),
		.conntrack = conntrack,
	};
	struct subject subject = {
		.origin = &origin,
		.generation = generation,
		.shape = SHAPE_TCP,
		.has_source = true,
	};

	if (!common_find(context_data(context), context_end(context), word, &common))
		return CONTEXT_PASS; /* cannot be: the short path has just read it */
	common_destination(&common, destination);
	origin.vlan = common.vlan;
	origin.port = frame_ntohs(common.tcp->destination_port);
	subject.ipv4 = common.ipv4;
	return judge(&subject);
}

/* A frame of uncommon shape that is TCP for a port that may be protected, or could be. */
static __always_inline int suspect_uncommon(struct frame_source *context, __u32 generation,
					    enum shape shape, const struct view *view,
					    bool ethernet, const bool conntrack)
{
	struct origin origin = {
		.context = context,
		.view = view,
		.vlan = view->vlan,
		.port = frame_ntohs(view->destination_port),
		.destination = view->destination,
		.ethernet = ethernet,
		.conntrack = conntrack,
	};
	struct subject subject = {
		.origin = &origin,
		.generation = generation,
		.shape = shape,
		.ipv4 = view->ipv4,
		.has_source = view->has_source,
	};

	return judge(&subject);
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
	return suspect_uncommon(context, word & 1, (enum shape)(word >> 8), view, word >> 1 & 1,
				false);
}

__noinline int judge_uncommon_ct(struct frame_source *context, const struct view *view, __u32 word)
{
	if (!view)
		return CONTEXT_DROP;
	return suspect_uncommon(context, word & 1, (enum shape)(word >> 8), view, word >> 1 & 1,
				true);
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
	if (shape == SHAPE_NOT_TCP)
		return leave_untouched(context, policy, view.vlan, REASON_NOT_TCP, false);
	if (shape == SHAPE_LATER_FRAGMENT)
		return conclude(context, policy, place_slot(context, policy, view.vlan),
				REASON_LATER_FRAGMENT, CLUSTER_NOBODY, false);
	if (shape_has_ports(shape)) {
		const __u16 port = frame_ntohs(view.destination_port);

		if (!policy_suspects(generation, port))
			return leave_untouched(context, policy, view.vlan, REASON_OTHER_PORT,
					       false);
		view.discovered = !port_bit(policy->configured, port);
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
