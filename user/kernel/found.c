// SPDX-License-Identifier: BSD-2-Clause
/* What the listener watch found, and what the agent makes of it: claims, standings and clusters. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/protection.h"

int watch_read_hash(const struct bpf_map *map, size_t key_size, size_t value_size, void **result)
{
	const size_t row_size = key_size + value_size, limit = bpf_map__max_entries(map);
	_cleanup_free_ char *rows = NULL;
	char keys[2][sizeof(struct binding_key)], *previous = NULL;
	size_t count = 0, room = 0;

	for (size_t turn = 0; count < limit; turn++) {
		char *key = keys[turn & 1], *row;

		if (bpf_map_get_next_key(bpf_map__fd(map), previous, key))
			break;
		previous = key;
		if (count == room) {
			room = room ? 2 * room : 64;
			row = reallocarray(rows, room, row_size);
			if (!row)
				return -ENOMEM;
			rows = row;
		}
		row = rows + count * row_size;
		memcpy(row, key, key_size);
		if (!bpf_map_lookup_elem(bpf_map__fd(map), key, row + key_size))
			count++;
	}
	*result = TAKE_POINTER(rows);
	return (int)count;
}

int fence_listeners(const struct fence *fence, struct fence_listener **list)
{
	_Static_assert(sizeof(struct fence_listener) == 8 + sizeof(struct listener), "no padding");

	*list = NULL;
	return fence->watch ? watch_read_hash(fence->watch->maps.listeners, sizeof(uint64_t),
					      sizeof(struct listener), (void **)list)
			    : 0;
}

int fence_registrations(const struct fence *fence, struct fence_registration **list)
{
	_Static_assert(sizeof(struct fence_registration) == 8 + sizeof(struct registration),
		       "no padding");

	*list = NULL;
	return fence->watch ? watch_read_hash(fence->watch->maps.registrations, sizeof(uint64_t),
					      sizeof(struct registration), (void **)list)
			    : 0;
}

int fence_users(const struct fence *fence, struct fence_user **list)
{
	_Static_assert(sizeof(struct fence_user) == 4 + sizeof(struct user), "no padding");

	*list = NULL;
	return fence->watch ? watch_read_hash(fence->watch->maps.users, sizeof(uint32_t),
					      sizeof(struct user), (void **)list)
			    : 0;
}

uint64_t fence_listeners_untracked(const struct fence *fence)
{
	return fence->tables->host.listeners_untracked;
}

uint64_t fence_listeners_refused(const struct fence *fence)
{
	return fence->tables->host.listeners_refused;
}

/* Has a program of the watch do what only a program can do in one step. */
static int order(const struct bpf_program *program, const uint64_t *arguments, size_t count)
{
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = arguments,
		    .ctx_size_in = (__u32)(count * sizeof(*arguments)));

	return bpf_prog_test_run_opts(bpf_program__fd(program), &options) < 0 ? -errno : 0;
}

int fence_settle(struct fence *fence, uint64_t socket, bool node)
{
	const uint64_t arguments[] = {socket, node};

	return fence->watch ? order(fence->watch->progs.settle_listener, arguments, 2) : 0;
}

int watch_drop_listener(struct fence *fence, uint64_t socket, uint64_t since_ns)
{
	const uint64_t arguments[] = {socket, since_ns};

	return order(fence->watch->progs.drop_listener, arguments, 2);
}

int watch_drop_registration(struct fence *fence, uint64_t socket)
{
	return order(fence->watch->progs.drop_registration, &socket, 1);
}

static int assign_binding(const struct fence *fence, const struct binding_key *key,
			  __u32 generation, uint8_t cluster)
{
	uint64_t arguments[] = {0, 0, key->port, generation, cluster};

	memcpy(arguments, key->address, sizeof(key->address));
	return order(fence->watch->progs.assign_binding, arguments, 5);
}

int watch_correct_binding(const struct fence *fence, const struct binding_key *key,
			  const __u32 actual[STANDING_COUNT], const __u32 wanted[STANDING_COUNT])
{
	uint64_t arguments[3 + STANDING_COUNT] = {0, 0, key->port};

	memcpy(arguments, key->address, sizeof(key->address));
	for (size_t i = 0; i < STANDING_COUNT; i++)
		arguments[3 + i] = (__u32)(wanted[i] - actual[i]);
	return order(fence->watch->progs.correct_binding, arguments, 3 + STANDING_COUNT);
}

static struct binding_key binding_of(const struct listener *listener)
{
	struct binding_key key = {.port = listener->port};

	memcpy(key.address, listener->address, sizeof(key.address));
	return key;
}

static uint8_t find_cluster(const struct policy *policy, const struct binding_key *key)
{
	for (size_t i = 0; i < policy->binding_count; i++)
		if (!memcmp(&policy->bindings[i].key, key, sizeof(*key)))
			return policy->bindings[i].cluster;
	return CLUSTER_NOBODY;
}

int watch_assign_bindings(const struct fence *fence, __u32 generation, const struct policy *policy)
{
	const int map = bpf_map__fd(fence->live->maps.bindings);
	struct binding_key key, *previous = NULL;
	int code = 0;

	for (size_t i = 0; fence->watch && !code && i < BINDINGS_MAX; i++) {
		if (bpf_map_get_next_key(map, previous, &key))
			break;
		previous = &key;
		code = assign_binding(fence, &key, generation, find_cluster(policy, &key));
	}
	return code;
}

/*
 * A user's claims are limited, so that nobody takes the room of others: one that is for no listener
 * of his gives way.
 */
static void limit_claims(const struct fence *fence, uint32_t account)
{
	const int map = bpf_map__fd(fence->watch->maps.claims);
	struct claim_key key, victim = {}, *previous = NULL;
	size_t count = 0;

	for (size_t i = 0; i < CLAIMS_MAX && !bpf_map_get_next_key(map, previous, &key); i++) {
		previous = &key;
		if (key.account != account)
			continue;
		count++;
		victim = key;
	}
	if (count > USER_CLAIMS_MAX)
		bpf_map_delete_elem(map, &victim);
}

void fence_claim(struct fence *fence, uint32_t account, uint16_t port, enum claim claim)
{
	const struct claim_key any = {.account = ACCOUNT_ANY, .port = port};
	const struct claim_key key = {.account = account, .port = port};
	const __u32 value = claim;
	int map;

	if (!fence->watch)
		return;
	map = bpf_map__fd(fence->watch->maps.claims);
	bpf_map_delete_elem(map, &any);
	if (claim == CLAIM_NONE) {
		bpf_map_delete_elem(map, &key);
		return;
	}
	if (bpf_map_update_elem(map, &key, &value, BPF_NOEXIST) && errno == EEXIST)
		bpf_map_update_elem(map, &key, &value, BPF_ANY);
	else
		limit_claims(fence, account);
	__atomic_store_n(&fence->tables->here.claimed[port], 1, __ATOMIC_SEQ_CST);
}

enum claim fence_claimed(const struct fence *fence, uint32_t account, uint16_t port)
{
	struct claim_key key = {.account = account, .port = port};
	__u32 value = CLAIM_NONE;

	if (!fence->watch || !fence->tables->here.claimed[port])
		return CLAIM_NONE;
	if (!bpf_map_lookup_elem(bpf_map__fd(fence->watch->maps.claims), &key, &value))
		return (enum claim)value;
	key.account = ACCOUNT_ANY;
	bpf_map_lookup_elem(bpf_map__fd(fence->watch->maps.claims), &key, &value);
	return (enum claim)value;
}

/* Those of an agent before 0.2, which did not know whose they were. */
void watch_import_claims(struct fence *fence)
{
	const int map = bpf_map__fd(fence->watch->maps.claims);
	const __u32 value = CLAIM_REGISTERED;
	struct claim_key key;

	if (!bpf_map_get_next_key(map, NULL, &key))
		return;
	for (size_t port = 0; port < PORTS; port++) {
		key = (struct claim_key){.account = ACCOUNT_ANY, .port = (__u16)port};
		if (fence->tables->here.claimed[port])
			bpf_map_update_elem(map, &key, &value, BPF_NOEXIST);
	}
}

static struct policy_tables *policy_in_force(const struct fence *fence)
{
	return &fence->tables->policy[fence->tables->generation & 1];
}

void fence_assign(struct fence *fence, const struct listener *listener, uint8_t cluster)
{
	struct policy_tables *policy = policy_in_force(fence);
	const struct binding_key key = binding_of(listener);

	if (port_bit(policy->configured, listener->port))
		return;
	if (listener->reach & REACH_IPV4)
		policy->cluster_of[0][listener->port] = cluster;
	if (listener->reach & REACH_IPV6)
		policy->cluster_of[1][listener->port] = cluster;
	if (listener->reach & REACH_BINDING && fence->watch)
		assign_binding(fence, &key, fence->tables->generation & 1, cluster);
}

uint8_t fence_cluster(const struct fence *fence, const struct listener *listener)
{
	const struct policy_tables *policy = policy_in_force(fence);
	const struct binding_key key = binding_of(listener);
	struct binding binding;

	if (port_bit(policy->configured, listener->port) || !(listener->reach & REACH_BINDING))
		return policy->cluster_of[!(listener->reach & REACH_IPV4)][listener->port];
	if (bpf_map_lookup_elem(bpf_map__fd(fence->live->maps.bindings), &key, &binding))
		return CLUSTER_NOBODY;
	return binding.cluster[fence->tables->generation & 1];
}

const char *fence_cluster_name(const struct fence *fence, const struct listener *listener)
{
	const uint8_t cluster = fence_cluster(fence, listener);

	return cluster < CLUSTERS_MAX ? policy_in_force(fence)->cluster_names[cluster] : "";
}

const char *fence_port_cluster_name(const struct fence *fence, const struct listener *listener)
{
	const struct policy_tables *policy = policy_in_force(fence);
	const uint8_t cluster = policy->cluster_of[!listener->ipv4][listener->port];

	return cluster < CLUSTERS_MAX ? policy->cluster_names[cluster] : "";
}

uint8_t fence_configured_cluster(const struct fence *fence, uint16_t port)
{
	const struct policy_tables *policy = policy_in_force(fence);

	return port_bit(policy->configured, port) ? policy->cluster_of[0][port] : CLUSTER_NOBODY;
}

bool fence_protects(const struct fence *fence, const struct listener *listener)
{
	return policy_protects(policy_in_force(fence), listener);
}
