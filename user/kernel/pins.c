// SPDX-License-Identifier: BSD-2-Clause
/* The names that maps are pinned under, and how new ones come to bear them. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/internal.h"
#include "kernel/succession.h"

int fence_pin_path(const struct fence *fence, const char *name, bool next, char **path)
{
	return asprintf(path, "%s/%s%s", fence->pin_dir, name, next ? PIN_NEXT_SUFFIX : "") < 0
		       ? -ENOMEM
		       : 0;
}

int fence_open_pin(const struct fence *fence, const char *name, bool next)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (fence_pin_path(fence, name, next, &path) < 0)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

bool map_has_shape(int fd, const struct bpf_map_info *shape)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return fd >= 0 && fd_is_bpf(fd, "map") && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       info.type == shape->type && info.key_size == shape->key_size &&
	       info.value_size == shape->value_size && info.max_entries == shape->max_entries;
}

int fence_pin_map(const struct fence *fence, const struct bpf_map *map, const char *name, bool next,
		  struct error *error)
{
	_cleanup_free_ char *path = NULL;

	if (fence_pin_path(fence, name, next, &path) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(error, -errno, "cannot replace %s: %s", path, strerror(errno));
	if (bpf_obj_pin(bpf_map__fd(map), path) < 0)
		return error_set(error, -errno, "cannot pin %s: %s", path, strerror(errno));
	return 0;
}

/*
 * In the order in which an interrupted fence_succeed() can be gone on with: where the tables have
 * their name, all have. (The events' rows have theirs by then.)
 */
static const char *const pins[] = {PIN_WATCH,	  PIN_GATE,	     PIN_PROGRAMS, PIN_LISTENS,
				   PIN_LISTENERS, PIN_REGISTRATIONS, PIN_USERS,	   PIN_CLAIMS,
				   PIN_COUNTERS,  PIN_PEERS,	     PIN_SIEVES,   PIN_BINDINGS,
				   PIN_ADDRESSES, PIN_EVENT_ROWS,    PIN_TABLES};

void fence_remove_pins(const struct fence *fence, bool next)
{
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		_cleanup_free_ char *path = NULL;

		if (!fence_pin_path(fence, pins[i], next, &path))
			unlink(path);
	}
}

int fence_succeed(struct fence *fence)
{
	if (!fence->succeeding)
		return 0;
	if (fence->predecessor && !fence->tables->layout.complete)
		predecessor_carry_over(fence->predecessor, fence->tables, fence->possible_cpus);
	fence->tables->layout.complete = 1;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		_cleanup_free_ char *next = NULL, *path = NULL;

		if (fence_pin_path(fence, pins[i], true, &next) ||
		    fence_pin_path(fence, pins[i], false, &path))
			return -ENOMEM;
		if (rename(next, path) < 0 && errno != ENOENT)
			return -errno;
	}
	predecessor_free(fence->predecessor);
	fence->predecessor = NULL;
	fence->succeeding = false;
	return 0;
}
