// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/metrics.h"
#include "kernel/host.h"

static void cleanup_config(struct config **config)
{
	config_free(*config);
}

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

static void cleanup_plan(struct plan **plan)
{
	plan_free(*plan);
}

static int make_plan(const struct config *config, struct plan **plan, struct error *error)
{
	_cleanup_free_ struct host_interface *host = NULL;
	const int count = host_interfaces(&host, error);

	return count < 0 ? count : plan_build(config, host, (size_t)count, plan, error);
}

/* Forgets the runtime peers of clusters that the configuration no longer has. */
static void prune_runtime_peers(struct agent *agent)
{
	size_t kept = 0;

	for (size_t i = 0; i < agent->runtime_peer_count; i++)
		if (policy_cluster_index(agent->config, agent->runtime_peers[i].cluster) >= 0)
			agent->runtime_peers[kept++] = agent->runtime_peers[i];
	agent->runtime_peer_count = kept;
}

/* Puts @config into force and takes it over, or fails with the former one still there. */
static int apply_config(struct agent *agent, struct config **config, struct error *error)
{
	_cleanup_(cleanup_policy) struct policy *policy = NULL;
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	int code = policy_build(*config, agent->runtime_peers, agent->runtime_peer_count, &policy,
				error);

	if (!code)
		code = make_plan(*config, &plan, error);
	if (!code)
		code = fence_apply(agent->fence, policy, plan, (*config)->attach, error);
	if (code)
		return code;
	plan_free(agent->plan);
	policy_free(agent->policy);
	agent->plan = TAKE_POINTER(plan);
	agent->policy = TAKE_POINTER(policy);
	if (agent->config != *config)
		config_free(agent->config);
	agent->config = TAKE_POINTER(*config);
	prune_runtime_peers(agent);
	return 0;
}

static void note_outcome(struct agent *agent, int code, const struct error *error)
{
	agent->last_reload_time_s = time(NULL);
	agent->last_reload_successful = !code;
	if (code)
		agent->last_reload_error = *error;
	else
		agent->last_success_time_s = agent->last_reload_time_s;
	malloc_trim(0); /* a large file leaves megabytes behind */
}

int agent_reload(struct agent *agent, struct error *error)
{
	_cleanup_(cleanup_config) struct config *config = NULL;
	int code = config_load(agent->config_path, &config, error);

	if (!code)
		code = apply_config(agent, &config, error);
	note_outcome(agent, code, error);
	return code;
}

int agent_open(struct agent *agent, const char *config_path, const char *pin_dir,
	       struct error *error)
{
	int code;

	*agent = (struct agent){.config_path = config_path, .pin_dir = pin_dir};
	code = config_load(config_path, &agent->config, error);
	return code ? code : fence_open(pin_dir, &agent->fence, error);
}

int agent_start(struct agent *agent, struct error *error)
{
	struct config *config = agent->config;
	const int code = apply_config(agent, &config, error);

	if (!code)
		note_outcome(agent, 0, NULL);
	return code;
}

void agent_close(struct agent *agent)
{
	fence_close(agent->fence);
	plan_free(agent->plan);
	policy_free(agent->policy);
	config_free(agent->config);
	free(agent->runtime_peers);
	*agent = (struct agent){};
}

static bool same_interfaces(const struct plan *a, const struct plan *b)
{
	if (a->interface_count != b->interface_count || a->unassigned_count != b->unassigned_count)
		return false;
	for (size_t i = 0; i < a->interface_count; i++)
		if (memcmp(&a->interfaces[i].host, &b->interfaces[i].host,
			   sizeof(a->interfaces[i].host)))
			return false;
	return !a->unassigned_count ||
	       !memcmp(a->unassigned, b->unassigned, a->unassigned_count * sizeof(*a->unassigned));
}

int agent_replan(struct agent *agent, struct error *error)
{
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	int code = make_plan(agent->config, &plan, error);

	if (code)
		return code;
	if (same_interfaces(plan, agent->plan) && fence_is_whole(agent->fence))
		return 0;
	code = fence_apply(agent->fence, NULL, plan, agent->config->attach, error);
	if (code)
		return code;
	plan_free(agent->plan);
	agent->plan = TAKE_POINTER(plan);
	return 1;
}

int agent_retry(struct agent *agent, struct error *error)
{
	int code;

	if (!fence_retry(agent->fence, agent->config->attach))
		return 0;
	code = fence_apply(agent->fence, NULL, agent->plan, agent->config->attach, error);
	return code ? code : 1;
}

const char *agent_cluster_name(const struct agent *agent, uint8_t cluster)
{
	return cluster < agent->config->cluster_count ? agent->config->clusters[cluster].name
						      : NULL;
}

static void count_peer(struct peer_count *count, const struct prefix *prefix)
{
	(*(prefix_is_ipv4(prefix) ? &count->ipv4 : &count->ipv6))++;
}

/* @counts has a place for each cluster. A prefix that is configured and added as well is one. */
static void count_peers(const struct agent *agent, struct peer_count *counts)
{
	for (size_t c = 0; c < agent->config->cluster_count; c++) {
		const struct cluster_config *cluster = &agent->config->clusters[c];

		counts[c].cluster = cluster->name;
		for (size_t i = 0; i < cluster->peer_count; i++)
			count_peer(&counts[c], &cluster->peers[i]);
	}
	for (size_t i = 0; i < agent->runtime_peer_count; i++) {
		const struct runtime_peer *peer = &agent->runtime_peers[i];
		const int c = policy_cluster_index(agent->config, peer->cluster);

		if (c >= 0 && !agent_has_configured(agent, (size_t)c, &peer->prefix))
			count_peer(&counts[c], &peer->prefix);
	}
}

uint64_t agent_count_peers(const struct agent *agent)
{
	struct peer_count counts[CLUSTERS_MAX] = {};
	uint64_t sum = 0;

	count_peers(agent, counts);
	for (size_t c = 0; c < agent->config->cluster_count; c++)
		sum += counts[c].ipv4 + counts[c].ipv6;
	return sum;
}

static void count_ports(const struct policy *policy, struct port_count counts[static 2])
{
	counts[0] = (struct port_count){.kind = "epmd", .source = "config"};
	counts[1] = (struct port_count){.kind = "dist", .source = "config"};
	for (unsigned int port = 0; port < PORTS; port++)
		if (policy->ports[port / 64] >> (port % 64) & 1)
			counts[policy->cluster_of[port] != CLUSTER_ANY].count++;
}

int agent_write_metrics(struct agent *agent, FILE *out)
{
	_cleanup_free_ struct peer_count *peers = NULL;
	_cleanup_free_ struct counter *counters = NULL;
	struct port_count ports[2];
	struct snapshot snapshot = {
		.mode = agent->policy->mode,
		.unassigned_count = agent->plan->unassigned_count,
		.ports = ports,
		.port_count = 2,
		.peer_count = agent->config->cluster_count,
		.last_reload_successful = agent->last_reload_successful,
		.last_success_time_s = agent->last_success_time_s,
		.version = BEAMFENCE_VERSION,
	};
	int code;

	peers = calloc(agent->config->cluster_count + 1, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	code = fence_counters(agent->fence, &counters, &snapshot.counter_count, NULL);
	if (code)
		return code;
	count_ports(agent->policy, ports);
	count_peers(agent, peers);
	snapshot.counters = counters;
	snapshot.peers = peers;
	snapshot.interface_count = fence_interfaces(agent->fence, &snapshot.interfaces);
	return metrics_write(out, &snapshot);
}
