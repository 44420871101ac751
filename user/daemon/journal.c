// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int journal_fd = -1;
static struct sockaddr_un journal_address = {.sun_family = AF_UNIX};

int journal_open(const char *path)
{
	if (strlen(path) >= sizeof(journal_address.sun_path))
		return -ENAMETOOLONG;
	journal_close();
	strcpy(journal_address.sun_path, path);
	journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return journal_fd < 0 ? -errno : 0;
}

void journal_close(void)
{
	if (journal_fd >= 0)
		close(journal_fd);
	journal_fd = -1;
}

int journal_send(const char *entry, size_t length)
{
	if (journal_fd < 0)
		return -ENOTCONN;
	/* Not connected: a journal that is restarted is found again. */
	return sendto(journal_fd, entry, length, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (const struct sockaddr *)&journal_address, sizeof(journal_address)) < 0
		       ? -errno
		       : 0;
}
