// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/unix_socket.h"

#include <errno.h>
#include <libgen.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

#define BACKLOG 64

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int make_directory(const char *path, struct error *error)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *directory;

	strcpy(copy, path);
	directory = dirname(copy);
	if (mkdir(directory, 0755) == 0)
		chmod(directory, 0755); /* whatever the umask took */
	else if (errno != EEXIST)
		return error_set(error, -errno, "cannot make the directory %s: %s", directory,
				 strerror(errno));
	return 0;
}

/* Removes the socket that an agent left at @address when it died. */
static int remove_stale(const struct sockaddr_un *address, struct error *error)
{
	const char *path = address->sun_path;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0
				       : error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(
			error, -EEXIST,
			"%s exists and is not a socket: move it away, or configure another "
			"path",
			path);
	fd = new_socket();
	if (fd < 0)
		return error_set(error, fd, "%s: %s", path, strerror(-fd));
	/* EAGAIN: somebody listens, but has a full queue. */
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return error_set(error, -EADDRINUSE,
				 "another agent answers on %s: stop it first, or configure another "
				 "path",
				 path);
	if (errno != ECONNREFUSED && errno != ENOENT)
		return error_set(error, -errno, "%s: %s", path, strerror(errno));
	if (unlink(path) && errno != ENOENT)
		return error_set(error, -errno, "cannot remove the stale socket %s: %s", path,
				 strerror(errno));
	return 0;
}

/* Binds @fd, opens the file to @group, and listens. */
static int bind_socket(int fd, const struct sockaddr_un *address, gid_t group)
{
	const char *path = address->sun_path;

	/* Linux gives the file the mode of the socket: closed to others from the first moment. */
	if (fchmod(fd, 0600) || bind(fd, (const struct sockaddr *)address, sizeof(*address)))
		return -errno;
	if (chmod(path, 0600) ||
	    (group != (gid_t)-1 && (chown(path, (uid_t)-1, group) || chmod(path, 0660))) ||
	    listen(fd, BACKLOG)) {
		int code = -errno;

		unlink(path);
		return code;
	}
	return 0;
}

int unix_socket_open(struct unix_socket *result, const char *path, gid_t group, struct error *error)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	_cleanup_close_ int fd = -1;
	struct stat st;
	int code;

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set(error, -ENAMETOOLONG,
				 "the socket's path \"%s\" is longer than %zu bytes", path,
				 sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	code = make_directory(path, error);
	if (!code)
		code = remove_stale(&address, error);
	if (code)
		return code;
	fd = new_socket();
	code = fd < 0 ? fd : bind_socket(fd, &address, group);
	if (!code && lstat(path, &st))
		code = -errno;
	if (code)
		return error_set(error, code, "cannot make the socket %s: %s", path,
				 strerror(-code));
	result->fd = TAKE_FD(fd);
	strcpy(result->path, path);
	result->device = st.st_dev;
	result->inode = st.st_ino;
	return 0;
}

void unix_socket_close(struct unix_socket *socket)
{
	struct stat st;

	if (lstat(socket->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == socket->device &&
	    st.st_ino == socket->inode)
		unlink(socket->path);
	close(socket->fd);
}
