/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of a unix socket that the agent serves on: made, guarded against strangers and other
 * agents, and removed.
 */
#ifndef BEAMFENCE_CONTROL_SOCKET_H
#define BEAMFENCE_CONTROL_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

#include "core/error.h"

struct control_socket {
	int fd; /* listening, does not block */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t device; /* this and the next: of the file, to know it again */
	ino_t inode;
};

/*
 * Makes the socket as control_open() in agent/control.h says, with the same errors. The caller
 * ends it with control_socket_close().
 */
int control_socket_open(struct control_socket *socket, const char *path, gid_t group,
			struct error *error);

/* Closes it, and removes the file unless that is by now another. */
void control_socket_close(struct control_socket *socket);

#endif
