// SPDX-License-Identifier: BSD-2-Clause
/* The sieve before the table of peers: it lets every peer through, and few others. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../bpf/sieve.h"
#include "kernel/internal.h"

static struct sieve sieve;
static unsigned int seed = 7;

static struct peer_key random_key(bool ipv4)
{
	const __u32 length = ipv4 ? 96 + (__u32)rand_r(&seed) % 33 : (__u32)rand_r(&seed) % 129;
	struct peer_key key = {.length = length};

	for (size_t i = ipv4 ? 12 : 0; i < sizeof(key.address); i++)
		key.address[i] = (__u8)rand_r(&seed);
	if (ipv4)
		key.address[10] = key.address[11] = 0xff;
	for (__u32 bit = length; bit < 128; bit++)
		key.address[bit / 8] &= (__u8) ~(0x80 >> bit % 8);
	return key;
}

static bool passes(__u32 shift, const struct peer_key *key)
{
	__u64 words[2];

	memcpy(words, key->address, sizeof(words));
	return sieve_has(&sieve, sieve_bit(words[0], words[1], key->length, shift));
}

Test(sieve, lets_every_prefix_through_that_was_added)
{
	static const size_t sizes[] = {0, 1, 1000, 100000, PEERS_MAX};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const __u32 shift = sieve_clear(&sieve, sizes[i]);

		for (int number = 0; number < 20000; number++) {
			const struct peer_key key = random_key(number % 2);

			sieve_add(&sieve, shift, &key);
			cr_assert(passes(shift, &key), "number %d of %zu", number, sizes[i]);
		}
	}
}

static struct peer_key host(__u32 number, bool ipv4)
{
	const __u32 address = __builtin_bswap32(number);
	struct peer_key key = {.length = 128};

	if (ipv4)
		key.address[10] = key.address[11] = 0xff;
	else
		key.address[0] = 0xfd;
	memcpy(key.address + 12, &address, sizeof(address));
	return key;
}

/*
 * Hosts in a row, as operators number them, and strangers beside them. So many that with one more
 * the sieve would be twice as large: one stranger in 32 at worst.
 */
Test(sieve, lets_few_others_through)
{
	for (int ipv4 = 0; ipv4 < 2; ipv4++) {
		const __u32 count = 1u << 14, shift = sieve_clear(&sieve, count);
		struct peer_key key;
		__u32 wrong = 0;

		for (__u32 i = 0; i < count; i++) {
			key = host(0x0a000000 + i, ipv4);
			sieve_add(&sieve, shift, &key);
		}
		for (__u32 i = 0; i < count; i++) {
			key = host(0x0b000000 + i * 77, ipv4);
			wrong += passes(shift, &key);
			key = host(0x0a000000 + i, ipv4);
			key.length = 127;
			key.address[15] &= 0xfe;
			wrong += passes(shift, &key);
		}
		cr_expect_lt(sieve_clear(&sieve, count + 1), shift);
		cr_expect_lt(wrong, 2 * count * 4 / 100, "%u of %u strangers", wrong, 2 * count);
	}
}

Test(sieve, is_empty_after_it_was_cleared)
{
	__u32 shift = sieve_clear(&sieve, PEERS_MAX);
	struct peer_key key = host(0x0a000001, true);

	sieve_add(&sieve, shift, &key);
	shift = sieve_clear(&sieve, PEERS_MAX);
	cr_expect_not(passes(shift, &key));
}
