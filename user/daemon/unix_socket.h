/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a unix socket that the agent serves on: made, guarded against strangers and other
 * agents, and removed.
 */
#ifndef BEAMFENCE_UNIX_SOCKET_H
#define BEAMFENCE_UNIX_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

#include "core/error.h"

struct unix_socket {
	int fd; /* listening, does not block */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t device; /* this and the next: of the file, to know it again */
	ino_t inode;
};

/*
 * Makes the socket, and its directory (mode 0755) when only that is missing. A socket on which
 * nobody answers is replaced. Needs CAP_CHOWN when a group other than the process's own is asked
 * for. Returns 0 and a socket that the caller ends with unix_socket_close(), or:
 * -EADDRINUSE: another agent answers there. -EEXIST: @path is something other than a socket.
 * -ENAMETOOLONG: @path does not fit. Other errno of what failed.
 */
int unix_socket_open(struct unix_socket *socket, const char *path, gid_t group,
		     struct error *error);

/* Closes it, and removes the file unless that is by now another. */
void unix_socket_close(struct unix_socket *socket);

#endif
