// SPDX-License-Identifier: BSD-2-Clause
#include "agent/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bpf/contract_watch.h"
#include "core/cleanup.h"
#include "core/config.h"

struct store {
	const char *path;
	int fd; /* of the directory; locked */
};

/* Says "DIR: WHY: WHAT": the consequence is the same for whatever is wrong with the directory. */
static int no_directory(const char *path, int code, const char *why, struct error *error)
{
	return error_set(error, code,
			 "%s: %s: runtime peers will not outlive the agent, nor will it know the "
			 "last good configuration",
			 path, why);
}

static int check_directory(int fd, const char *path, struct error *error)
{
	struct stat st;

	if (fstat(fd, &st))
		return no_directory(path, -errno, strerror(errno), error);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return no_directory(path, -EACCES,
				    "others than its owner may write to it (chmod 700 mends that)",
				    error);
	/* What is there comes into force. A service's account may own what root then runs by hand.
	 */
	if (st.st_uid != geteuid() && st.st_uid >= SYSTEM_ACCOUNTS)
		return no_directory(path, -EACCES,
				    "it belongs to another user (chown it to the agent's)", error);
	if (flock(fd, LOCK_EX | LOCK_NB))
		return no_directory(path, -EBUSY,
				    errno == EWOULDBLOCK
					    ? "another agent uses it (give each its --state-dir)"
					    : strerror(errno),
				    error);
	return 0;
}

int store_open(const char *path, struct store **result, struct error *error)
{
	_cleanup_close_ int fd = -1;
	struct store *store;
	int code;

	if (mkdir(path, 0700) && errno != EEXIST)
		return no_directory(path, -errno, strerror(errno), error);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return no_directory(path, -errno, strerror(errno), error);
	code = check_directory(fd, path, error);
	if (code)
		return code;
	store = malloc(sizeof(*store));
	if (!store)
		return no_directory(path, -ENOMEM, "out of memory", error);
	*store = (struct store){.path = path, .fd = TAKE_FD(fd)};
	*result = store;
	return 0;
}

/* Reads the whole file. It is replaced, never written to, so that its size stays. */
static int read_whole(int fd, size_t size_max, char **text, size_t *size, int64_t *since_s)
{
	_cleanup_free_ char *buffer = NULL;
	struct stat st;
	size_t used = 0;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if ((uint64_t)st.st_size > size_max)
		return -EFBIG;
	buffer = malloc((size_t)st.st_size + 1);
	if (!buffer)
		return -ENOMEM;
	while (used < (size_t)st.st_size) {
		const ssize_t got = read(fd, buffer + used, (size_t)st.st_size - used);

		if (got < 0 && errno != EINTR)
			return -errno;
		if (!got)
			break;
		used += got > 0 ? (size_t)got : 0;
	}
	*text = TAKE_POINTER(buffer);
	*size = used;
	*since_s = st.st_mtime;
	return 0;
}

/* Never waits, as for the writer of a FIFO, and follows no link. */
static int open_file(const struct store *store, const char *name)
{
	const int fd = openat(store->fd, name,
			      O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int read_file(const struct store *store, const char *name, size_t size_max, char **text,
		     size_t *size, int64_t *since_s, struct error *error)
{
	_cleanup_close_ int fd = open_file(store, name);
	const int code = fd < 0 ? fd : read_whole(fd, size_max, text, size, since_s);

	if (code == -EINVAL || code == -ELOOP)
		return error_set(error, code, "it is no regular file");
	return code ? error_set(error, code, "%s", strerror(-code)) : 0;
}

int store_load_peers(const struct store *store, const struct moment *now,
		     struct runtime_peer **peers, size_t *count, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	struct error reason = {};
	int64_t since_s;
	size_t size = 0;
	int code = read_file(store, STORE_PEERS, PEER_FILE_SIZE_MAX, &text, &size, &since_s,
			     &reason);
	int aside;

	*peers = NULL;
	*count = 0;
	if (code == -ENOENT)
		return 0;
	if (!code)
		code = peer_file_read(text, size, now, peers, count, &reason);
	if (!code)
		return 0;
	aside = store_set_peers_aside(store);
	return error_set(error, code, "the runtime peers are lost: %s/" STORE_PEERS ": %s (%s%s)",
			 store->path, reason.text,
			 aside ? "and it cannot be moved away: " : "kept as ",
			 aside ? strerror(-aside) : STORE_PEERS_BAD);
}

int store_set_peers_aside(const struct store *store)
{
	unlinkat(store->fd, STORE_PEERS_BAD, 0); /* or a directory could not take its name */
	if (renameat(store->fd, STORE_PEERS, store->fd, STORE_PEERS_BAD))
		return -errno;
	return fsync(store->fd) ? -errno : 0;
}

static int create_new(const struct store *store, const char *name)
{
	int fd;

	if (unlinkat(store->fd, name, 0) && errno != ENOENT)
		return -errno;
	fd = openat(store->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : fd;
}

/* Gives a new file its name if it was written (@code 0), else removes it. */
static int settle_new(const struct store *store, const char *new_name, const char *name, int code)
{
	if (!code && renameat(store->fd, new_name, store->fd, name))
		code = -errno;
	if (code)
		unlinkat(store->fd, new_name, 0);
	else if (fsync(store->fd))
		code = -errno;
	return code;
}

static int write_peers(const struct store *store, const struct runtime_peer *peers, size_t count,
		       const struct moment *now)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_close_ int fd = create_new(store, STORE_PEERS_NEW);
	int code;

	if (fd < 0)
		return fd;
	file = fdopen(fd, "w");
	if (!file)
		return -errno;
	(void)TAKE_FD(fd); /* the stream's now */
	errno = 0;
	code = peer_file_write(file, peers, count, now);
	if (code == -EIO && errno)
		code = -errno;
	if (!code && (fflush(file) || fsync(fileno(file))))
		code = -errno;
	return code;
}

int store_save_peers(const struct store *store, const struct runtime_peer *peers, size_t count,
		     const struct moment *now, struct error *error)
{
	const int code = settle_new(store, STORE_PEERS_NEW, STORE_PEERS,
				    write_peers(store, peers, count, now));

	return code ? error_set(error, code, "%s/" STORE_PEERS " cannot be written: %s",
				store->path, strerror(-code))
		    : 0;
}

int store_load_config(const struct store *store, char **text, size_t *size, int64_t *since_s,
		      struct error *error)
{
	struct error reason = {};
	const int code = read_file(store, LAST_GOOD, CONFIG_FILE_SIZE_MAX, text, size, since_s,
				   &reason);

	if (code == -ENOENT)
		return error_set(error, code, "%s holds no good configuration from before",
				 store->path);
	return code ? error_set(error, code, "%s/" LAST_GOOD ": %s", store->path, reason.text) : 0;
}

/* Piece by piece: it may be large, and is in memory once already. */
int store_has_config(const struct store *store, const char *text, size_t size)
{
	_cleanup_close_ int fd = open_file(store, LAST_GOOD);
	char piece[4096];
	size_t done = 0;
	ssize_t got;

	if (fd < 0)
		return fd;
	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		if ((size_t)got > size - done || memcmp(piece, text + done, (size_t)got) != 0)
			return 0;
		done += (size_t)got;
	}
	return !got && done == size;
}

static int write_config(const struct store *store, const char *text, size_t size)
{
	_cleanup_close_ int fd = create_new(store, LAST_GOOD_NEW);

	if (fd < 0)
		return fd;
	for (size_t done = 0; done < size;) {
		const ssize_t written = write(fd, text + done, size - done);

		if (written < 0 && errno != EINTR)
			return -errno;
		done += written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) ? -errno : 0;
}

int store_save_config(const struct store *store, const char *text, size_t size, struct error *error)
{
	int code;

	if (store_has_config(store, text, size) == 1)
		return 0;
	code = settle_new(store, LAST_GOOD_NEW, LAST_GOOD, write_config(store, text, size));
	return code ? error_set(error, code, "%s/" LAST_GOOD " cannot be written: %s", store->path,
				strerror(-code))
		    : 0;
}

void store_close(struct store *store)
{
	if (!store)
		return;
	close(store->fd);
	free(store);
}
