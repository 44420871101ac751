// SPDX-License-Identifier: BSD-2-Clause
#include "agent/agent.h"

#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <time.h>

#include "agent/listeners.h"
#include "agent/planning.h"
#include "core/cleanup.h"
#include "core/document.h"
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
