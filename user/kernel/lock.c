// SPDX-License-Identifier: BSD-2-Clause
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "core/cleanup.h"
#include "kernel/lock.h"
#include "kernel/pins.h"

/* For root alone: without a mode, everybody may write to what is mounted. */
#define HOW_TO_MOUNT "mount -t bpf bpf /sys/fs/bpf -o mode=0700"
#define DEPTH_MAX    64

/* The process that holds a flock(2) lock on the file, from /proc/locks; 0 when that does not tell.
 */
static int lock_holder(int fd)
{
	_cleanup_fclose_ FILE *locks = fopen("/proc/locks", "re");
	unsigned int device_major, device_minor;
	unsigned long inode;
	struct stat status;
	char line[256];
	int pid;

	if (!locks || fstat(fd, &status) < 0)
		return 0;
	while (fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*d: FLOCK %*s %*s %d %x:%x:%lu", &pid, &device_major,
			   &device_minor, &inode) == 4 &&
		    inode == status.st_ino && device_major == major(status.st_dev) &&
		    device_minor == minor(status.st_dev))
			return pid;
	return 0;
}

int pin_dir_lock(const char *pin_dir, struct error *error)
{
	_cleanup_close_ int fd = -1;
	struct statfs file_system;
	bool made;

	made = mkdir(pin_dir, 0700) == 0;
	if (!made && errno != EEXIST)
		return error_set(error, -errno, "cannot make %s: %s%s", pin_dir, strerror(errno),
				 errno == ENOENT || errno == EPERM
					 ? "; mount the bpf file system first: " HOW_TO_MOUNT
					 : "");
	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "cannot open %s: %s", pin_dir, strerror(errno));
	if (fstatfs(fd, &file_system) < 0 || file_system.f_type != BPF_FS_MAGIC) {
		if (made)
			rmdir(pin_dir);
		return error_set(error, -ENOTTY,
				 "%s is not on a bpf file system; mount one first: " HOW_TO_MOUNT,
				 pin_dir);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(error, -EBUSY,
				 "another beamfenced (pid %d) holds %s; stop it, or give this one "
				 "a --pin-dir of its own",
				 lock_holder(fd), pin_dir);
	return TAKE_FD(fd);
}

DIR *pin_dir_list(int lock)
{
	const int fd = openat(lock, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static bool is_trusted(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

static bool is_writable_for_others(const struct stat *status)
{
	return status->st_mode & (S_IWGRP | S_IWOTH);
}

/* What is pinned would be adopted: it has to be of somebody who may say what is in force. */
static int check_pins(int lock, const char *pin_dir, struct error *error)
{
	_cleanup_(cleanup_closedir) DIR *dir = pin_dir_list(lock);
	struct dirent *entry;
	struct stat status;

	if (!dir)
		return error_set(error, -errno, "cannot list %s: %s", pin_dir, strerror(errno));
	while ((entry = readdir(dir)))
		if (pin_is_ours(entry->d_name) &&
		    !fstatat(lock, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) &&
		    !is_trusted(status.st_uid))
			return error_set(error, -EPERM,
					 "%s/%s was put there by uid %u, and not by beamfence: "
					 "remove it (rm %s/%s)",
					 pin_dir, entry->d_name, status.st_uid, pin_dir,
					 entry->d_name);
	return 0;
}

static int refuse_parent(int fd, const struct stat *status, struct error *error)
{
	char link[64], path[256] = "";

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0)
		snprintf(path, sizeof(path), "a directory above the pins");
	return error_set(error, -EPERM,
			 "%s is owned by uid %u and has mode %04o: others than root could put "
			 "something in the place of the pins; chown root and chmod go-w it",
			 path, status->st_uid, status->st_mode & 07777);
}

/*
 * Whoever may write to a directory above could put another one in the place of the pins', unless it
 * is sticky. What is above the file system itself is root's to look after.
 */
static int check_parents(int lock, const struct stat *pins, const char *pin_dir,
			 struct error *error)
{
	_cleanup_close_ int fd = openat(lock, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat last = *pins, status;

	for (int depth = 1; depth < DEPTH_MAX; depth++) {
		int above;

		if (fd < 0 || fstat(fd, &status) < 0)
			return error_set(error, -errno, "cannot look above %s: %s", pin_dir,
					 strerror(errno));
		if (status.st_dev != last.st_dev || status.st_ino == last.st_ino)
			return 0;
		if (!is_trusted(status.st_uid) ||
		    (is_writable_for_others(&status) && !(status.st_mode & S_ISVTX)))
			return refuse_parent(fd, &status, error);
		last = status;
		above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		close(fd);
		fd = above;
	}
	return error_set(error, -EPERM, "%s is too deep in its file system", pin_dir);
}

int pin_dir_trust(int lock, const char *pin_dir, struct error *error)
{
	struct stat status;
	int code;

	if (fstat(lock, &status) < 0)
		return error_set(error, -errno, "cannot look at %s: %s", pin_dir, strerror(errno));
	if (!is_trusted(status.st_uid))
		return error_set(error, -EPERM,
				 "%s is owned by uid %u, who could take the filter away: remove it "
				 "(rm -r %s) and make sure that none but root can write above it; "
				 "or, where that is beamfence's own user, chown -R it to the one "
				 "that this runs as",
				 pin_dir, status.st_uid, pin_dir);
	if (is_writable_for_others(&status))
		return error_set(error, -EPERM,
				 "%s has mode %04o: others than its owner could take the filter "
				 "away; look at what is in it, then chmod 0700 %s",
				 pin_dir, status.st_mode & 07777, pin_dir);
	code = check_parents(lock, &status, pin_dir, error);
	return code ? code : check_pins(lock, pin_dir, error);
}
