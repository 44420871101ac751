// SPDX-License-Identifier: BSD-2-Clause
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
					 ? "; mount the bpf file system first: "
					   "mount -t bpf bpf /sys/fs/bpf"
					 : "");
	fd = open(pin_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(error, -errno, "cannot open %s: %s", pin_dir, strerror(errno));
	if (fstatfs(fd, &file_system) < 0 || file_system.f_type != BPF_FS_MAGIC) {
		if (made)
			rmdir(pin_dir);
		return error_set(error, -ENOTTY,
				 "%s is not on a bpf file system; mount one first: "
				 "mount -t bpf bpf /sys/fs/bpf",
				 pin_dir);
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return error_set(error, -EBUSY,
				 "another beamfenced (pid %d) holds %s; stop it, or give this one "
				 "a --pin-dir of its own",
				 lock_holder(fd), pin_dir);
	return TAKE_FD(fd);
}
