// SPDX-License-Identifier: BSD-2-Clause
#include "core/netlink.h"

#include <criterion/criterion.h>
#include <limits.h>

static struct nlmsghdr of_length(unsigned int length)
{
	return (struct nlmsghdr){.nlmsg_len = length};
}

Test(netlink, a_message_fits_only_as_a_whole)
{
	struct nlmsghdr message = of_length(40);

	cr_expect(netlink_fits(&message, 40));
	cr_expect(netlink_fits(&message, INT_MAX));
	cr_expect_not(netlink_fits(&message, 39));
	cr_expect_not(netlink_fits(&message, 0));
	cr_expect_not(netlink_fits(&message, -3));
}

Test(netlink, a_length_that_is_no_length_does_not_fit)
{
	static const unsigned int lengths[] = {0, 15, 0x80000000, 0xfffffff0, 0xfffffffd, UINT_MAX};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct nlmsghdr message = of_length(lengths[i]);

		cr_expect_not(netlink_fits(&message, 4096), "%u", lengths[i]);
	}
}

Test(netlink, a_payload_that_was_cut_is_not_held)
{
	struct nlmsghdr message = of_length(NLMSG_HDRLEN + 15);

	cr_expect(netlink_holds(&message, 15));
	cr_expect_not(netlink_holds(&message, 16));
}

Test(netlink, attributes_end_with_the_message)
{
	for (unsigned int past = 0; past < 4; past++) {
		struct nlmsghdr message = of_length(NLMSG_HDRLEN + 16 + past);

		cr_expect_eq(netlink_holds_attributes(&message, 16), !past, "%u", past);
	}
}

Test(netlink, an_error_is_an_errno_or_a_bad_message)
{
	static const struct {
		int said, taken;
	} rows[] = {{0, 0},
		    {-ENODEV, -ENODEV},
		    {-NETLINK_ERRNO_MAX, -NETLINK_ERRNO_MAX},
		    {-NETLINK_ERRNO_MAX - 1, -EBADMSG},
		    {INT_MIN, -EBADMSG},
		    {1, -EBADMSG}};
	struct {
		struct nlmsghdr header;
		struct nlmsgerr answer;
	} message = {.header = of_length(sizeof(message))};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		message.answer.error = rows[i].said;
		cr_expect_eq(netlink_error(&message.header), rows[i].taken, "%d", rows[i].said);
	}
	message.answer.error = -ENODEV;
	message.header.nlmsg_len--;
	cr_expect_eq(netlink_error(&message.header), -EBADMSG, "cut");
}
