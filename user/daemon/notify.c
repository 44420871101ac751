// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"

#define STATUS_MAX 512

/* Fills @address from $NOTIFY_SOCKET. Returns its length, or a negative errno. */
static int notify_address(const char *name, struct sockaddr_un *address)
{
	size_t length = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || length < 2)
		return -EAFNOSUPPORT;
	if (length >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, name, length);
	if (name[0] == '@') {
		address->sun_path[0] = '\0';
		return (int)(offsetof(struct sockaddr_un, sun_path) + length);
	}
	return (int)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

static int notify_send(const char *message)
{
	const char *name = getenv("NOTIFY_SOCKET");
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	ssize_t sent;
	int length;

	if (!name || !*name)
		return 0;
	length = notify_address(name, &address);
	if (length < 0)
		return length;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	do {
		sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
			      (struct sockaddr *)&address, (socklen_t)length);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* Sends @state and, where there is one, @status as a line of its own. */
static int notify_with_status(const char *state, const char *status)
{
	char message[STATUS_MAX + 64];
	int start;

	if (!status)
		return notify_send(state);
	start = snprintf(message, sizeof(message), "%s%sSTATUS=", state, *state ? "\n" : "");
	snprintf(message + start, STATUS_MAX, "%s", status);
	for (char *c = message + start; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = ' ';
	return notify_send(message);
}

int notify_ready(const char *status)
{
	return notify_with_status("READY=1", status);
}

int notify_reloading(void)
{
	char message[64];

	snprintf(message, sizeof(message), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		 monotonic_ns() / 1000);
	return notify_send(message);
}

int notify_stopping(void)
{
	return notify_send("STOPPING=1");
}

int notify_status(const char *status)
{
	return notify_with_status("", status);
}

int notify_watchdog(void)
{
	return notify_send("WATCHDOG=1");
}

/* Parses a decimal number that is all of @text; 0 when it is not one. */
static uint64_t number(const char *text)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	errno = 0;
	value = strtoull(text, &end, 10);
	return errno || *end ? 0 : value;
}

uint64_t notify_watchdog_interval_us(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (!usec || (pid && number(pid) != (uint64_t)getpid()))
		return 0;
	return number(usec);
}
