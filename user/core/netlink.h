/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a netlink message may be read: what libmnl's own check leaves out. */
#ifndef BEAMFENCE_NETLINK_H
#define BEAMFENCE_NETLINK_H

#include <linux/netlink.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the whole message is within the @left bytes at @message, which may be negative.
 * mnl_nlmsg_ok() takes a length from 2^31 on for a negative one, and so for one that fits; then a
 * reader goes astray, or goes on for ever.
 */
static inline bool netlink_fits(const struct nlmsghdr *message, int left)
{
	return left >= (int)sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= (unsigned int)left;
}

/* Whether a message that fits has a payload of at least @size bytes. */
static inline bool netlink_holds(const struct nlmsghdr *message, size_t size)
{
	return message->nlmsg_len >= NLMSG_HDRLEN + size;
}

#endif
