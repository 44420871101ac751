// SPDX-License-Identifier: BSD-2-Clause
/* Connections that stand, held against a policy: the program itself judges a segment of each. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/host.h"
#include "kernel/internal.h"
#include "kernel/rtnetlink.h"

/* How many are judged, some 10 us each: meanwhile the agent does nothing else. */
#define JUDGED_MAX 4096
#define TCP_ACK	   0x10

/* By what the filter sees of them, but for the other side's port. */
static int compare(const void *a, const void *b)
{
	const struct host_connection *left = a, *right = b;
	int order = (left->local_port > right->local_port) - (left->local_port < right->local_port);

	if (!order)
		order = prefix_compare(&left->remote, &right->remote);
	if (!order)
		order = prefix_compare(&left->local, &right->local);
	return order ?: (left->device > right->device) - (left->device < right->device);
}

/*
 * The interface that judges what arrives by a device, and the VLAN that it has there; NULL where
 * none does. For the policy aside the interfaces of its plan count, for the one in force those that
 * have the filter.
 */
static const struct base *judging_base(struct fence *fence, uint32_t device, bool aside,
				       uint16_t *vlan)
{
	const struct base *base = device ? base_find(fence, device) : NULL;

	*vlan = 0;
	if (base && base_is_upper(fence, base)) {
		*vlan = base->below.vlan;
		base = base->below.ifindex ? base_find(fence, base->below.ifindex) : NULL;
	}
	if (!base || base_is_upper(fence, base))
		return NULL;
	return (aside ? base->wanted : base->link_fd >= 0) ? base : NULL;
}

/* Whether the policy drops the other side's next segment; an errno counts as no. */
static bool is_refused(struct fence *fence, const struct host_connection *connection,
		       uint32_t device, bool aside, struct fence_answer *answer)
{
	const struct fence_question question = {
		.source = connection->remote,
		.destination = connection->local,
		.source_port = connection->remote_port,
		.destination_port = connection->local_port,
		.tcp_flags = TCP_ACK,
	};
	uint16_t vlan;
	const struct base *base = judging_base(fence, device, aside, &vlan);

	return base && !explain_on(fence, base, &question, vlan, aside, answer) &&
	       answer->verdict == VERDICT_DROP;
}

static void judge(struct fence *fence, struct mnl_socket *socket,
		  const struct host_connection *connection, size_t count, bool aside,
		  struct fence_cuts *cuts)
{
	struct fence_answer answer, now;
	const uint32_t device = host_route(socket, connection);
	const struct base *base;
	struct fence_cut *cut;

	if (!is_refused(fence, connection, device, aside, &answer) ||
	    (aside && is_refused(fence, connection, device, false, &now)))
		return;
	base = base_find(fence, device);
	cut = &cuts->list[cuts->count++];
	*cut = (struct fence_cut){
		.remote = connection->remote,
		.local = connection->local,
		.port = connection->local_port,
		.count = (uint32_t)count,
		.reason = answer.reason,
		.cluster = answer.cluster,
	};
	memcpy(cut->interface, base->name, sizeof(cut->interface));
}

static int judge_all(struct fence *fence, const struct host_connection *list, size_t count,
		     bool aside, struct fence_cuts *cuts)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	size_t judged = 0, alike;

	if (!socket)
		return -errno;
	cuts->list = calloc(count < JUDGED_MAX ? count : JUDGED_MAX, sizeof(*cuts->list));
	if (!cuts->list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i += alike) {
		if (judged++ == JUDGED_MAX) {
			cuts->more = true;
			break;
		}
		for (alike = 1; i + alike < count && !compare(&list[i], &list[i + alike]);)
			alike++;
		judge(fence, socket, &list[i], alike, aside, cuts);
	}
	return 0;
}

int cuts_find(struct fence *fence, bool aside, struct fence_cuts *cuts, struct error *error)
{
	const __u32 generation = (fence->tables->generation ^ aside) & 1;
	_cleanup_free_ struct host_connection *list = NULL;
	uint64_t ports[PORTS / 64];
	int count, code;

	*cuts = (struct fence_cuts){};
	if (fence->tables->policy[generation].mode == MODE_AUDIT)
		return 0;
	memcpy(ports, fence->tables->here.suspects[generation], sizeof(ports));
	count = host_connections(ports, false, &list, &cuts->more, error);
	if (count <= 0)
		return count;
	qsort(list, (size_t)count, sizeof(*list), compare);
	code = judge_all(fence, list, (size_t)count, aside, cuts);
	return code ? error_set(error, code, "cannot judge the host's connections: %s",
				strerror(-code))
		    : 0;
}

int fence_refused(struct fence *fence, struct fence_cuts *cuts, struct error *error)
{
	return cuts_find(fence, false, cuts, error);
}

void fence_cuts_free(struct fence_cuts *cuts)
{
	free(cuts->list);
	*cuts = (struct fence_cuts){};
}
