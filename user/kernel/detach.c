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

/* Whether it is one of the names, or the pin that is to take its place. */
static bool is_one_of(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const size_t length = strlen(names[i]);

		if (!strncmp(name, names[i], length) &&
		    (!name[length] || !strcmp(name + length, PIN_NEXT_SUFFIX)))
			return true;
	}
	return false;
}

static bool is_link_pin(const char *name)
{
	static const char *const links[] = {PIN_WATCH, PIN_GATE, PIN_PROGRAMS, PIN_LISTENS};

	return !strncmp(name, PIN_LINK_PREFIX, strlen(PIN_LINK_PREFIX)) ||
	       is_one_of(name, links, sizeof(links) / sizeof(links[0]));
}

static bool is_map_pin(const char *name)
{
	static const char *const maps[] = {PIN_TABLES,	      PIN_COUNTERS,  PIN_PEERS,
					   PIN_SIEVES,	      PIN_ADDRESSES, PIN_LISTENERS,
					   PIN_REGISTRATIONS, PIN_BINDINGS,  PIN_USERS,
					   PIN_CLAIMS,	      PIN_EVENTS,    PIN_EVENT_ROWS};

	return is_one_of(name, maps, sizeof(maps) / sizeof(maps[0]));
}

bool detach_knows(const char *name)
{
	return is_link_pin(name) || is_map_pin(name);
}

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
	links = remove_pins(dir, is_link_pin, pin_dir, error);
	if (links < 0)
		return links;
	maps = remove_pins(dir, is_map_pin, pin_dir, error);
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

/* A new link is called "bpf_link", one that was opened by its pin "bpf-link". */
bool fd_is_bpf(int fd, const char *kind)
{
	static const char prefix[] = "anon_inode:bpf_";
	char path[64], target[64] = "";
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	if (target[sizeof(prefix) - 2] == '-')
		target[sizeof(prefix) - 2] = '_';
	return !strncmp(target, prefix, sizeof(prefix) - 1) &&
	       !strcmp(target + sizeof(prefix) - 1, kind);
}
