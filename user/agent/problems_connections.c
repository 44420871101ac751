// SPDX-License-Identifier: BSD-2-Clause
/* Connections that stand, and that the policy in force refuses. */
#include "agent/problems_connections.h"

#include "core/clock.h"

#define REST	    100	  /* times as long as the last look took */
#define REST_MAX_MS 30000 /* an alert is due within a minute */

static void look(struct agent *agent)
{
	struct fence_cuts refused;
	struct error error = {};

	if (fence_refused(agent->fence, &refused, &error)) {
		fence_cuts_free(&refused);
		agent->connections_error = error;
		return;
	}
	agent->connections_error = (struct error){};
	fence_cuts_free(&agent->refused);
	agent->refused = refused;
}

void agent_look_at_connections(struct agent *agent)
{
	const uint64_t began_ms = monotonic_ms();
	uint64_t ended_ms, rest_ms;

	look(agent);
	ended_ms = monotonic_ms();
	rest_ms = (ended_ms - began_ms) * REST;
	agent->connections_rest_ms = ended_ms + (rest_ms < REST_MAX_MS ? rest_ms : REST_MAX_MS);
}

void agent_look_at_connections_again(struct agent *agent)
{
	if (monotonic_ms() >= agent->connections_rest_ms)
		agent_look_at_connections(agent);
}

static void add_refused(const struct agent *agent, const struct fence_cut *cut,
			struct problems *problems)
{
	const char *cluster = agent_cluster_name(agent, cut->cluster);
	char remote[PREFIX_TEXT_SIZE], subject[PREFIX_TEXT_SIZE + 8];

	address_format(&cut->remote, remote);
	snprintf(subject, sizeof(subject), "%s %u", remote, cut->port);
	if (cluster && cut->reason == REASON_STRANGER_SEGMENT)
		problems_add(
			problems, PROBLEM_CONNECTION_REFUSED, subject,
			"%s is connected to port %u and is cut off (connections: %u): it is no "
			"peer of \"%s\" (\"beamfence peers add %s %s\" lets it in)",
			remote, cut->port, cut->count, cluster, cluster, remote);
	else
		problems_add(problems, PROBLEM_CONNECTION_REFUSED, subject,
			     "%s is connected to port %u and is cut off (connections: %u): on %s "
			     "nobody may reach that port (\"beamfence ports\" says why it is "
			     "protected)",
			     remote, cut->port, cut->count, cut->interface);
}

void find_connections(const struct agent *agent, struct problems *problems)
{
	for (size_t i = 0; i < agent->refused.count; i++)
		add_refused(agent, &agent->refused.list[i], problems);
	if (agent->connections_error.text[0])
		problems_add(problems, PROBLEM_CONNECTIONS_UNKNOWN, "",
			     "%s: a reload cannot say which connections it cuts",
			     agent->connections_error.text);
}
