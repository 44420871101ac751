// SPDX-License-Identifier: BSD-2-Clause
#include "agent/interfaces.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct interface_watch {
	struct mnl_socket *socket;
	struct event *readable;
	void (*changed)(void *context);
	void *context;
};

static bool is_link_message(const char *buffer, ssize_t size)
{
	int left = (int)size;

	for (const struct nlmsghdr *message = (const void *)buffer; mnl_nlmsg_ok(message, left);
	     message = mnl_nlmsg_next(message, &left))
		if (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK)
			return true;
	return false;
}

static void read_messages(evutil_socket_t fd, short events, void *argument)
{
	struct interface_watch *watch = argument;
	char buffer[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	bool changed = false;
	ssize_t size;

	(void)fd, (void)events;
	for (;;) {
		size = mnl_socket_recvfrom(watch->socket, buffer, sizeof(buffer));
		if (size > 0)
			changed |= is_link_message(buffer, size);
		else if (size < 0 && (errno == ENOBUFS || errno == ENOSPC))
			changed = true; /* messages were lost: look at everything */
		else if (size == 0 || errno != EINTR)
			break;
	}
	if (changed)
		watch->changed(watch->context);
}

int interface_watch_open(struct event_base *base, void (*changed)(void *context), void *context,
			 struct interface_watch **result, struct error *error)
{
	struct interface_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_set(error, -ENOMEM, "out of memory");
	watch->changed = changed;
	watch->context = context;
	watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (watch->socket && mnl_socket_bind(watch->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) == 0)
		watch->readable = event_new(base, mnl_socket_get_fd(watch->socket),
					    EV_READ | EV_PERSIST, read_messages, watch);
	if (!watch->readable || event_add(watch->readable, NULL) < 0) {
		const int code = -errno;

		interface_watch_close(watch);
		return error_set(error, code, "cannot watch the interfaces: %s", strerror(-code));
	}
	*result = watch;
	return 0;
}

void interface_watch_close(struct interface_watch *watch)
{
	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
}
