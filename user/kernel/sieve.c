// SPDX-License-Identifier: BSD-2-Clause
/* The sieve before each policy's table of peers. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bpf/sieve.h"
#include "core/address.h"
#include "kernel/internal.h"

/* Bits for each peer: one in 32 that is not in the table is looked up there all the same. */
#define BITS_A_PEER 32

/*
 * Mapped for as long as it is written: all pages of a mapping count as this process's memory, and
 * come at once. @offset is in bytes, of whole pages.
 */
static void *map_part(const struct fence *fence, size_t offset, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		    bpf_map__fd(fence->live->maps.sieves), (off_t)offset);
}

static __u32 shift_for(size_t peers)
{
	__u32 bits = SIEVE_BITS_MIN, shift = 64 - (__u32)__builtin_ctz(SIEVE_BITS_MIN);

	while (bits < SIEVE_BITS_MAX && bits / BITS_A_PEER < peers) {
		bits *= 2;
		shift--;
	}
	return shift;
}

__u32 sieve_clear(struct sieve *sieve, size_t peers)
{
	const __u32 shift = shift_for(peers);

	memset(sieve, 0, (1ull << (64 - shift)) / 8);
	return shift;
}

static __u32 bit_of(const struct peer_key *key, __u32 shift)
{
	__u64 words[2];

	memcpy(words, key->address, sizeof(words));
	return sieve_bit(words[0], words[1], key->length, shift);
}

static void set_bit(__u64 *words, __u32 bit)
{
	__atomic_fetch_or(&words[bit / 64], 1ull << bit % 64, __ATOMIC_SEQ_CST);
}

void sieve_add(struct sieve *sieve, __u32 shift, const struct peer_key *key)
{
	set_bit(sieve->words, bit_of(key, shift));
}

int sieve_build(struct fence *fence, __u32 generation, const struct policy *policy,
		struct error *error)
{
	struct sieve *sieve = map_part(fence, generation * sizeof(*sieve), sizeof(*sieve));
	struct peer_key key;
	__u32 shift;

	if (sieve == MAP_FAILED)
		return error_set(error, -errno, "cannot map the sieve of the peers: %s",
				 strerror(errno));
	shift = sieve_clear(sieve, policy->peer_count);
	for (size_t i = 0; i < policy->peer_count; i++) {
		policy_peer_key(&policy->peers[i].prefix, &key);
		sieve_add(sieve, shift, &key);
	}
	fence->tables->policy[generation].sieve_shift = shift;
	munmap(sieve, sizeof(*sieve));
	return 0;
}

int sieve_admit(const struct fence *fence, __u32 generation, const struct peer_key *key)
{
	const __u32 bit = bit_of(key, fence->tables->policy[generation].sieve_shift);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), bits = page * 8;
	__u64 *words = map_part(fence, generation * sizeof(struct sieve) + bit / bits * page, page);

	if (words == MAP_FAILED)
		return -errno;
	set_bit(words, (__u32)(bit % bits));
	munmap(words, page);
	return 0;
}
