// SPDX-License-Identifier: BSD-2-Clause
#include "agent/peer_list.h"
#include "tests/seed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESSES 200
#define STEPS	  20000

static struct peer_list list;

static struct runtime_peer numbered(unsigned address, unsigned cluster)
{
	struct runtime_peer peer = {};
	char text[32];

	snprintf(text, sizeof(text), "10.0.%u.%u", address / 256, address % 256);
	cr_assert_eq(prefix_parse(text, &peer.prefix, NULL), 0);
	snprintf(peer.cluster, sizeof(peer.cluster), "c%u", cluster);
	return peer;
}

static void count_one(void *context, const struct runtime_peer *peer)
{
	(void)peer;
	++*(unsigned *)context;
}

Test(peer_list, finds_what_was_added_and_not_what_was_removed)
{
	static bool there[ADDRESSES][3];
	unsigned int seed = test_seed();
	size_t count = 0;

	for (unsigned step = 0; step < STEPS; step++) {
		const unsigned address = (unsigned)rand_r(&seed) % ADDRESSES;
		const unsigned cluster = (unsigned)rand_r(&seed) % 3;
		const struct runtime_peer peer = numbered(address, cluster);
		struct runtime_peer *found = peer_list_find(&list, peer.cluster, &peer.prefix);
		unsigned same = 0;

		cr_assert_eq(found != NULL, there[address][cluster], "step %u of pid %d", step,
			     getpid());
		peer_list_each(&list, &peer.prefix, count_one, &same);
		cr_assert_eq(same,
			     (unsigned)there[address][0] + there[address][1] + there[address][2]);
		if (found) {
			cr_assert_str_eq(found->cluster, peer.cluster);
			peer_list_remove(&list, found);
			count--;
		} else {
			cr_assert_eq(peer_list_add(&list, &peer), 0);
			count++;
		}
		there[address][cluster] ^= true;
		cr_assert_eq(list.count, count);
	}
	peer_list_free(&list);
}

Test(peer_list, has_an_end)
{
	struct runtime_peer peer = numbered(0, 0);

	for (unsigned i = 0; i < RUNTIME_PEERS_MAX; i++) {
		peer.prefix.address[13] = (uint8_t)(i >> 16);
		peer.prefix.address[14] = (uint8_t)(i >> 8);
		peer.prefix.address[15] = (uint8_t)i;
		cr_assert_eq(peer_list_add(&list, &peer), 0);
	}
	peer.prefix.address[12] = 11;
	cr_assert_eq(peer_list_add(&list, &peer), -E2BIG);
	cr_assert_null(peer_list_find(&list, peer.cluster, &peer.prefix));
	peer_list_free(&list);
}
