// SPDX-License-Identifier: BSD-2-Clause
#include "agent/hearing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"

/* No question to epmd takes so long: a process that is no BEAM and is connected so long is a node.
 */
#define QUESTION_MAX_NS 400000000u

void hearing_index_free(struct hearing_index **index)
{
	if (!*index)
		return;
	free((*index)->registrants);
	free((*index)->next_on);
	free((*index)->registrant_of);
	free(*index);
}

static int compare_registrants(const void *a, const void *b)
{
	const struct registrant *left = a, *right = b;

	return left->pid < right->pid ? -1 : left->pid > right->pid;
}

static int compare_registrations(const void *a, const void *b)
{
	const struct fence_registration *left = a, *right = b;

	return left->socket < right->socket ? -1 : left->socket > right->socket;
}

bool registration_is_node_s(const struct registration *registration)
{
	return registration->beam || !registration->since_ns ||
	       boottime_ns() > registration->since_ns + QUESTION_MAX_NS;
}

/* The process of that number if it is connected to the epmd, and is no passing question; or NULL.
 */
static struct registrant *find_registrant(const struct hearing_index *index, uint32_t pid)
{
	const struct registrant wanted = {.pid = pid};

	return index->registrant_count
		       ? bsearch(&wanted, index->registrants, index->registrant_count,
				 sizeof(wanted), compare_registrants)
		       : NULL;
}

/* Those with a connection that was there before the question, and is still. */
static int index_registrants(struct hearing_index *index, const struct hearing *hearing)
{
	const size_t before = (size_t)hearing->before_count;
	_cleanup_free_ struct fence_registration *rows = calloc(before + 1, sizeof(*rows));
	size_t count = 0;

	index->registrants = calloc((size_t)hearing->now_count + 1, sizeof(*index->registrants));
	if (!rows || !index->registrants)
		return -ENOMEM;
	memcpy(rows, hearing->before, before * sizeof(*rows));
	qsort(rows, before, sizeof(*rows), compare_registrations);
	for (int i = 0; i < hearing->now_count; i++) {
		const struct fence_registration *now = &hearing->now[i];

		if (now->registration.epmd_port == hearing->epmd_port &&
		    registration_is_node_s(&now->registration) &&
		    bsearch(now, rows, before, sizeof(*rows), compare_registrations))
			index->registrants[count++] =
				(struct registrant){.pid = now->registration.pid,
						    .connections = 1,
						    .since_ns = now->registration.since_ns};
	}
	qsort(index->registrants, count, sizeof(*index->registrants), compare_registrants);
	for (size_t i = 0; i < count; i++) {
		struct registrant *last = index->registrants + index->registrant_count - 1;

		if (!index->registrant_count || last->pid != index->registrants[i].pid) {
			index->registrants[index->registrant_count++] = index->registrants[i];
			continue;
		}
		last->connections++;
		if (index->registrants[i].since_ns < last->since_ns)
			last->since_ns = index->registrants[i].since_ns;
	}
	return 0;
}

void registrant_settle(struct registrant *registrant, uint16_t port)
{
	if (!registrant->settled)
		registrant->settled = port;
	else if (registrant->settled != port)
		registrant->more_settled = true;
}

bool registrant_is_settled_elsewhere(const struct registrant *registrant, uint16_t port)
{
	return registrant->more_settled || (registrant->settled && registrant->settled != port);
}

/* Those of registrants alone. A user may have a thousand on one port, and an epmd name it often. */
static int index_ports(struct hearing_index *index, const struct agent *agent)
{
	index->next_on = calloc(agent->listener_count + 1, sizeof(*index->next_on));
	index->registrant_of = calloc(agent->listener_count + 1, sizeof(*index->registrant_of));
	if (!index->next_on || !index->registrant_of)
		return -ENOMEM;
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct known_listener *listener = &agent->listeners[i];
		struct registrant *registrant = find_registrant(index, listener->kernel.pid);

		if (!registrant)
			continue;
		if (listener->evidence >= EVIDENCE_REGISTERED &&
		    listener->evidence != EVIDENCE_REFUTED)
			registrant_settle(registrant, listener->kernel.port);
		if (listener->kernel.kind == LISTENER_EPMD)
			continue;
		index->registrant_of[i] = registrant;
		index->next_on[i] = index->first_on[listener->kernel.port];
		index->first_on[listener->kernel.port] = (int)i + 1;
	}
	return 0;
}

bool hearing_was_before(const struct hearing *hearing, size_t name,
			const struct registrant *registrant)
{
	return hearing->since_ns && hearing->since_ns[name] < registrant->since_ns;
}

/* How many names point at ports of each process; at one that was refuted none does. */
static void count_names(struct hearing_index *index, const struct agent *agent,
			const struct hearing *hearing)
{
	for (size_t name = 0; name < hearing->nodes->count; name++)
		for (int at = index->first_on[hearing->nodes->items[name].port]; at;
		     at = index->next_on[at - 1]) {
			const struct known_listener *listener = &agent->listeners[at - 1];
			struct registrant *registrant = index->registrant_of[at - 1];

			if (registrant->counted == name + 1 ||
			    listener->evidence == EVIDENCE_REFUTED)
				continue;
			registrant->counted = name + 1;
			registrant->names++;
			registrant->own_names += !hearing_was_before(hearing, name, registrant);
		}
}

struct hearing_index *hearing_index_make(const struct agent *agent, const struct hearing *hearing)
{
	_cleanup_(hearing_index_free) struct hearing_index *index = calloc(1, sizeof(*index));

	if (!index || index_registrants(index, hearing) || index_ports(index, agent))
		return NULL;
	count_names(index, agent, hearing);
	return TAKE_POINTER(index);
}
