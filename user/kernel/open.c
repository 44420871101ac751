// SPDX-License-Identifier: BSD-2-Clause
/* The fence as a whole: made with what an earlier agent left, and let go of. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kernel/internal.h"
#include "kernel/lock.h"
#include "kernel/succession.h"

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
	load_keep_words();
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
