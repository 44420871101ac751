/* SPDX-License-Identifier: BSD-2-Clause */
/* Questions to rtnetlink, and reading what the kernel answers. */
#ifndef BEAMFENCE_RTNETLINK_H
#define BEAMFENCE_RTNETLINK_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <sys/types.h>

/* Given each message of an answer; 0 or a negative errno, which ends the reading. */
typedef int (*rtnetlink_take)(void *context, const struct nlmsghdr *message);

/* A socket for questions, or NULL with errno set. For mnl_socket_close(). */
struct mnl_socket *rtnetlink_open(void);

/* The same for another family of netlink: NETLINK_SOCK_DIAG, NETLINK_GENERIC. */
struct mnl_socket *netlink_open(int family);

void cleanup_rtnetlink(struct mnl_socket **socket);

/*
 * Takes in one buffer of answers. 1 when the last of them was in it, 0 when not, or a negative
 * errno. *@torn is set where the kernel says that the answer is not of one moment.
 */
int rtnetlink_read(const char *buffer, ssize_t size, rtnetlink_take take, void *context,
		   bool *torn);

/* Asks, and reads the whole answer. Returns 0 or a negative errno. */
int rtnetlink_ask(struct mnl_socket *socket, const struct nlmsghdr *request, rtnetlink_take take,
		  void *context, bool *torn);

#endif
