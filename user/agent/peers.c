// SPDX-License-Identifier: BSD-2-Clause
/* Peers that come and go while the agent runs. */
#include <errno.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/events.h"
#include "agent/planning.h"
#include "core/cleanup.h"

#define EXPIRY_RETRY_MS 1000 /* where the kernel refused to let a peer go */

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

bool agent_has_configured(const struct agent *agent, size_t cluster, const struct prefix *prefix)
{
	return policy_cluster_has(&agent->config->clusters[cluster], prefix);
}

struct clusters {
	const struct config *config;
	uint64_t bits;
};

static void add_cluster(void *context, const struct runtime_peer *peer)
{
	struct clusters *clusters = context;
	const int index = policy_cluster_index(clusters->config, peer->cluster);

	if (index >= 0)
		clusters->bits |= UINT64_C(1) << index;
}

/* All clusters that the prefix is a peer of, by the configuration or at run time. */
static uint64_t clusters_of(const struct agent *agent, const struct prefix *prefix)
{
	struct clusters clusters = {.config = agent->config,
				    .bits = policy_configured(agent->config, prefix)};

	peer_list_each(&agent->peers, prefix, add_cluster, &clusters);
	return clusters.bits;
}

/* Builds the whole policy anew, with room for the peers as they are now. */
static int rebuild(struct agent *agent, struct error *error)
{
	_cleanup_(cleanup_policy) struct policy *policy = NULL;
	int code = agent_policy(agent, agent->config, &policy, error);

	if (!code)
		code = fence_apply(agent->fence, policy, agent->plan, agent->config->attach, NULL,
				   error);
	if (code)
		return code;
	policy_free(agent->policy);
	policy_forget_peers(policy);
	agent->policy = TAKE_POINTER(policy);
	return 0;
}

static void emit(const struct agent *agent, const char *what, const char *cluster,
		 const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	event_emit(agent->events, "peer", "{s:s, s:s, s:s}", "what", what, "cluster", cluster,
		   "prefix", prefix_format(prefix, text));
}

/* Brings the kernel's entry for one prefix in line; a whole new policy where it has no room. */
static int update_kernel(struct agent *agent, const struct prefix *prefix, struct error *error)
{
	char text[PREFIX_TEXT_SIZE];
	const int code = fence_set_peer(agent->fence, prefix, clusters_of(agent, prefix));

	if (code == -E2BIG)
		return rebuild(agent, error);
	return code ? error_set(error, code, "cannot change peer %s: %s",
				prefix_format(prefix, text), strerror(-code))
		    : 0;
}

int agent_add_peer(struct agent *agent, const struct runtime_peer *peer, struct error *error)
{
	struct runtime_peer *known = peer_list_find(&agent->peers, peer->cluster, &peer->prefix);
	int code;

	if (policy_cluster_index(agent->config, peer->cluster) < 0)
		return error_set(error, -ENOENT, "no cluster is called \"%s\" in the configuration",
				 peer->cluster);
	if (known) {
		*known = *peer;
		return 0;
	}
	code = peer_list_add(&agent->peers, peer);
	if (code == -E2BIG)
		return error_set(error, code,
				 "%d peers were added at run time already: put them into %s",
				 RUNTIME_PEERS_MAX, agent->config_path);
	if (code)
		return error_set(error, code, "out of memory");
	code = update_kernel(agent, &peer->prefix, error);
	if (code)
		peer_list_remove(&agent->peers,
				 peer_list_find(&agent->peers, peer->cluster, &peer->prefix));
	else
		emit(agent, "added", peer->cluster, &peer->prefix);
	return code;
}

/* Takes a peer away, or changes nothing: what the kernel still knows must be on the list. */
static int remove_peer(struct agent *agent, struct runtime_peer *peer, struct error *error)
{
	const struct runtime_peer copy = *peer;
	int code;

	peer_list_remove(&agent->peers, peer);
	code = update_kernel(agent, &copy.prefix, error);
	if (code)
		peer_list_add(&agent->peers, &copy); /* there is room: it was there just now */
	return code;
}

int agent_delete_peer(struct agent *agent, const char *cluster, const struct prefix *prefix,
		      struct error *error)
{
	struct runtime_peer *peer = peer_list_find(&agent->peers, cluster, prefix);
	const int index = policy_cluster_index(agent->config, cluster);
	char text[PREFIX_TEXT_SIZE];
	int code;

	prefix_format(prefix, text);
	if (index < 0 && !peer)
		return error_set(error, -ENOENT, "no cluster is called \"%s\" in the configuration",
				 cluster);
	if (index >= 0 && agent_has_configured(agent, (size_t)index, prefix))
		return error_set(error, -EPERM,
				 "%s is a peer of \"%s\" by the configuration: take it out of %s "
				 "and reload",
				 text, cluster, agent->config_path);
	if (!peer)
		return error_set(error, -ENOENT, "%s is no peer of \"%s\"", text, cluster);
	code = remove_peer(agent, peer, error);
	if (!code)
		emit(agent, "removed", cluster, prefix);
	return code;
}

size_t agent_count_dormant(const struct agent *agent)
{
	size_t count = 0;

	for (size_t i = 0; i < agent->peers.count; i++)
		count += policy_cluster_index(agent->config, agent->peers.peers[i].cluster) < 0;
	return count;
}

int64_t agent_expire_peers(struct agent *agent, int64_t boot_ms,
			   void (*over)(void *context, const struct runtime_peer *peer),
			   void *context)
{
	int64_t next_ms = -1;

	for (size_t i = 0; i < agent->peers.count;) {
		struct runtime_peer *peer = &agent->peers.peers[i];
		const struct runtime_peer copy = *peer;
		int64_t ends_ms = copy.ends_ms;

		if (peer_is_over(peer, boot_ms)) {
			if (!remove_peer(agent, peer, NULL)) {
				emit(agent, "expired", copy.cluster, &copy.prefix);
				over(context, &copy);
				continue; /* another has taken its place */
			}
			ends_ms = boot_ms + EXPIRY_RETRY_MS;
		}
		if (copy.ttl_s && (next_ms < 0 || ends_ms < next_ms))
			next_ms = ends_ms;
		i++;
	}
	return next_ms;
}
