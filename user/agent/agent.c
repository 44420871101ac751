// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#include "agent/events.h"
#include "agent/listeners.h"
#include "agent/planning.h"
#include "agent/problems.h"
#include "core/cleanup.h"
#include "core/document.h"
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

/*
 * Without it the filter still is for what the configuration lists. Only where tables of another
 * layout are to be replaced, whose listeners would be open then, the earlier agent's are better.
 */
static int start_watch(struct agent *agent, struct error *error)
{
	const int code = fence_watch(agent->fence, true, &agent->watch_error);

	if (!code)
		agent->watch_error = (struct error){};
	if (!code || agent->policy || fence_start(agent->fence) != FENCE_REPLACED)
		return 0;
	return error_set(error, code, "%s", agent->watch_error.text);
}

int agent_regain_watch(struct agent *agent)
{
	struct config *config = agent->config;
	struct error error;
	int code;

	if (!agent->watch_error.text[0] || !config->discovery_listeners)
		return 0;
	code = fence_is_watching(agent->fence)
		       ? fence_list(agent->fence, &agent->watch_error)
		       : fence_watch(agent->fence, true, &agent->watch_error);
	if (code)
		return 0;
	agent->watch_error = (struct error){};
	code = agent_apply(agent, &config, NULL, &error);
	if (code)
		agent->watch_error = error;
	return !code;
}

/* What looking at a policy has moved is as the plan in force has it again. */
static void lay_back(struct agent *agent)
{
	fence_apply(agent->fence, NULL, agent->plan, agent->config->attach, NULL, NULL);
}

static int switch_policy(struct agent *agent, const struct config *config,
			 const struct policy *policy, const struct plan *plan,
			 struct review *review, struct error *error)
{
	const struct fence_review look = review_of_policy(review);
	const int code = fence_apply(agent->fence, policy, plan, config->attach,
				     review ? &look : NULL, error);

	if (code && review)
		lay_back(agent);
	return code;
}

int agent_apply(struct agent *agent, struct config **config, struct review *review,
		struct error *error)
{
	_cleanup_(cleanup_policy) struct policy *policy = NULL;
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	struct config *former = agent->config;
	int code = agent_plan(agent, *config, review && review->rehearse, &plan, error);

	if (!code && review && review_config(review, agent->config, *config))
		code = error_set(error, -ENOMEM, "out of memory");
	if (!code && (*config)->discovery_listeners && !(review && review->rehearse))
		code = start_watch(agent, error);
	if (!code) /* after the listeners that were there before the watch have been listed */
		code = agent_policy(agent, *config, &policy, error);
	if (!code)
		code = switch_policy(agent, *config, policy, plan, review, error);
	if (code) {
		if (!agent->config->discovery_listeners)
			fence_watch(agent->fence, false, NULL);
		return code;
	}
	plan_free(agent->plan);
	policy_free(agent->policy);
	policy_forget_peers(policy);
	agent->plan = TAKE_POINTER(plan);
	agent->policy = TAKE_POINTER(policy);
	agent->config = *config;
	*config = former == *config ? NULL : former;
	if (!agent->config->discovery_listeners) {
		fence_watch(agent->fence, false, NULL);
		agent->watch_error = (struct error){};
	}
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

static void keep_good(struct agent *agent, char *text, size_t size)
{
	free(agent->good_text);
	agent->good_text = text;
	agent->good_size = size;
}

char *agent_take_good(struct agent *agent, size_t *size)
{
	*size = agent->good_size;
	return TAKE_POINTER(agent->good_text);
}

/* The file, and its text, which is one thing to keep. */
static int load_file(const char *path, struct config **config, char **text, size_t *size,
		     struct error *error)
{
	const int code = document_read_file(path, text, size, error);

	return code ? code : config_read(path, *text, *size, config, error);
}

int agent_reload(struct agent *agent, struct review *review, struct error *error)
{
	_cleanup_(cleanup_config) struct config *config = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int code = load_file(agent->config_path, &config, &text, &size, error);

	if (!code)
		code = agent_apply(agent, &config, review, error);
	if (!code) {
		trial_forget(&agent->trial);
		agent->fallback = (struct error){};
		keep_good(agent, TAKE_POINTER(text), size);
	}
	free(TAKE_POINTER(text));
	config_free(TAKE_POINTER(config)); /* the former one, before memory is given back */
	note_outcome(agent, code, error);
	return code;
}

int agent_load(struct agent *agent, const char *config_path, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	int code;

	*agent = (struct agent){.config_path = config_path};
	code = load_file(config_path, &agent->config, &text, &size, error);
	if (!code)
		keep_good(agent, TAKE_POINTER(text), size);
	return code;
}

int agent_load_last_good(struct agent *agent, const char *name, const char *text, size_t size,
			 int64_t since_s, const struct error *reason, struct error *error)
{
	struct config *config;
	const int code = config_read(name, text, size, &config, error);

	if (code)
		return code;
	config_free(agent->config);
	agent->config = config;
	keep_good(agent, NULL, 0);
	agent->fallback = *reason;
	agent->last_success_time_s = since_s;
	return 0;
}

int agent_open(struct agent *agent, const char *pin_dir, struct error *error)
{
	agent->pin_dir = pin_dir;
	return fence_open(pin_dir, &agent->fence, error);
}

int agent_look_at_addresses(struct agent *agent, struct error *error)
{
	_cleanup_free_ struct prefix *addresses = NULL;
	const int count = host_addresses(&addresses, error);

	return count < 0 ? count
			 : fence_set_addresses(agent->fence, addresses, (size_t)count, error);
}

int agent_start(struct agent *agent, struct error *error)
{
	struct config *config = agent->config;
	int code;

	agent_look_at_addresses(agent, NULL); /* looked at again, and told, when the loop begins */
	code = agent_apply(agent, &config, NULL, error);
	if (!code)
		note_outcome(agent, agent->fallback.text[0] ? -EINVAL : 0, &agent->fallback);
	return code;
}

void agent_close(struct agent *agent)
{
	listeners_free(agent);
	fence_cuts_free(&agent->refused);
	fence_close(agent->fence);
	plan_free(agent->plan);
	policy_free(agent->policy);
	config_free(agent->config);
	peer_list_free(&agent->peers);
	trial_forget(&agent->trial);
	free(agent->good_text);
	*agent = (struct agent){};
}

int agent_replan(struct agent *agent, struct error *error)
{
	_cleanup_(cleanup_plan) struct plan *plan = NULL;
	int code = agent_plan(agent, agent->config, false, &plan, error);
	bool changed, due;

	if (code)
		return code;
	changed = !plan_equal(plan, agent->plan);
	due = fence_observe(agent->fence, agent->config->attach);
	if (!changed && !due && fence_is_whole(agent->fence, plan))
		return 0;
	code = fence_apply(agent->fence, NULL, plan, agent->config->attach, NULL, error);
	if (code)
		return code;
	plan_free(agent->plan);
	agent->plan = TAKE_POINTER(plan);
	return changed || fence_interfaces_changed(agent->fence);
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

uint64_t agent_count_peers(const struct agent *agent)
{
	struct peer_count counts[CLUSTERS_MAX] = {};
	uint64_t sum = 0;

	count_peers(agent, counts);
	for (size_t c = 0; c < agent->config->cluster_count; c++)
		sum += counts[c].ipv4 + counts[c].ipv6;
	return sum;
}

void agent_count_ports(const struct agent *agent, struct port_count counts[PORT_COUNTS])
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
	const struct policy *policy = agent->policy;
	uint64_t counted[PORTS / 64] = {};

	memcpy(counts, rows, sizeof(rows));
	for (unsigned int port = 0; port < PORTS; port++)
		if (policy->ports[port / 64] >> (port % 64) & 1)
			counts[policy->cluster_of[0][port] != CLUSTER_ANY].count++;
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

const char *agent_summary(const struct agent *agent, char text[static AGENT_SUMMARY_SIZE])
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);
	const char *reason = agent->fallback.text;
	size_t attached = 0;

	for (size_t i = 0; i < count; i++)
		attached += states[i].attached != ATTACHED_NOT;
	snprintf(text, AGENT_SUMMARY_SIZE, "%s: %zu of %zu interfaces attached%s%s",
		 mode_name(agent->policy->mode), attached, count + agent->plan->absent_count,
		 reason[0]			 ? "; the last good configuration: "
		 : agent->last_reload_successful ? ""
						 : "; the last reload was refused",
		 reason);
	return text;
}

/* All that the configuration names, also what the host lacks: it may be a client's, misspelt. */
static size_t list_interfaces(struct agent *agent, struct interface_state **list)
{
	const struct plan *plan = agent->plan;
	const struct interface_state *states;
	size_t count = fence_interfaces(agent->fence, &states);

	*list = calloc(count + plan->absent_count + 1, sizeof(**list));
	if (!*list)
		return 0;
	memcpy(*list, states, count * sizeof(*states));
	for (size_t i = 0; i < plan->absent_count; i++) {
		const struct interface_rule *rule = plan->absent[i];
		struct interface_state *state = &(*list)[count++];

		*state = (struct interface_state){.vlan = rule->vlan, .zone = rule->zone};
		snprintf(state->name, sizeof(state->name), rule->vlan ? "%s.%u" : "%s",
			 rule->pattern, rule->vlan);
	}
	return count;
}

int agent_write_metrics(struct agent *agent, FILE *out)
{
	_cleanup_free_ struct peer_count *peers = NULL;
	_cleanup_free_ struct counter *counters = NULL;
	_cleanup_free_ struct reattachments *reattachments = NULL;
	_cleanup_free_ struct interface_state *interfaces = NULL;
	_cleanup_(problems_free) struct problems problems = {};
	struct port_count ports[PORT_COUNTS];
	struct snapshot snapshot = {
		.mode = agent->policy->mode,
		.unassigned_count = agent->plan->unassigned_count,
		.ports = ports,
		.port_count = PORT_COUNTS,
		.events_lost = events_lost(agent->events),
		.listeners_untracked = fence_listeners_untracked(agent->fence),
		.listeners_refused = fence_listeners_refused(agent->fence),
		.watch_missed = fence_watch_missed(agent->fence),
		.stray_names = agent->stray_names,
		.peer_count = agent->config->cluster_count,
		.last_reload_successful = agent->last_reload_successful,
		.last_success_time_s = agent->last_success_time_s,
		.try_active = agent->trial.former != NULL,
		.version = BEAMFENCE_VERSION,
	};
	int code;

	peers = calloc(agent->config->cluster_count + 1, sizeof(*peers));
	if (!peers)
		return -ENOMEM;
	code = fence_counters(agent->fence, &counters, &snapshot.counter_count, NULL);
	if (code)
		return code;
	code = fence_reattachments(agent->fence, &reattachments);
	if (code < 0)
		return code;
	snapshot.reattachments = reattachments;
	snapshot.reattachment_count = (size_t)code;
	agent_count_ports(agent, ports);
	count_peers(agent, peers);
	snapshot.counters = counters;
	snapshot.peers = peers;
	snapshot.interface_count = list_interfaces(agent, &interfaces);
	if (!interfaces)
		return -ENOMEM;
	snapshot.interfaces = interfaces;
	agent_problems(agent, &problems);
	snapshot.problems = problems.of_kind;
	return metrics_write(out, &snapshot);
}
