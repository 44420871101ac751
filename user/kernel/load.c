// SPDX-License-Identifier: BSD-2-Clause
/* Loading the programs once; features.c says with what. */
#include <errno.h>
#include <string.h>

#include "kernel/internal.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

/* What libbpf says last before it fails: the best there is for the error line. */
static char last_words[256];

__attribute__((format(printf, 2, 0))) static int
keep_last_words(enum libbpf_print_level level, const char *format, va_list arguments)
{
	if (level == LIBBPF_WARN) {
		vsnprintf(last_words, sizeof(last_words), format, arguments);
		last_words[strcspn(last_words, "\n")] = '\0';
	}
	return 0;
}

void load_keep_words(void)
{
	libbpf_set_print(keep_last_words);
}

int load_error(struct error *error, int code)
{
	if (code == -EPERM)
		return error_set(error, code,
				 "the kernel refuses to load the filter: it takes CAP_BPF, "
				 "CAP_NET_ADMIN and CAP_PERFMON; run this as root");
	return error_set(error, code, "the kernel refuses to load the filter: %s (%s)",
			 strerror(-code), last_words);
}

struct filter *filter_open(const struct fence *fence)
{
	struct filter *skeleton = filter__open();
	int code;

	if (!skeleton)
		return NULL;
	code = bpf_map__set_max_entries(skeleton->maps.event_rows, (__u32)fence->possible_cpus);
	if (code) {
		filter__destroy(skeleton);
		errno = -code;
		return NULL;
	}
	return skeleton;
}

struct filter *filter_load(const struct fence *fence, bool explaining, const struct map_fds *maps)
{
	const struct fence_features features = fence->features;
	struct filter *skeleton = filter_open(fence);
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
	code = maps_share(maps, skeleton->obj);
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

struct map_fds own_maps(const struct fence *fence)
{
	struct map_fds maps = map_fds_none();

	maps_add(&maps, fence->live->obj);
	if (fence->watch)
		maps_add(&maps, fence->watch->obj);
	return maps;
}
