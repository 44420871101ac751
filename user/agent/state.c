// SPDX-License-Identifier: BSD-2-Clause
#include "agent/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

struct state {
	const char *path;
	int fd; /* of the directory; locked */
};

/* Says "DIR: WHY: WHAT": the consequence is the same for whatever is wrong with the directory. */
static int no_directory(const char *path, int code, const char *why, struct error *error)
{
	return error_set(error, code, "%s: %s: runtime peers will not outlive the agent", path,
			 why);
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
	if (flock(fd, LOCK_EX | LOCK_NB))
		return no_directory(path, -EBUSY,
				    errno == EWOULDBLOCK
					    ? "another agent uses it (give each its --state-dir)"
					    : strerror(errno),
				    error);
	return 0;
}

int state_open(const char *path, struct state **result, struct error *error)
{
	_cleanup_close_ int fd = -1;
	struct state *state;
	int code;

	if (mkdir(path, 0700) && errno != EEXIST)
		return no_directory(path, -errno, strerror(errno), error);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return no_directory(path, -errno, strerror(errno), error);
	code = check_directory(fd, path, error);
	if (code)
		return code;
	state = malloc(sizeof(*state));
	if (!state)
		return no_directory(path, -ENOMEM, "out of memory", error);
	*state = (struct state){.path = path, .fd = TAKE_FD(fd)};
	*result = state;
	return 0;
}

/* Reads the whole file. It is replaced, never written to, so that its size stays. */
static int read_whole(int fd, char **text, size_t *size)
{
	_cleanup_free_ char *buffer = NULL;
	struct stat st;
	size_t used = 0;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > PEER_STATE_SIZE_MAX)
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
	return 0;
}

/* Never waits, as for the writer of a FIFO, and follows no link. */
static int read_file(const struct state *state, char **text, size_t *size, struct error *error)
{
	_cleanup_close_ int fd = openat(state->fd, STATE_FILE,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	const int code = fd < 0 ? -errno : read_whole(fd, text, size);

	if (code == -EINVAL || code == -ELOOP)
		return error_set(error, code, "it is no regular file");
	return code ? error_set(error, code, "%s", strerror(-code)) : 0;
}

int state_load(const struct state *state, const struct moment *now, struct runtime_peer **peers,
	       size_t *count, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	struct error reason = {};
	size_t size = 0;
	int code = read_file(state, &text, &size, &reason), aside;

	*peers = NULL;
	*count = 0;
	if (code == -ENOENT)
		return 0;
	if (!code)
		code = peer_state_read(text, size, now, peers, count, &reason);
	if (!code)
		return 0;
	aside = state_set_aside(state);
	return error_set(error, code, "the runtime peers are lost: %s/" STATE_FILE ": %s (%s%s)",
			 state->path, reason.text,
			 aside ? "and it cannot be moved away: " : "kept as ",
			 aside ? strerror(-aside) : STATE_FILE_BAD);
}

int state_set_aside(const struct state *state)
{
	unlinkat(state->fd, STATE_FILE_BAD, 0); /* or a directory could not take its name */
	if (renameat(state->fd, STATE_FILE, state->fd, STATE_FILE_BAD))
		return -errno;
	return fsync(state->fd) ? -errno : 0;
}

static int write_new(const struct state *state, const struct runtime_peer *peers, size_t count,
		     const struct moment *now)
{
	_cleanup_fclose_ FILE *file = NULL;
	_cleanup_close_ int fd = -1;
	int code;

	if (unlinkat(state->fd, STATE_FILE_NEW, 0) && errno != ENOENT)
		return -errno;
	fd = openat(state->fd, STATE_FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (!file)
		return -errno;
	(void)TAKE_FD(fd); /* the stream's now */
	errno = 0;
	code = peer_state_write(file, peers, count, now);
	if (code == -EIO && errno)
		code = -errno;
	if (!code && (fflush(file) || fsync(fileno(file))))
		code = -errno;
	return code;
}

int state_save(const struct state *state, const struct runtime_peer *peers, size_t count,
	       const struct moment *now, struct error *error)
{
	int code = write_new(state, peers, count, now);

	if (!code && renameat(state->fd, STATE_FILE_NEW, state->fd, STATE_FILE))
		code = -errno;
	if (code)
		unlinkat(state->fd, STATE_FILE_NEW, 0);
	else if (fsync(state->fd))
		code = -errno;
	return code ? error_set(error, code, "%s/" STATE_FILE " cannot be written: %s", state->path,
				strerror(-code))
		    : 0;
}

void state_close(struct state *state)
{
	if (!state)
		return;
	close(state->fd);
	free(state);
}
