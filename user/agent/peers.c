// SPDX-License-Identifier: BSD-2-Clause
/* Peers that come and go while the agent runs. */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/listeners.h"
#include "core/cleanup.h"

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

static struct runtime_peer *find_runtime(const struct agent *agent, const char *cluster,
					 const struct prefix *prefix)
{
	for (size_t i = 0; i < agent->runtime_peer_count; i++)
		if (!strcmp(agent->runtime_peers[i].cluster, cluster) &&
		    !prefix_compare(&agent->runtime_peers[i].prefix, prefix))
			return &agent->runtime_peers[i];
	return NULL;
}

bool agent_has_configured(const struct agent *agent, size_t cluster, const struct prefix *prefix)
{
	const struct cluster_config *config = &agent->config->clusters[cluster];

	for (size_t i = 0; i < config->peer_count; i++)
		if (!prefix_compare(&config->peers[i], prefix))
			return true;
	return false;
}

/* All clusters that the prefix is a peer of, by the configuration or at run time. */
static uint64_t clusters_of(const struct agent *agent, const struct prefix *prefix)
{
	uint64_t clusters = 0;

	for (size_t c = 0; c < agent->config->cluster_count; c++)
		if (agent_has_configured(agent, c, prefix) ||
		    find_runtime(agent, agent->config->clusters[c].name, prefix))
			clusters |= 1ull << c;
	return clusters;
}

/* Brings the kernel's entry for one prefix in line; a whole new policy where it has no room. */
static int update_kernel(struct agent *agent, const struct prefix *prefix, struct error *error)
{
	_cleanup_(cleanup_policy) struct policy *policy = NULL;
	char text[PREFIX_TEXT_SIZE];
	int code = fence_set_peer(agent->fence, prefix, clusters_of(agent, prefix));

	if (code && code != -E2BIG)
		return error_set(error, code, "cannot change peer %s: %s",
				 prefix_format(prefix, text), strerror(-code));
	if (!code)
		return 0;
	code = policy_build(agent->config, agent->runtime_peers, agent->runtime_peer_count, &policy,
			    error);
	if (!code)
		listeners_assign(agent, agent->config, policy);
	if (!code)
		code = fence_apply(agent->fence, policy, agent->plan, agent->config->attach, error);
	if (code)
		return code;
	policy_free(agent->policy);
	agent->policy = TAKE_POINTER(policy);
	return 0;
}

static void forget(struct agent *agent, struct runtime_peer *peer)
{
	*peer = agent->runtime_peers[--agent->runtime_peer_count];
}

int agent_add_peer(struct agent *agent, const struct runtime_peer *peer, struct error *error)
{
	struct runtime_peer *known = find_runtime(agent, peer->cluster, &peer->prefix);
	struct runtime_peer *list;
	int code;

	if (policy_cluster_index(agent->config, peer->cluster) < 0)
		return error_set(error, -ENOENT, "no cluster is called \"%s\" in the configuration",
				 peer->cluster);
	if (known) {
		*known = *peer;
		return 0;
	}
	if (agent->runtime_peer_count == RUNTIME_PEERS_MAX)
		return error_set(error, -E2BIG,
				 "%d peers were added at run time already: put them into %s",
				 RUNTIME_PEERS_MAX, agent->config_path);
	list = reallocarray(agent->runtime_peers, agent->runtime_peer_count + 1, sizeof(*list));
	if (!list)
		return error_set(error, -ENOMEM, "out of memory");
	agent->runtime_peers = list;
	list[agent->runtime_peer_count++] = *peer;
	code = update_kernel(agent, &peer->prefix, error);
	if (code)
		agent->runtime_peer_count--;
	return code;
}

int agent_delete_peer(struct agent *agent, const char *cluster, const struct prefix *prefix,
		      struct error *error)
{
	const int index = policy_cluster_index(agent->config, cluster);
	struct runtime_peer *peer = find_runtime(agent, cluster, prefix);
	char text[PREFIX_TEXT_SIZE];

	if (index < 0)
		return error_set(error, -ENOENT, "no cluster is called \"%s\" in the configuration",
				 cluster);
	prefix_format(prefix, text);
	if (agent_has_configured(agent, (size_t)index, prefix))
		return error_set(error, -EPERM,
				 "%s is a peer of \"%s\" by the configuration: take it out of %s "
				 "and reload",
				 text, cluster, agent->config_path);
	if (!peer)
		return error_set(error, -ENOENT, "%s is no peer of \"%s\"", text, cluster);
	forget(agent, peer);
	return update_kernel(agent, prefix, error);
}

void agent_forget_peers(struct agent *agent)
{
	while (agent->runtime_peer_count) {
		struct runtime_peer *peer = &agent->runtime_peers[agent->runtime_peer_count - 1];
		const struct prefix prefix = peer->prefix;

		forget(agent, peer);
		update_kernel(agent, &prefix, NULL);
	}
}

int64_t agent_expire_peers(struct agent *agent, int64_t now_s)
{
	int64_t next_s = -1;

	for (size_t i = 0; i < agent->runtime_peer_count;) {
		struct runtime_peer *peer = &agent->runtime_peers[i];
		const struct prefix prefix = peer->prefix;

		if (peer->expires_s && peer->expires_s <= now_s) {
			forget(agent, peer);
			update_kernel(agent, &prefix, NULL);
			continue;
		}
		if (peer->expires_s && (next_s < 0 || peer->expires_s - now_s < next_s))
			next_s = peer->expires_s - now_s;
		i++;
	}
	return next_s;
}
