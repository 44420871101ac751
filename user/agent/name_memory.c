// SPDX-License-Identifier: BSD-2-Clause
#include "agent/name_memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/clock.h"

#define EPMDS_MAX 32 /* that are remembered */

/* A name with its port, as a number that nobody can choose. */
struct named {
	uint64_t hash;
	uint64_t since_ns;
};

/* What one epmd named last, by hash. */
struct page {
	uint16_t epmd_port; /* 0: free */
	struct named *names;
	size_t count;
	uint64_t noted_ns;
};

struct name_memory {
	uint64_t seed;
	struct page pages[EPMDS_MAX];
};

struct name_memory *name_memory_open(void)
{
	struct name_memory *memory = calloc(1, sizeof(*memory));

	/* Early in a boot there may be no good number yet: this one need not be. */
	if (memory && getrandom(&memory->seed, sizeof(memory->seed), GRND_NONBLOCK) < 0)
		memory->seed = (uint64_t)time(NULL) * 0x9e3779b97f4a7c15u;
	return memory;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0xff51afd7ed558ccdu;
	return hash ^ hash >> 32;
}

static uint64_t hash_of(const struct name_memory *memory, const struct epmd_node *node)
{
	uint64_t hash = mix(memory->seed, node->port);

	for (const char *at = node->name; *at; at++)
		hash = mix(hash, (unsigned char)*at);
	return mix(hash, memory->seed);
}

static int compare_named(const void *a, const void *b)
{
	const struct named *left = a, *right = b;

	return left->hash < right->hash ? -1 : left->hash > right->hash;
}

/* The page of an epmd; the one that was noted longest ago gives way to a new one. */
static struct page *page_of(struct name_memory *memory, uint16_t epmd_port)
{
	struct page *oldest = &memory->pages[0];

	for (size_t i = 0; i < EPMDS_MAX; i++) {
		if (memory->pages[i].epmd_port == epmd_port)
			return &memory->pages[i];
		if (memory->pages[i].noted_ns < oldest->noted_ns)
			oldest = &memory->pages[i];
	}
	free(oldest->names);
	*oldest = (struct page){.epmd_port = epmd_port};
	return oldest;
}

uint64_t *name_memory_note(struct name_memory *memory, uint16_t epmd_port,
			   const struct epmd_nodes *nodes)
{
	struct page *page = page_of(memory, epmd_port);
	_cleanup_free_ struct named *names = calloc(nodes->count + 1, sizeof(*names));
	uint64_t *since = calloc(nodes->count + 1, sizeof(*since));
	const uint64_t now = boottime_ns();

	if (!names || !since) {
		free(since);
		return NULL;
	}
	for (size_t i = 0; i < nodes->count; i++) {
		const struct named *known;

		names[i].hash = hash_of(memory, &nodes->items[i]);
		known = page->count ? bsearch(&names[i], page->names, page->count, sizeof(*known),
					      compare_named)
				    : NULL;
		names[i].since_ns = since[i] = known ? known->since_ns : now;
	}
	qsort(names, nodes->count, sizeof(*names), compare_named);
	free(page->names);
	page->names = TAKE_POINTER(names);
	page->count = nodes->count;
	page->noted_ns = now;
	return since;
}

void name_memory_close(struct name_memory *memory)
{
	if (!memory)
		return;
	for (size_t i = 0; i < EPMDS_MAX; i++)
		free(memory->pages[i].names);
	free(memory);
}
