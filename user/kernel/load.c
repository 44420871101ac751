// SPDX-License-Identifier: BSD-2-Clause
/* Loading the programs, with what this kernel can do. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
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

int load_error(struct error *error, int code)
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

static int note_programs(struct fence *fence)
{
	for (int ethernet = 0; ethernet < 2; ethernet++) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fence_program(fence->live, ethernet), &info, &size) < 0)
			return -errno;
		fence->programs[ethernet] = info.id;
	}
	return 0;
}

int programs_settle(struct fence *fence, struct error *error)
{
	fence->tables = &fence->live->bss->tables;
	fence_spare_rows(fence);
	return note_programs(fence) ? load_error(error, -errno) : 0;
}

struct map_fds own_maps(const struct fence *fence)
{
	struct map_fds maps = map_fds_none();

	maps_add(&maps, fence->live->obj);
	if (fence->watch)
		maps_add(&maps, fence->watch->obj);
	return maps;
}

int programs_replace(struct fence *fence, struct filter *live, struct explaining explaining)
{
	explaining_close(&fence->explaining);
	filter__destroy(fence->live);
	fence->live = live;
	fence->explaining = explaining;
	fence->tables = &live->bss->tables;
	fence_spare_rows(fence);
	for (size_t i = 1; i < ALL_BASES; i++)
		fence->bases[i].current = false;
	return note_programs(fence);
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
	fence->peers_fd = -1;
	fence->next_peers_fd = -1;
	fence->explaining = EXPLAINING_NONE;
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
	if (!code)
		code = maps_adopt(fence, error);
	if (!code)
		code = events_settle(fence, error);
	if (!code) {
		code = explaining_load(fence, &fence->explaining);
		if (code)
			load_error(error, code);
	}
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
	listeners__destroy(fence->watch);
	explaining_close(&fence->explaining);
	filter__destroy(fence->live);
	if (fence->peers_fd >= 0)
		close(fence->peers_fd);
	if (fence->lock_fd >= 0)
		close(fence->lock_fd);
	free(fence->stale);
	free(fence->bystanders);
	free(fence->states);
	free(fence->addresses);
	free(fence->pin_dir);
	free(fence);
}

enum fence_start fence_start(const struct fence *fence)
{
	return fence->start;
}
