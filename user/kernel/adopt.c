// SPDX-License-Identifier: BSD-2-Clause
/* Adopting the maps that an earlier agent left pinned, or making new ones beside them. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/internal.h"
#include "kernel/pins.h"
#include "kernel/succession.h"

/* Opens what is pinned under a name, or, on the way there, under "NAME-next". */
static int open_pin(const struct fence *fence, const char *name, bool prefer_next)
{
	const int fd = prefer_next ? pin_open(fence->pin_dir, name, true) : -ENOENT;

	return fd >= 0 ? fd : pin_open(fence->pin_dir, name, false);
}

static struct map_fds open_pins(const struct fence *fence, bool prefer_next)
{
	return (struct map_fds){
		.tables = open_pin(fence, PIN_TABLES, prefer_next),
		.counters = open_pin(fence, PIN_COUNTERS, prefer_next),
		.peers = open_pin(fence, PIN_PEERS, prefer_next),
		.sieves = open_pin(fence, PIN_SIEVES, prefer_next),
		.bindings = open_pin(fence, PIN_BINDINGS, prefer_next),
		.addresses = open_pin(fence, PIN_ADDRESSES, prefer_next),
	};
}

static void close_pins(struct map_fds *maps)
{
	const int fds[] = {maps->tables, maps->counters, maps->peers,
			   maps->sieves, maps->bindings, maps->addresses};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static const struct bpf_map_info tables_shape = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(struct tables),
	.max_entries = 1,
};
static const struct bpf_map_info counters_shape = {
	.type = BPF_MAP_TYPE_PERCPU_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(struct tally),
	.max_entries = COUNTERS_MAX,
};
static const struct bpf_map_info peers_shape = {
	.type = BPF_MAP_TYPE_ARRAY_OF_MAPS,
	.key_size = sizeof(__u32),
	.value_size = sizeof(__u32),
	.max_entries = 2,
};
static const struct bpf_map_info sieves_shape = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = sizeof(__u32),
	.value_size = sizeof(struct sieve),
	.max_entries = 2,
};
static const struct bpf_map_info bindings_shape = {
	.type = BPF_MAP_TYPE_HASH,
	.key_size = sizeof(struct binding_key),
	.value_size = sizeof(struct binding),
	.max_entries = BINDINGS_MAX,
};

static const struct bpf_map_info addresses_shape = {
	.type = BPF_MAP_TYPE_LPM_TRIE,
	.key_size = sizeof(struct address_key),
	.value_size = sizeof(__u8),
	.max_entries = ADDRESSES_MAX,
};

static bool has_version(int fd)
{
	const struct tables *tables = mmap(NULL, sizeof(*tables), PROT_READ, MAP_SHARED, fd, 0);
	bool fits;

	if (tables == MAP_FAILED)
		return false;
	fits = tables->version == CONTRACT_VERSION && tables->layout.magic == LAYOUT_MAGIC;
	munmap((void *)tables, sizeof(*tables));
	return fits;
}

static bool fit(const struct map_fds *maps)
{
	return map_has_shape(maps->tables, &tables_shape) &&
	       map_has_shape(maps->counters, &counters_shape) &&
	       map_has_shape(maps->peers, &peers_shape) &&
	       map_has_shape(maps->sieves, &sieves_shape) &&
	       map_has_shape(maps->bindings, &bindings_shape) &&
	       map_has_shape(maps->addresses, &addresses_shape) && has_version(maps->tables);
}

/* The tables come last: where they are pinned, all is. */
static int pin_maps(const struct fence *fence, struct error *error)
{
	const struct filter *live = fence->live;
	const char *dir = fence->pin_dir;
	const bool next = fence->succeeding;
	int code = pin_set(dir, bpf_map__fd(live->maps.counters), PIN_COUNTERS, next, error);

	if (!code)
		code = pin_set(dir, bpf_map__fd(live->maps.peers), PIN_PEERS, next, error);
	if (!code)
		code = pin_set(dir, bpf_map__fd(live->maps.sieves), PIN_SIEVES, next, error);
	if (!code)
		code = pin_set(dir, bpf_map__fd(live->maps.bindings), PIN_BINDINGS, next, error);
	if (!code)
		code = pin_set(dir, bpf_map__fd(live->maps.addresses), PIN_ADDRESSES, next, error);
	if (!code)
		code = pin_set(dir, bpf_map__fd(live->maps.bss), PIN_TABLES, next, error);
	return code;
}

/*
 * Into new maps: beside those of another layout where there are some, and until the policy is in
 * force on every link, under "-next" names. Where an earlier agent began with that and did not get
 * to its end, it is gone on with.
 */
static int load_successor(struct fence *fence, const struct map_fds *old, struct error *error)
{
	struct map_fds begun = open_pins(fence, true);
	const struct map_fds none = {-1, -1, -1, -1, -1, -1};
	int code;

	fence->succeeding = old->tables != -ENOENT || old->counters != -ENOENT ||
			    old->peers != -ENOENT || old->sieves != -ENOENT ||
			    old->addresses != -ENOENT;
	fence->start = fence->succeeding ? FENCE_REPLACED : FENCE_FRESH;
	if (old->tables >= 0)
		fence->predecessor = predecessor_open(old->tables, old->counters,
						      fence->possible_cpus);
	if (fence->succeeding && fit(&begun)) {
		code = programs_load(fence, &begun, error);
	} else {
		pins_remove_next(fence->pin_dir);
		code = programs_load(fence, &none, error);
		if (!code) {
			tables_describe(fence->tables);
			if (fence->predecessor)
				predecessor_hand_over(fence->predecessor, fence->tables);
			code = pin_maps(fence, error);
		}
	}
	close_pins(&begun);
	return code;
}

int maps_adopt(struct fence *fence, struct error *error)
{
	struct map_fds pinned = open_pins(fence, false);
	int code;

	if (fit(&pinned)) {
		fence->start = FENCE_ADOPTED;
		pins_remove_next(fence->pin_dir); /* of an upgrade that was given up */
		code = programs_load(fence, &pinned, error);
	} else {
		code = load_successor(fence, &pinned, error);
	}
	close_pins(&pinned);
	return code;
}

int fence_succeed(struct fence *fence)
{
	int code;

	if (!fence->succeeding)
		return 0;
	if (fence->predecessor && !fence->tables->layout.complete)
		predecessor_carry_over(fence->predecessor, fence->tables, fence->possible_cpus);
	fence->tables->layout.complete = 1;
	code = pins_take_names(fence->pin_dir);
	if (code)
		return code;
	predecessor_free(fence->predecessor);
	fence->predecessor = NULL;
	fence->succeeding = false;
	return 0;
}
