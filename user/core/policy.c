// SPDX-License-Identifier: BSD-2-Clause
#include "core/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

#define LENGTHS 129 /* a prefix has 0 to 128 bits */

int policy_cluster_index(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->cluster_count; i++)
		if (!strcmp(config->clusters[i].name, name))
			return (int)i;
	return -ENOENT;
}

void policy_peer_key(const struct prefix *prefix, struct peer_key *key)
{
	memcpy(key->address, prefix->address, sizeof(key->address));
	key->length = prefix->length;
}

static void set_bit(uint64_t *bits, uint16_t port)
{
	bits[port / 64] |= UINT64_C(1) << (port % 64);
}

static void set_bits(uint64_t *bits, const struct port_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		for (unsigned port = ranges->items[i].first; port <= ranges->items[i].last; port++)
			set_bit(bits, (uint16_t)port);
}

static void protect_ports(struct policy *policy, const struct port_ranges *ranges, uint8_t cluster)
{
	set_bits(policy->ports, ranges);
	for (size_t i = 0; i < ranges->count; i++)
		for (unsigned port = ranges->items[i].first; port <= ranges->items[i].last; port++)
			policy->cluster_of[0][port] = policy->cluster_of[1][port] = cluster;
}

/* So that neither a claim nor "fixed: protect" closes a product to its clients. */
static void exempt_client_ports(struct policy *policy, const struct preset *preset)
{
	for (size_t i = 0; i < PRESET_CLIENTS_MAX && preset->clients[i]; i++) {
		const uint16_t port = preset->clients[i];

		if (!(policy->ports[port / 64] >> (port % 64) & 1))
			set_bit(policy->exempt, port);
	}
}

static int compare_peers(const void *a, const void *b)
{
	const struct policy_peer *left = a, *right = b;

	return prefix_compare(&left->prefix, &right->prefix);
}

static int collect_peers(struct policy *policy, const struct policy_parts *parts)
{
	const struct runtime_peer *runtime = parts->runtime;
	const struct config *config = parts->config;
	size_t total = parts->runtime_count, count = 0;

	for (size_t i = 0; i < config->cluster_count; i++)
		total += config->clusters[i].peer_count;
	if (!total)
		return 0;
	policy->peers = calloc(total, sizeof(*policy->peers));
	if (!policy->peers)
		return -ENOMEM;
	for (size_t i = 0; i < config->cluster_count; i++)
		for (size_t j = 0; j < config->clusters[i].peer_count; j++)
			policy->peers[count++] = (struct policy_peer){
				.prefix = config->clusters[i].peers[j],
				.clusters = UINT64_C(1) << i,
			};
	for (size_t i = 0; i < parts->runtime_count; i++) {
		int cluster = policy_cluster_index(config, runtime[i].cluster);

		if (cluster >= 0)
			policy->peers[count++] = (struct policy_peer){
				.prefix = runtime[i].prefix,
				.clusters = UINT64_C(1) << cluster,
			};
	}
	policy->peer_count = count;
	return 0;
}

static bool in_order(const struct policy *policy)
{
	for (size_t i = 1; i < policy->peer_count; i++)
		if (compare_peers(&policy->peers[i - 1], &policy->peers[i]) > 0)
			return false;
	return true;
}

/* Sorts the peers and makes one of each prefix, a peer of all the clusters that it was named for.
 */
static void merge_peers(struct policy *policy)
{
	size_t kept = 0;

	if (!policy->peer_count)
		return;
	if (!in_order(policy)) /* those of one cluster are */
		qsort(policy->peers, policy->peer_count, sizeof(*policy->peers), compare_peers);
	for (size_t i = 1; i < policy->peer_count; i++) {
		struct policy_peer *same = &policy->peers[kept];

		if (!compare_peers(same, &policy->peers[i])) {
			same->clusters |= policy->peers[i].clusters;
		} else {
			policy->peers[++kept] = policy->peers[i];
		}
	}
	policy->peer_count = kept + 1;
}

static void set_mask(struct prefix_mask *mask, unsigned length)
{
	uint8_t bytes[16] = {0};

	for (unsigned bit = 0; bit < length; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	/* As the filter loads an address from a frame: bytes in memory, whatever the host's order.
	 */
	memcpy(&mask->high, bytes, sizeof(mask->high));
	memcpy(&mask->low, bytes + sizeof(mask->high), sizeof(mask->low));
	mask->length = length;
	mask->padding = 0;
}

static int list_lengths(struct prefix_lengths *lengths, const bool used[static LENGTHS])
{
	for (unsigned length = LENGTHS; length-- > 0;) {
		if (!used[length])
			continue;
		if (lengths->count == PREFIX_LENGTHS_MAX)
			return -E2BIG;
		set_mask(&lengths->masks[lengths->count++], length);
	}
	return 0;
}

static int collect_lengths(struct policy *policy, struct error *error)
{
	bool ipv4[LENGTHS] = {false}, ipv6[LENGTHS] = {false};

	for (size_t i = 0; i < policy->peer_count; i++) {
		const struct prefix *prefix = &policy->peers[i].prefix;

		(prefix_is_ipv4(prefix) ? ipv4 : ipv6)[prefix->length] = true;
	}
	if (list_lengths(&policy->ipv4_lengths, ipv4) < 0 ||
	    list_lengths(&policy->ipv6_lengths, ipv6) < 0)
		return error_set(error, -E2BIG,
				 "IPv6 peers have more than %d different prefix lengths: use fewer",
				 PREFIX_LENGTHS_MAX);
	return 0;
}

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

static void assign_listener(struct policy *policy, const struct policy_listener *listener)
{
	const uint16_t port = listener->port;

	if (policy->ports[port / 64] >> (port % 64) & 1)
		return;
	if (listener->reach & REACH_IPV4)
		policy->cluster_of[0][port] = listener->cluster;
	if (listener->reach & REACH_IPV6)
		policy->cluster_of[1][port] = listener->cluster;
	if (listener->reach & REACH_BINDING) {
		struct policy_binding *binding = &policy->bindings[policy->binding_count++];

		*binding = (struct policy_binding){.key.port = port, .cluster = listener->cluster};
		memcpy(binding->key.address, listener->address, sizeof(binding->key.address));
	}
}

static int assign_listeners(struct policy *policy, const struct policy_parts *parts)
{
	if (!parts->listener_count)
		return 0;
	policy->bindings = calloc(parts->listener_count, sizeof(*policy->bindings));
	if (!policy->bindings)
		return -ENOMEM;
	for (size_t i = 0; i < parts->listener_count; i++)
		assign_listener(policy, &parts->listeners[i]);
	return 0;
}

static void take_config(struct policy *policy, const struct config *config)
{
	policy->mode = config->mode;
	policy->protect_autobound = config->discovery_autobound;
	policy->protect_fixed = config->discovery_fixed;
	set_bits(policy->exempt, &config->exempt_ports);
	memset(policy->cluster_of, CLUSTER_NOBODY, sizeof(policy->cluster_of));
	for (size_t i = 0; i < config->cluster_count; i++) {
		protect_ports(policy, &config->clusters[i].ports, (uint8_t)i);
		snprintf(policy->cluster_names[i], sizeof(policy->cluster_names[i]), "%s",
			 config->clusters[i].name);
	}
	protect_ports(policy, &config->preset_ports, CLUSTER_NOBODY);
	protect_ports(policy, &config->epmd_ports, CLUSTER_ANY);
	for (size_t i = 0; i < config->preset_count; i++)
		exempt_client_ports(policy, config->presets[i].preset);
}

int policy_build(const struct policy_parts *parts, struct policy **policy, struct error *error)
{
	_cleanup_(cleanup_policy) struct policy *built = calloc(1, sizeof(*built));
	int result;

	if (!built || collect_peers(built, parts) < 0)
		return error_set(error, -ENOMEM, "out of memory for the policy");
	merge_peers(built);
	if (built->peer_count > PEERS_MAX)
		return error_set(error, -E2BIG, "%zu different peers, more than the %d that fit",
				 built->peer_count, PEERS_MAX);
	result = collect_lengths(built, error);
	if (result < 0)
		return result;
	take_config(built, parts->config);
	if (assign_listeners(built, parts) < 0)
		return error_set(error, -ENOMEM, "out of memory for the policy");
	*policy = TAKE_POINTER(built);
	return 0;
}

static int compare_prefixes(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

bool policy_cluster_has(const struct cluster_config *cluster, const struct prefix *prefix)
{
	return cluster->peer_count && bsearch(prefix, cluster->peers, cluster->peer_count,
					      sizeof(*prefix), compare_prefixes);
}

uint64_t policy_configured(const struct config *config, const struct prefix *prefix)
{
	uint64_t clusters = 0;

	for (size_t i = 0; i < config->cluster_count; i++)
		clusters |= (uint64_t)policy_cluster_has(&config->clusters[i], prefix) << i;
	return clusters;
}

void policy_forget_peers(struct policy *policy)
{
	free(policy->peers);
	policy->peers = NULL;
	policy->peer_count = 0;
}

void policy_free(struct policy *policy)
{
	if (!policy)
		return;
	free(policy->peers);
	free(policy->bindings);
	free(policy);
}
