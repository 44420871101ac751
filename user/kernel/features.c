// SPDX-License-Identifier: BSD-2-Clause
/* What this kernel can do of what is optional: tried, and tried again when that may have changed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/internal.h"

#define CONNTRACK_TYPES "/sys/kernel/btf/nf_conntrack" /* while the module is loaded */

/* The best first. */
static const struct fence_features choices[] = {
	{.multi_buffer = true, .conntrack = true},
	{.multi_buffer = true},
	{.conntrack = true},
	{},
};

#define CHOICES (sizeof(choices) / sizeof(choices[0]))

/* Whether a refusal is of the moment, and not for what the kernel is. */
static bool is_passing(int code)
{
	return code == -ENOMEM || code == -EAGAIN || code == -EINTR || code == -EMFILE ||
	       code == -ENFILE || code == -ENOSPC;
}

static bool conntrack_is_loaded(void)
{
	return access(CONNTRACK_TYPES, F_OK) == 0;
}

/* With the features of a choice; those of the watch are not its business. */
static struct filter *load_choice(struct fence *fence, size_t choice, const struct map_fds *maps)
{
	fence->features.multi_buffer = choices[choice].multi_buffer;
	fence->features.conntrack = choices[choice].conntrack;
	return filter_load(fence, false, maps);
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

static int settle(struct fence *fence, struct error *error)
{
	fence->tables = &fence->live->bss->tables;
	fence_spare_rows(fence);
	return note_programs(fence) ? load_error(error, -errno) : 0;
}

/* Tried by loading, since nothing else tells for certain what the kernel can do. */
int programs_load(struct fence *fence, const struct map_fds *maps, struct error *error)
{
	fence->conntrack_loaded = conntrack_is_loaded();
	for (size_t i = 0; i < CHOICES && !fence->live; i++) {
		fence->choice = i;
		fence->live = load_choice(fence, i, maps);
		if (!fence->live && !i)
			fence->refused_code = -errno;
	}
	return fence->live ? settle(fence, error) : load_error(error, -errno);
}

bool fence_may_gain(struct fence *fence)
{
	const bool loaded = conntrack_is_loaded();
	const bool news = loaded && !fence->conntrack_loaded && !fence->features.conntrack;

	if (!loaded)
		fence->conntrack_loaded = false; /* it may come back */
	if (fence->succeeding)
		return false;
	return (fence->choice && (news || is_passing(fence->refused_code))) ||
	       (fence->watch && !fence->features.gate && is_passing(fence->gate_code));
}

static int replace(struct fence *fence, struct filter *live, struct explaining explaining)
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

static int gain_programs(struct fence *fence)
{
	const struct map_fds maps = own_maps(fence);
	const size_t before = fence->choice;

	fence->conntrack_loaded = conntrack_is_loaded();
	for (size_t i = 0; i < before; i++) {
		struct filter *live = load_choice(fence, i, &maps);
		struct explaining explaining;

		if (!i)
			fence->refused_code = live ? 0 : -errno;
		if (live && !explaining_load(fence, &explaining)) {
			fence->choice = i;
			return replace(fence, live, explaining) ?: 1;
		}
		filter__destroy(live);
	}
	fence->features.multi_buffer = choices[before].multi_buffer;
	fence->features.conntrack = choices[before].conntrack;
	return 0;
}

int fence_gain(struct fence *fence)
{
	int gained = 0;

	if (!fence_may_gain(fence))
		return 0;
	if (fence->choice)
		gained = gain_programs(fence);
	if (gained >= 0 && fence->watch && !fence->features.gate && is_passing(fence->gate_code)) {
		watch_start_gate(fence);
		gained |= fence->features.gate;
	}
	return gained;
}

static const char *why_no_conntrack(void)
{
	__u32 id = 0;

	if (!conntrack_is_loaded())
		return "the module nf_conntrack is not loaded, or has nothing for XDP (Linux 5.18)";
	if (bpf_btf_get_next_id(0, &id) < 0 && errno == EPERM)
		return "nf_conntrack is a module, and what it has for XDP the kernel tells to "
		       "CAP_SYS_ADMIN alone";
	return "the kernel refuses a program that asks the connection tracker";
}

size_t fence_lacks(const struct fence *fence, struct fence_lack lacks[static FENCE_LACKS_MAX])
{
	const struct fence_features *has = &fence->features;
	size_t count = 0;

	if (!has->multi_buffer)
		snprintf(lacks[count++].why, sizeof(lacks->why),
			 "frags: the kernel refuses a program for frames in several buffers: %s",
			 strerror(-fence->refused_code));
	if (!has->conntrack)
		snprintf(lacks[count++].why, sizeof(lacks->why), "conntrack: %s",
			 why_no_conntrack());
	if (fence->watch && !has->gate)
		snprintf(lacks[count++].why, sizeof(lacks->why),
			 "gate: the kernel refuses a program in the TCP stack: %s",
			 strerror(-fence->gate_code));
	if (fence->watch && !has->listens)
		snprintf(lacks[count++].why, sizeof(lacks->why),
			 "listens: the kernel's BPF LSM is not there, or not in use");
	return count;
}

struct fence_features fence_features(const struct fence *fence)
{
	return fence->features;
}
