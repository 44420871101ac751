// SPDX-License-Identifier: BSD-2-Clause
/* The peers: a hash for each policy, and changes to the one in force. */
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/internal.h"

/* Entries that a batch carries to the kernel: 28 KiB of keys and values on the heap. */
#define BATCH 1024

/* Room beyond the policy's own peers for those added at run time. */
static __u32 capacity_for(size_t peers)
{
	return (__u32)(peers + peers / 8 + 1024);
}

static int fill(int map, const struct policy *policy)
{
	_cleanup_free_ struct peer_key *keys = calloc(BATCH, sizeof(*keys));
	_cleanup_free_ __u64 *values = calloc(BATCH, sizeof(*values));
	LIBBPF_OPTS(bpf_map_batch_opts, options);

	if (!keys || !values)
		return -ENOMEM;
	for (size_t done = 0; done < policy->peer_count;) {
		__u32 count = 0;

		while (count < BATCH && done < policy->peer_count) {
			policy_peer_key(&policy->peers[done].prefix, &keys[count]);
			values[count++] = policy->peers[done++].clusters;
		}
		if (bpf_map_update_batch(map, keys, values, &count, &options) < 0)
			return -errno;
	}
	return 0;
}

int peers_create(const struct policy *policy, struct error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	_cleanup_close_ int map = bpf_map_create(BPF_MAP_TYPE_HASH, "peers",
						 sizeof(struct peer_key), sizeof(__u64),
						 capacity_for(policy->peer_count), &options);
	int code;

	if (map < 0)
		return error_set(error, -errno, "the kernel refuses a table of %zu peers: %s",
				 policy->peer_count, strerror(errno));
	code = fill(map, policy);
	if (code)
		return error_set(error, code, "cannot write %zu peers: %s", policy->peer_count,
				 strerror(-code));
	return TAKE_FD(map);
}

int peers_store(const struct fence *fence, __u32 generation, int peers_fd, struct error *error)
{
	if (bpf_map_update_elem(bpf_map__fd(fence->live->maps.peers), &generation, &peers_fd,
				BPF_ANY) < 0)
		return error_set(error, -errno, "cannot store the peers: %s", strerror(errno));
	return 0;
}

int fence_wait_for_frames(struct fence *fence)
{
	const bool building = fence->next_peers_fd >= 0;
	const __u32 generation = (fence->tables->generation & 1) ^ building;
	struct error error;

	return peers_store(fence, generation, building ? fence->next_peers_fd : fence->peers_fd,
			   &error);
}

void peers_forget_aside(struct fence *fence)
{
	const __u32 aside = !(fence->tables->generation & 1);

	bpf_map_delete_elem(bpf_map__fd(fence->live->maps.peers), &aside);
}

/* Makes sure that the filter looks for prefixes of this length. */
static int use_length(struct prefix_lengths *lengths, const struct prefix *prefix)
{
	struct prefix_mask mask = {.length = prefix->length};
	uint8_t bytes[16] = {};

	for (uint32_t i = 0; i < lengths->count; i++)
		if (lengths->masks[i].length == prefix->length)
			return 0;
	if (lengths->count == PREFIX_LENGTHS_MAX)
		return -E2BIG;
	for (unsigned int bit = 0; bit < prefix->length; bit++)
		bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(&mask.high, bytes, 8);
	memcpy(&mask.low, bytes + 8, 8);
	lengths->masks[lengths->count] = mask;
	__atomic_store_n(&lengths->count, lengths->count + 1, __ATOMIC_RELEASE);
	return 0;
}

int fence_set_peer(struct fence *fence, const struct prefix *prefix, uint64_t clusters)
{
	const __u32 generation = fence->tables->generation & 1;
	struct policy_tables *policy = &fence->tables->policy[generation];
	struct peer_key key;
	int code;

	policy_peer_key(prefix, &key);
	if (!clusters)
		return bpf_map_delete_elem(fence->peers_fd, &key) < 0 && errno != ENOENT ? -errno
											 : 0;
	code = sieve_admit(fence, generation, &key); /* first: what is not in it is not looked up */
	if (code)
		return code;
	if (bpf_map_update_elem(fence->peers_fd, &key, &clusters, BPF_ANY) < 0)
		return -errno;
	return use_length(prefix_is_ipv4(prefix) ? &policy->ipv4_lengths : &policy->ipv6_lengths,
			  prefix);
}
