/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The order of the steps from view to verdict, once for all that is judged: frames of common shape,
 * of uncommon shape, and at the gate new connections. How a step is done for one of them says
 * whoever includes this, in the functions that are only declared here.
 */
#ifndef BEAMFENCE_JUDGE_H
#define BEAMFENCE_JUDGE_H

#include "policy.h"
#include "verdict.h"

/* What those functions need to know beside the rest: whoever defines them defines it. */
struct origin;

/* What is judged: TCP for a port that may be protected, or what could be. */
struct subject {
	struct origin *origin;
	__u32 generation; /* of the policy that judges */
	enum shape shape;
	bool ipv4; /* known with the cluster */
	bool has_source;
	bool new_connection; /* SYN without ACK: known with the slot, as what follows */
	__u32 slot;
	const __u64 *source; /* as in struct view */
};

/* Returns whose peers may reach the port, as in cluster_of[], or NOT_PROTECTED. */
static __always_inline int subject_cluster(struct subject *subject);

/* What becomes of it where the port is not protected: what the program returns. */
static __always_inline int subject_leave(const struct subject *subject);

/*
 * Fills in the slot of the place where it came in, and what else is not known yet: behind the look
 * at the policy, where fewer registers have to keep it.
 */
static __always_inline void subject_place(struct subject *subject);

static __always_inline enum owner subject_owner(const struct subject *subject);

/* Tells that there is reason to drop it. */
static __always_inline void subject_tell(const struct subject *subject, __u32 reason);

/* What becomes of it, once there is a reason; counted. */
static __always_inline int subject_conclude(const struct subject *subject, __u32 reason,
					    int cluster);

/* Where the port is not known, a peer of any cluster may have sent it. */
static __always_inline enum fact subject_peer(const struct subject *subject, int cluster)
{
	const __u64 wanted = shape_has_ports(subject->shape) ? clusters_wanted(cluster) : ~0ull;

	return subject->has_source && policy_has_peer(subject->generation, subject->source[0],
						      subject->source[1], subject->ipv4, wanted)
		       ? FACT_YES
		       : FACT_NO;
}

/* From policy to zone, peer, owner, and so to a reason, an event and the end. */
static __always_inline int judge(struct subject *subject)
{
	const int cluster = subject_cluster(subject);
	struct facts facts = {.shape = subject->shape};
	__u32 reason;

	if (cluster == NOT_PROTECTED)
		return subject_leave(subject);
	subject_place(subject);
	facts.zone = tables.host.slots[subject->slot].zone;
	facts.new_connection = subject->new_connection;
	reason = verdict(&facts);
	if (reason == NEED_PEER) {
		facts.peer = subject_peer(subject, cluster);
		reason = verdict(&facts);
	}
	if (reason == NEED_OWNER) {
		facts.owner = subject_owner(subject);
		reason = verdict(&facts);
	}
	if (reason_drops(reason))
		subject_tell(subject, reason);
	return subject_conclude(subject, reason, cluster);
}

#endif
