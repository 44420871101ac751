// SPDX-License-Identifier: BSD-2-Clause
/* What is pinned: that it is still there, and ours; and putting back what others took away. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/lock.h"
#include "kernel/pins.h"

static __u32 map_id(int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.id;
}

static __u32 link_id(int fd)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.id;
}

/* Pins @fd at @path unless it is there already. Returns 1 when it had to. */
static int restore_pin(const char *path, int fd, const char *kind)
{
	_cleanup_close_ int pinned = bpf_obj_get(path);
	const bool is_link = !strcmp(kind, "link");

	if (pinned >= 0 && fd_is_bpf(pinned, kind) &&
	    (is_link ? link_id(pinned) == link_id(fd) : map_id(pinned) == map_id(fd)))
		return 0;
	unlink(path);
	return bpf_obj_pin(fd, path) < 0 ? -errno : 1;
}

static int restore_maps(const struct fence *fence)
{
	const struct map_fds maps = own_maps(fence);
	int restored = 0;

	for (size_t i = 0; i < map_row_count; i++) {
		_cleanup_free_ char *path = NULL;
		int code;

		if (maps.of[i] < 0)
			continue;
		if (pin_path(fence->pin_dir, map_rows[i].pin, false, &path) < 0)
			return -ENOMEM;
		code = restore_pin(path, maps.of[i], "map");
		if (code < 0)
			return code;
		restored += code;
	}
	return restored;
}

static int restore_links(const struct fence *fence)
{
	int restored = 0;

	for (size_t i = 1; i < BASES_MAX; i++) {
		_cleanup_free_ char *path = NULL;
		int code;

		if (fence->bases[i].link_fd < 0)
			continue;
		if (pin_link_path(fence->pin_dir, fence->bases[i].ifindex, &path) < 0)
			return -ENOMEM;
		code = restore_pin(path, fence->bases[i].link_fd, "link");
		if (code < 0)
			return code;
		restored += code;
	}
	return restored;
}

/* The directory may be gone, or covered by another mount: then it is made and locked anew. */
static int restore_directory(struct fence *fence, struct error *error)
{
	struct stat ours, there;
	int lock, code;

	if (!fstat(fence->lock_fd, &ours) && !stat(fence->pin_dir, &there) &&
	    ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
		return 0;
	lock = pin_dir_lock(fence->pin_dir, error);
	if (lock < 0)
		return lock;
	code = pin_dir_trust(lock, fence->pin_dir, error);
	if (code) {
		close(lock);
		return code;
	}
	close(fence->lock_fd);
	fence->lock_fd = lock;
	return 1;
}

static int restore(struct fence *fence, struct error *error)
{
	int restored = restore_directory(fence, error), watch, maps, links;

	if (restored < 0 || fence->succeeding) /* then not everything has its name yet */
		return restored;
	maps = restore_maps(fence);
	links = maps < 0 ? maps : restore_links(fence);
	if (links < 0)
		return error_set(error, links, "cannot pin below %s: %s", fence->pin_dir,
				 strerror(-links));
	watch = fence_watch_restore(fence, error);
	return watch < 0 ? watch : restored + maps + links + watch;
}

int fence_restore_pins(struct fence *fence, struct error *error)
{
	const int restored = restore(fence, error);
	const bool failed_before = fence->pins_problem[0];

	if (restored >= 0) {
		fence->pins_problem[0] = '\0';
		return restored;
	}
	snprintf(fence->pins_problem, sizeof(fence->pins_problem),
		 "what is in force is not all pinned, and would end with the agent: %.400s",
		 error->text);
	return failed_before ? 0 : restored;
}

const char *fence_pins_problem(const struct fence *fence)
{
	return fence->pins_problem;
}

bool fence_stray_pin(const struct fence *fence, char *name, size_t size)
{
	DIR *dir = opendir(fence->pin_dir);
	struct dirent *entry;
	bool found = false;

	if (!dir)
		return false;
	while (!found && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !pin_is_ours(entry->d_name)) {
			snprintf(name, size, "%s", entry->d_name);
			found = true;
		}
	closedir(dir);
	return found;
}

void fence_restored(struct fence *fence, void (*tell)(void *context, const char *interface),
		    void *context)
{
	for (size_t i = 1; i < BASES_MAX; i++)
		if (fence->bases[i].restored) {
			fence->bases[i].restored = false;
			tell(context, fence->bases[i].name);
		}
}
