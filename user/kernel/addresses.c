// SPDX-License-Identifier: BSD-2-Clause
/* The trie of the host's own addresses: the filter asks it where the routes do not tell. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "kernel/internal.h"

/*
 * For how long the filter believes the trie: several times as long as the agent lets pass between
 * its looks. Without an agent nobody would add a new address, and it would be open.
 */
#define BELIEVED_MS 30000

static struct address_key key_of(const struct prefix *prefix)
{
	struct address_key key = {.length = prefix->length};

	memcpy(key.address, prefix->address, sizeof(key.address));
	return key;
}

static int trie(const struct fence *fence)
{
	return bpf_map__fd(fence->live->maps.addresses);
}

/* Reads what an earlier agent left, sorted. */
static int adopt(struct fence *fence)
{
	struct address_key key, *previous = NULL;
	size_t count = 0;

	fence->addresses = calloc(ADDRESSES_MAX, sizeof(*fence->addresses));
	if (!fence->addresses)
		return -ENOMEM;
	while (count < ADDRESSES_MAX && !bpf_map_get_next_key(trie(fence), previous, &key)) {
		struct prefix *prefix = &fence->addresses[count++];

		prefix->length = (uint8_t)key.length;
		memcpy(prefix->address, key.address, sizeof(prefix->address));
		previous = &key;
	}
	fence->address_count = count;
	if (count)
		qsort(fence->addresses, count, sizeof(*fence->addresses),
		      (int (*)(const void *, const void *))prefix_compare);
	return 0;
}

static bool has(const struct prefix *list, size_t count, const struct prefix *prefix)
{
	return count && bsearch(prefix, list, count, sizeof(*list),
				(int (*)(const void *, const void *))prefix_compare);
}

/* Adds what is new before what is gone is taken out: nothing lacks meanwhile. */
static int write_changes(struct fence *fence, const struct prefix *list, size_t count)
{
	const __u8 value = 1;

	for (size_t i = 0; i < count; i++) {
		const struct address_key key = key_of(&list[i]);

		if (!has(fence->addresses, fence->address_count, &list[i]) &&
		    bpf_map_update_elem(trie(fence), &key, &value, BPF_ANY) < 0)
			return -errno;
	}
	for (size_t i = 0; i < fence->address_count; i++) {
		const struct address_key key = key_of(&fence->addresses[i]);

		if (!has(list, count, &fence->addresses[i]) &&
		    bpf_map_delete_elem(trie(fence), &key) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static void believe_until(struct fence *fence, uint64_t ms)
{
	__atomic_store_n(&fence->tables->host.addresses_until_ns, ms * 1000000, __ATOMIC_SEQ_CST);
}

int fence_set_addresses(struct fence *fence, const struct prefix *list, size_t count,
			struct error *error)
{
	struct prefix *copy;
	int code = fence->addresses ? 0 : adopt(fence);

	if (!code && count > ADDRESSES_MAX)
		code = -E2BIG;
	copy = code ? NULL : malloc((count + 1) * sizeof(*copy));
	if (!code && !copy)
		code = -ENOMEM;
	if (!code)
		code = write_changes(fence, list, count);
	if (code) {
		believe_until(fence, 0);
		free(copy);
		free(fence->addresses); /* what is in the trie is read again */
		fence->addresses = NULL;
		return error_set(error, code, "cannot store the host's own addresses: %s",
				 strerror(-code));
	}
	memcpy(copy, list, count * sizeof(*copy));
	free(fence->addresses);
	fence->addresses = copy;
	fence->address_count = count;
	believe_until(fence, monotonic_ms() + BELIEVED_MS);
	return 0;
}
