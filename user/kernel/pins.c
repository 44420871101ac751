// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/pins.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

#define NEXT_SUFFIX "-next"

const char *const pin_watch_links[PIN_WATCH_LINKS] = {PIN_LISTENS, PIN_GATE, PIN_WATCH,
						      PIN_PROGRAMS};

static bool is_or_is_next(const char *name, const char *pin)
{
	const size_t length = strlen(pin);

	return !strncmp(name, pin, length) &&
	       (!name[length] || !strcmp(name + length, NEXT_SUFFIX));
}

bool pin_is_link(const char *name)
{
	for (size_t i = 0; i < PIN_WATCH_LINKS; i++)
		if (is_or_is_next(name, pin_watch_links[i]))
			return true;
	return !strncmp(name, PIN_LINK_PREFIX, strlen(PIN_LINK_PREFIX));
}

bool pin_is_map(const char *name)
{
	for (size_t i = 0; i < map_row_count; i++)
		if (is_or_is_next(name, map_rows[i].pin))
			return true;
	return false;
}

bool pin_is_ours(const char *name)
{
	return pin_is_link(name) || pin_is_map(name);
}

int pin_path(const char *pin_dir, const char *name, bool next, char **path)
{
	return asprintf(path, "%s/%s%s", pin_dir, name, next ? NEXT_SUFFIX : "") < 0 ? -ENOMEM : 0;
}

int pin_link_path(const char *pin_dir, uint32_t ifindex, char **path)
{
	return asprintf(path, "%s/" PIN_LINK_PREFIX "%u", pin_dir, ifindex) < 0 ? -ENOMEM : 0;
}

int pin_open(const char *pin_dir, const char *name, bool next)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	if (pin_path(pin_dir, name, next, &path) < 0)
		return -ENOMEM;
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
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

bool fd_is_map_like(int fd, const struct bpf_map *definition)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return fd >= 0 && fd_is_bpf(fd, "map") && !bpf_obj_get_info_by_fd(fd, &info, &size) &&
	       info.type == bpf_map__type(definition) &&
	       info.key_size == bpf_map__key_size(definition) &&
	       info.value_size == bpf_map__value_size(definition) &&
	       info.max_entries == bpf_map__max_entries(definition);
}

int pin_set(const char *pin_dir, int fd, const char *name, bool next, struct error *error)
{
	_cleanup_free_ char *path = NULL;

	if (pin_path(pin_dir, name, next, &path) < 0)
		return error_set(error, -ENOMEM, "out of memory");
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(error, -errno, "cannot replace %s: %s", path, strerror(errno));
	if (bpf_obj_pin(fd, path) < 0)
		return error_set(error, -errno, "cannot pin %s: %s", path, strerror(errno));
	return 0;
}

/* Gives what is pinned as "NAME-next" its name. */
static int take_name(const char *pin_dir, const char *name)
{
	_cleanup_free_ char *next = NULL, *path = NULL;

	if (pin_path(pin_dir, name, true, &next) || pin_path(pin_dir, name, false, &path))
		return -ENOMEM;
	return rename(next, path) < 0 ? -errno : 0;
}

int pin_replace(const char *pin_dir, int fd, const char *name, bool held_back)
{
	_cleanup_free_ char *next = NULL;

	if (pin_path(pin_dir, name, true, &next))
		return -ENOMEM;
	unlink(next);
	if (bpf_obj_pin(fd, next) < 0)
		return -errno;
	return held_back ? 0 : take_name(pin_dir, name);
}

static void remove_one(const char *pin_dir, const char *name, bool next)
{
	_cleanup_free_ char *path = NULL;

	if (!pin_path(pin_dir, name, next, &path))
		unlink(path);
}

void pin_remove(const char *pin_dir, const char *name)
{
	remove_one(pin_dir, name, false);
	remove_one(pin_dir, name, true);
}

int pins_take_names(const char *pin_dir)
{
	int code = 0;

	for (size_t i = 0; i < PIN_WATCH_LINKS && (!code || code == -ENOENT); i++)
		code = take_name(pin_dir, pin_watch_links[i]);
	for (size_t i = 0; i < map_row_count && (!code || code == -ENOENT); i++)
		code = take_name(pin_dir, map_rows[i].pin);
	return code == -ENOENT ? 0 : code;
}

void pins_remove_next(const char *pin_dir)
{
	for (size_t i = 0; i < PIN_WATCH_LINKS; i++)
		remove_one(pin_dir, pin_watch_links[i], true);
	for (size_t i = 0; i < map_row_count; i++)
		remove_one(pin_dir, map_rows[i].pin, true);
}
