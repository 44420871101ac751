/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a netlink message may be read: what libmnl's own check leaves out. */
#ifndef BEAMFENCE_NETLINK_H
#define BEAMFENCE_NETLINK_H

#include <errno.h>
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

/*
 * The same for a message that ends with attributes. The kernel fills each up to a multiple of four
 * bytes, and libmnl 1.0 reads on to there, past the end of a message of another length.
 */
static inline bool netlink_holds_attributes(const struct nlmsghdr *message, size_t size)
{
	return netlink_holds(message, size) && message->nlmsg_len % NLMSG_ALIGNTO == 0;
}

#define NETLINK_ERRNO_MAX 4095 /* the kernel's MAX_ERRNO */

/* What a message of type NLMSG_ERROR says: 0, or a negative errno; -EBADMSG where that is none. */
static inline int netlink_error(const struct nlmsghdr *message)
{
	const struct nlmsgerr *answer = NLMSG_DATA(message);

	if (!netlink_holds(message, sizeof(*answer)) || answer->error > 0 ||
	    answer->error < -NETLINK_ERRNO_MAX)
		return -EBADMSG;
	return answer->error;
}

#endif
