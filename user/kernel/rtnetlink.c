// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/rtnetlink.h"

#include <errno.h>

#include "core/netlink.h"

#define BUFFER_SIZE 32768 /* what the kernel fills at a time in a dump */

struct mnl_socket *netlink_open(int family)
{
	struct mnl_socket *socket = mnl_socket_open2(family, SOCK_CLOEXEC);
	int code;

	if (!socket || mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) >= 0)
		return socket;
	code = errno;
	mnl_socket_close(socket);
	errno = code;
	return NULL;
}

struct mnl_socket *rtnetlink_open(void)
{
	return netlink_open(NETLINK_ROUTE);
}

void cleanup_rtnetlink(struct mnl_socket **socket)
{
	if (*socket)
		mnl_socket_close(*socket);
}

int rtnetlink_read(const char *buffer, ssize_t size, rtnetlink_take take, void *context, bool *torn)
{
	int left = (int)size, code = 0;

	for (const struct nlmsghdr *message = (const void *)buffer;
	     netlink_fits(message, left) && !code; message = mnl_nlmsg_next(message, &left)) {
		*torn |= message->nlmsg_flags & NLM_F_DUMP_INTR;
		if (message->nlmsg_type == NLMSG_DONE)
			return 1;
		if (message->nlmsg_type == NLMSG_ERROR) {
			code = netlink_error(message);
			return code ? code : 1;
		}
		code = take(context, message);
		if (!code && !(message->nlmsg_flags & NLM_F_MULTI))
			return 1;
	}
	return code;
}

int rtnetlink_ask(struct mnl_socket *socket, const struct nlmsghdr *request, rtnetlink_take take,
		  void *context, bool *torn)
{
	char buffer[BUFFER_SIZE] __attribute__((aligned(8)));
	int code = 0;

	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	while (!code) {
		const ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

		if (size < 0 && errno != EINTR)
			return -errno;
		if (size > 0)
			code = rtnetlink_read(buffer, size, take, context, torn);
	}
	return code < 0 ? code : 0;
}
