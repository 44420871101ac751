// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/lock.h"
#include "kernel/pins.h"

static int remove_pins(DIR *dir, bool (*wanted)(const char *name), const char *pin_dir,
		       struct error *error)
{
	struct dirent *entry;
	int removed = 0;

	rewinddir(dir);
	while ((entry = readdir(dir))) {
		if (!wanted(entry->d_name))
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) < 0)
			return error_set(error, -errno, "cannot remove %s/%s: %s", pin_dir,
					 entry->d_name, strerror(errno));
		removed++;
	}
	return removed;
}

int detach_pins_locked(int lock, const char *pin_dir, struct error *error)
{
	_cleanup_(cleanup_closedir) DIR *dir = pin_dir_list(lock);
	int links, maps;

	if (!dir)
		return error_set(error, -errno, "cannot list %s: %s", pin_dir, strerror(errno));
	links = remove_pins(dir, pin_is_link, pin_dir, error);
	if (links < 0)
		return links;
	maps = remove_pins(dir, pin_is_map, pin_dir, error);
	if (maps < 0)
		return maps;
	rmdir(pin_dir); /* stays when something that is not ours is in it */
	return links + maps;
}

int detach_pins(const char *pin_dir, struct error *error)
{
	_cleanup_close_ int lock = -1;

	if (access(pin_dir, F_OK) < 0 && errno == ENOENT)
		return 0;
	lock = pin_dir_lock(pin_dir, error);
	return lock < 0 ? lock : detach_pins_locked(lock, pin_dir, error);
}
