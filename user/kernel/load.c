// SPDX-License-Identifier: BSD-2-Clause
/* Loading the programs, and adopting the maps that an earlier agent left pinned. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/internal.h"
#include "kernel/lock.h"
#include "kernel/succession.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

#define KERNEL_TYPES "/sys/kernel/btf/vmlinux"

static int check_kernel(struct error *error)
{
	if (access(KERNEL_TYPES, R_OK) < 0)
		return error_set(error, -errno,
				 "this kernel has no BTF (%s: %s): run one built with "
				 "CONFIG_DEBUG_INFO_BTF=y",
				 KERNEL_TYPES, strerror(errno));
	return 0;
}

/* Tables have a row for each, so a wrong number would have rows read that are not there. */
static int count_cpus(struct fence *fence, struct error *error)
{
	fence->possible_cpus = libbpf_num_possible_cpus();
	if (fence->possible_cpus < 1)
		return error_set(error, fence->possible_cpus ?: -EINVAL,
				 "cannot tell how many CPUs this machine may have "
				 "(/sys/devices/system/cpu/possible)");
	return 0;
}

/* What libbpf says last before it fails: the best there is for the error line. */
static char last_words[256];

static int keep_last_words(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(last_words, sizeof(last_words), format, arguments);
		last_words[strcspn(last_words, "\n")] = '\0';
	}
	return 0;
}

static int load_error(struct error *error, int code)
{
	if (code == -EPERM)
		return error_set(error, code,
				 "the kernel refuses to load the filter: it takes CAP_BPF, "
				 "CAP_NET_ADMIN and CAP_PERFMON; run this as root");
	return error_set(error, code, "the kernel refuses to load the filter: %s (%s)",
			 strerror(-code), last_words);
}

int fence_program(const struct filter *skeleton, bool ethernet)
{
	const struct bpf_program *with_conntrack = ethernet ? skeleton->progs.filter_ethernet_ct
							    : skeleton->progs.filter_ip_ct;
	const struct bpf_program *without = ethernet ? skeleton->progs.filter_ethernet
						     : skeleton->progs.filter_ip;

	return bpf_program__autoload(with_conntrack) ? bpf_program__fd(with_conntrack)
						     : bpf_program__fd(without);
}

/* Which file descriptors of maps a skeleton takes over instead of making its own. */
struct map_fds {
	int tables;
	int counters;
	int peers;
	int sieves;
	int addresses;
};

static int reuse_map(struct bpf_map *map, int fd)
{
	return fd >= 0 ? bpf_map__reuse_fd(map, fd) : 0;
}

/* Opens and loads once. Returns NULL with errno set. */
static struct filter *load_with(const struct fence *fence, bool explaining,
				const struct map_fds *maps)
{
	const struct fence_features features = fence->features;
	struct filter *skeleton = filter__open();
	int code;

	if (!skeleton)
		return NULL;
	bpf_program__set_autoload(skeleton->progs.filter_ethernet, !features.conntrack);
	bpf_program__set_autoload(skeleton->progs.filter_ip, !features.conntrack);
	bpf_program__set_autoload(skeleton->progs.filter_ethernet_ct, features.conntrack);
	bpf_program__set_autoload(skeleton->progs.filter_ip_ct, features.conntrack);
	if (features.multi_buffer) {
		struct bpf_program *program;

		bpf_object__for_each_program(program, skeleton->obj)
			bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	skeleton->rodata->multi_buffer = features.multi_buffer;
	skeleton->rodata->explaining = explaining;
	code = reuse_map(skeleton->maps.bss, maps->tables);
	if (!code)
		code = reuse_map(skeleton->maps.counters, maps->counters);
	if (!code)
		code = reuse_map(skeleton->maps.peers, maps->peers);
	if (!code)
		code = reuse_map(skeleton->maps.sieves, maps->sieves);
	if (!code)
		code = reuse_map(skeleton->maps.addresses, maps->addresses);
	if (!code)
		code = events_prepare(fence, skeleton);
	if (!code)
		code = filter__load(skeleton);
	/* libbpf goes on without where a trial of mapping a table failed, be it for want of memory.
	 */
	if (!code && !skeleton->bss)
		code = -ENOMEM;
	if (code) {
		filter__destroy(skeleton);
		errno = -code;
		return NULL;
	}
	return skeleton;
}

/* Loads with all that the kernel can do: tried by loading, since nothing else tells for certain. */
static int load_best(struct fence *fence, const struct map_fds *maps, struct error *error)
{
	static const struct fence_features choices[] = {
		{.multi_buffer = true, .conntrack = true},
		{.multi_buffer = true},
		{.conntrack = true},
		{},
	};

	for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]) && !fence->live; i++) {
		fence->features = choices[i];
		fence->live = load_with(fence, false, maps);
	}
	if (!fence->live)
		return load_error(error, -errno);
	fence->tables = &fence->live->bss->tables;
	fence_spare_rows(fence);
	for (int ethernet = 0; ethernet < 2; ethernet++) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fence_program(fence->live, ethernet), &info, &size) < 0)
			return load_error(error, -errno);
		fence->programs[ethernet] = info.id;
	}
	return 0;
}

static int load_explaining(struct fence *fence, struct error *error)
{
	const struct map_fds maps = {
		.tables = bpf_map__fd(fence->live->maps.bss),
		.counters = bpf_map__fd(fence->live->maps.counters),
		.peers = bpf_map__fd(fence->live->maps.peers),
		.sieves = bpf_map__fd(fence->live->maps.sieves),
		.addresses = bpf_map__fd(fence->live->maps.addresses),
	};

	fence->explaining = load_with(fence, true, &maps);
	if (!fence->explaining)
		return load_error(error, -errno);
	fence_spare_skeleton(fence->explaining->skeleton, fence->explaining->bss);
	return 0;
}

/* Opens what is pinned under a name, or, on the way there, under "NAME-next". */
static int open_pin(const struct fence *fence, const char *name, bool prefer_next)
{
	const int fd = prefer_next ? fence_open_pin(fence, name, true) : -ENOENT;

	return fd >= 0 ? fd : fence_open_pin(fence, name, false);
}

static struct map_fds open_pins(const struct fence *fence, bool prefer_next)
{
	return (struct map_fds){
		.tables = open_pin(fence, PIN_TABLES, prefer_next),
		.counters = open_pin(fence, PIN_COUNTERS, prefer_next),
		.peers = open_pin(fence, PIN_PEERS, prefer_next),
		.sieves = open_pin(fence, PIN_SIEVES, prefer_next),
		.addresses = open_pin(fence, PIN_ADDRESSES, prefer_next),
	};
}

static void close_pins(struct map_fds *maps)
{
	const int fds[] = {maps->tables, maps->counters, maps->peers, maps->sieves,
			   maps->addresses};

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
	       map_has_shape(maps->addresses, &addresses_shape) && has_version(maps->tables);
}

/* The tables come last: where they are pinned, all is. */
static int pin_maps(const struct fence *fence, struct error *error)
{
	const bool next = fence->succeeding;
	int code = fence_pin_map(fence, fence->live->maps.counters, PIN_COUNTERS, next, error);

	if (!code)
		code = fence_pin_map(fence, fence->live->maps.peers, PIN_PEERS, next, error);
	if (!code)
		code = fence_pin_map(fence, fence->live->maps.sieves, PIN_SIEVES, next, error);
	if (!code)
		code = fence_pin_map(fence, fence->live->maps.addresses, PIN_ADDRESSES, next,
				     error);
	if (!code)
		code = fence_pin_map(fence, fence->live->maps.bss, PIN_TABLES, next, error);
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
	const struct map_fds none = {-1, -1, -1, -1, -1};
	int code;

	fence->succeeding = old->tables != -ENOENT || old->counters != -ENOENT ||
			    old->peers != -ENOENT || old->sieves != -ENOENT ||
			    old->addresses != -ENOENT;
	fence->start = fence->succeeding ? FENCE_REPLACED : FENCE_FRESH;
	if (old->tables >= 0)
		fence->predecessor = predecessor_open(old->tables, old->counters,
						      fence->possible_cpus);
	if (fence->succeeding && fit(&begun)) {
		code = load_best(fence, &begun, error);
	} else {
		fence_remove_pins(fence, true);
		code = load_best(fence, &none, error);
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

/* Into the pinned maps where all of them are there and fit. */
static int load_or_adopt(struct fence *fence, struct error *error)
{
	struct map_fds pinned = open_pins(fence, false);
	int code;

	if (fit(&pinned)) {
		fence->start = FENCE_ADOPTED;
		fence_remove_pins(fence, true); /* of an upgrade that was given up */
		code = load_best(fence, &pinned, error);
	} else {
		code = load_successor(fence, &pinned, error);
	}
	close_pins(&pinned);
	return code;
}

int fence_open(const char *pin_dir, struct fence **result, struct error *error)
{
	struct fence *fence = calloc(1, sizeof(*fence));
	int code;

	if (!fence || !(fence->pin_dir = strdup(pin_dir))) {
		free(fence);
		return error_set(error, -ENOMEM, "out of memory");
	}
	fence->lock_fd = -1;
	fence->event_ring_fd = -1;
	fence->event_rows_fd = -1;
	fence->peers_fd = -1;
	fence->next_peers_fd = -1;
	for (size_t i = 0; i < ALL_BASES; i++)
		fence->bases[i].link_fd = -1;
	libbpf_set_print(keep_last_words);
	code = check_kernel(error);
	if (!code)
		code = count_cpus(fence, error);
	if (!code) {
		fence->lock_fd = pin_dir_lock(pin_dir, error);
		code = fence->lock_fd < 0 ? fence->lock_fd
					  : pin_dir_trust(fence->lock_fd, pin_dir, error);
	}
	if (!code) {
		events_adopt(fence);
		code = load_or_adopt(fence, error);
	}
	if (!code)
		code = events_settle(fence, error);
	if (!code)
		code = load_explaining(fence, error);
	if (!code)
		code = fence_adopt_links(fence, error);
	if (code) {
		fence_close(fence);
		return code;
	}
	*result = fence;
	return 0;
}

void fence_close(struct fence *fence)
{
	if (!fence)
		return;
	predecessor_free(fence->predecessor);
	for (size_t i = 0; i < BASES_MAX; i++)
		if (fence->bases[i].link_fd >= 0)
			close(fence->bases[i].link_fd);
	ring_buffer__free(fence->changes);
	ring_buffer__free(fence->events);
	if (fence->event_ring_fd >= 0)
		close(fence->event_ring_fd);
	if (fence->event_rows_fd >= 0)
		close(fence->event_rows_fd);
	listeners__destroy(fence->watch);
	filter__destroy(fence->explaining);
	filter__destroy(fence->live);
	if (fence->peers_fd >= 0)
		close(fence->peers_fd);
	if (fence->lock_fd >= 0)
		close(fence->lock_fd);
	free(fence->states);
	free(fence->addresses);
	free(fence->pin_dir);
	free(fence);
}

enum fence_start fence_start(const struct fence *fence)
{
	return fence->start;
}

struct fence_features fence_features(const struct fence *fence)
{
	return fence->features;
}
