// SPDX-License-Identifier: BSD-2-Clause
#include "agent/snapshot.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/events.h"
#include "agent/listeners.h"
#include "agent/problems.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/metrics.h"

static const char *config_in_force(const struct agent *agent)
{
	if (agent->trial.former)
		return "trial";
	if (agent->fallback.text[0])
		return "last-good";
	return agent_differs_from_file(agent) ? "confirmed" : "file";
}

static struct config_state take_config(const struct agent *agent)
{
	return (struct config_state){
		.path = agent->config_path,
		.in_force = config_in_force(agent),
		.last_reload_successful = agent->last_reload_successful,
		.last_reload_error = agent->last_reload_error.text,
		.last_reload_time_s = agent->last_reload_time_s,
		.last_success_time_s = agent->last_success_time_s,
		.watches = agent->config->discovery_listeners,
		.protects_autobound = agent->policy->protect_autobound,
		.protects_fixed = agent->policy->protect_fixed,
	};
}

static struct trial_state take_trial(const struct trial *trial)
{
	const int64_t left_ms = trial->ends_ms - boottime_ms();

	if (!trial->former)
		return (struct trial_state){};
	return (struct trial_state){
		.file = trial->name,
		.uid = trial->uid,
		.pid = trial->pid,
		.left_s = left_ms > 0 ? (left_ms + 999) / 1000 : 0,
	};
}

static struct watch_state take_watch(const struct agent *agent)
{
	return (struct watch_state){
		.untracked = fence_listeners_untracked(agent->fence),
		.refused = fence_listeners_refused(agent->fence),
		.missed = fence_watch_missed(agent->fence),
		.stray_names = agent->stray_names,
	};
}

static void count_peer(struct peer_count *count, const struct prefix *prefix)
{
	(*(prefix_is_ipv4(prefix) ? &count->ipv4 : &count->ipv6))++;
}

/* A prefix that is configured and added as well is one. */
static void count_peers(const struct agent *agent, struct peer_count counts[CLUSTERS_MAX])
{
	for (size_t c = 0; c < agent->config->cluster_count; c++) {
		const struct cluster_config *cluster = &agent->config->clusters[c];

		counts[c].cluster = cluster->name;
		counts[c].ipv4 = cluster->ipv4_peer_count;
		counts[c].ipv6 = cluster->peer_count - cluster->ipv4_peer_count;
	}
	for (size_t i = 0; i < agent->peers.count; i++) {
		const struct runtime_peer *peer = &agent->peers.peers[i];
		const int c = policy_cluster_index(agent->config, peer->cluster);

		if (c >= 0 && !agent_has_configured(agent, (size_t)c, &peer->prefix))
			count_peer(&counts[c], &peer->prefix);
	}
}

static void count_configured(const struct policy *policy, struct port_count counts[PORT_COUNTS])
{
	for (unsigned int word = 0; word < PORTS / 64; word++)
		for (uint64_t bits = policy->ports[word]; bits; bits &= bits - 1) {
			const unsigned int port = word * 64 + (unsigned int)__builtin_ctzll(bits);

			counts[policy->cluster_of[0][port] != CLUSTER_ANY].count++;
		}
}

/* Ports, not sockets: a port may have several listeners. */
static void count_ports(const struct agent *agent, struct port_count counts[PORT_COUNTS])
{
	static const struct port_count rows[PORT_COUNTS] = {
		{.kind = "epmd", .source = "config"},
		{.kind = "dist", .source = "config"},
		{.kind = "epmd", .source = "epmd-listener"},
		{.kind = "dist", .source = "autobound"},
		{.kind = "dist", .source = "registered"},
		{.kind = "dist", .source = "cmdline"},
		{.kind = "dist", .source = "fixed"},
	};
	uint64_t counted[PORTS / 64] = {};

	memcpy(counts, rows, sizeof(rows));
	count_configured(agent->policy, counts);
	for (size_t i = 0; i < agent->listener_count; i++) {
		const uint16_t port = agent->listeners[i].kernel.port;
		const char *source = listener_source(agent, &agent->listeners[i]);

		if (!source || counted[port / 64] >> (port % 64) & 1)
			continue;
		counted[port / 64] |= UINT64_C(1) << (port % 64);
		for (size_t row = 2; row < PORT_COUNTS; row++)
			counts[row].count += !strcmp(source, counts[row].source);
	}
}

int snapshot_take(const struct agent *agent, struct snapshot *snapshot)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);

	*snapshot = (struct snapshot){
		.version = BEAMFENCE_VERSION,
		.pin_dir = agent->pin_dir,
		.state_dir = agent->saver ? agent->state_dir : NULL,
		.pid = (int)getpid(),
		.mode = agent->policy->mode,
		.config = take_config(agent),
		.trial = take_trial(&agent->trial),
		.features = fence_features(agent->fence),
		.unassigned = agent->plan->unassigned,
		.unassigned_count = agent->plan->unassigned_count,
		.cluster_count = agent->config->cluster_count,
		.runtime_peers = agent->peers.count,
		.watch = take_watch(agent),
		.events_lost = events_lost(agent->events),
	};
	if (snapshot_list_interfaces(snapshot, states, count, agent->plan))
		return -ENOMEM;
	snapshot->lack_count = fence_lacks(agent->fence, snapshot->lacks);
	count_ports(agent, snapshot->ports);
	count_peers(agent, snapshot->peers);
	agent_problems(agent, &snapshot->problems);
	return 0;
}

int snapshot_take_counters(const struct agent *agent, struct snapshot *snapshot)
{
	int code = fence_counters(agent->fence, &snapshot->counters, &snapshot->counter_count,
				  NULL);

	if (code)
		return code;
	code = fence_reattachments(agent->fence, &snapshot->reattachments);
	if (code < 0)
		return code;
	snapshot->reattachment_count = (size_t)code;
	return 0;
}

int agent_write_metrics(const struct agent *agent, FILE *out)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;
	int code = snapshot_take(agent, &snapshot);

	if (!code)
		code = snapshot_take_counters(agent, &snapshot);
	return code ? code : metrics_write(out, &snapshot);
}
