// SPDX-License-Identifier: BSD-2-Clause
/* Which addresses are the host's own: what its TCP stack would take for itself. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/netlink.h"
#include "kernel/host.h"
#include "kernel/rtnetlink.h"

#define IPV4_BITS 32
#define IPV6_BITS 128
#define TRIES	  3

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

/* What no route names, and reaches sockets all the same: broadcast and multicast. */
static const char *const everywhere[] = {"0.0.0.0/32", "224.0.0.0/4", "255.255.255.255/32",
					 "ff00::/8"};

struct prefixes {
	struct prefix *list;
	size_t count, room;
};

static int add_prefix(struct prefixes *prefixes, const struct prefix *prefix)
{
	if (prefixes->count == prefixes->room) {
		const size_t room = prefixes->room ? 2 * prefixes->room : 32;
		struct prefix *list = reallocarray(prefixes->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		prefixes->list = list;
		prefixes->room = room;
	}
	prefixes->list[prefixes->count++] = *prefix;
	return 0;
}

/* An address out of a message. Where there is none it is all zero, as for a default route. */
static int add_address(struct prefixes *prefixes, uint8_t family, uint8_t length,
		       const struct nlattr *attribute)
{
	const size_t size = family == AF_INET ? IPV4_BITS / 8 : IPV6_BITS / 8;
	struct prefix prefix = {.length = length};

	if ((family != AF_INET && family != AF_INET6) || length > 8 * size ||
	    (attribute ? mnl_attr_get_payload_len(attribute) < size : length > 0))
		return 0;
	if (family == AF_INET) {
		prefix.length = (uint8_t)(length + IPV6_BITS - IPV4_BITS);
		prefix.address[10] = prefix.address[11] = 0xff;
	}
	if (attribute)
		memcpy(prefix.address + sizeof(prefix.address) - size,
		       mnl_attr_get_payload(attribute), size);
	return add_prefix(prefixes, &prefix);
}

/* The attributes of interest in messages about routes and about addresses: both are few. */
struct found {
	const struct nlattr *of[8];
};

static int keep_found(const struct nlattr *attribute, void *context)
{
	struct found *found = context;
	const uint16_t type = mnl_attr_get_type(attribute);

	if (type < sizeof(found->of) / sizeof(found->of[0]))
		found->of[type] = attribute;
	return MNL_CB_OK;
}

static bool parse(const struct nlmsghdr *message, size_t header, struct found *found)
{
	*found = (struct found){};
	return netlink_holds_attributes(message, header) &&
	       mnl_attr_parse(message, (unsigned int)header, keep_found, found) >= 0;
}

static int take_route(struct prefixes *prefixes, const struct nlmsghdr *message)
{
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	struct found found;

	if (!parse(message, sizeof(*route), &found))
		return 0;
	switch (route->rtm_type) {
	case RTN_LOCAL:
	case RTN_ANYCAST:
	case RTN_BROADCAST:
	case RTN_MULTICAST:
		return add_address(prefixes, route->rtm_family, route->rtm_dst_len,
				   found.of[RTA_DST]);
	default:
		return 0;
	}
}

static int take(void *context, const struct nlmsghdr *message)
{
	const struct ifaddrmsg *address = mnl_nlmsg_get_payload(message);
	struct found found;

	if (message->nlmsg_type == RTM_NEWROUTE)
		return take_route(context, message);
	if (message->nlmsg_type != RTM_NEWADDR || !parse(message, sizeof(*address), &found))
		return 0;
	return add_address(context, address->ifa_family,
			   address->ifa_family == AF_INET ? IPV4_BITS : IPV6_BITS,
			   found.of[IFA_LOCAL] ?: found.of[IFA_ADDRESS]);
}

static struct nlmsghdr *dump_request(char *buffer, uint16_t type)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	return request;
}

/* A route of an address comes a moment after the address, so both are asked for. */
static int ask_for_addresses(struct mnl_socket *socket, struct prefixes *prefixes, bool *torn)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *request = dump_request(buffer, RTM_GETADDR);

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
	return rtnetlink_ask(socket, request, take, prefixes, torn);
}

/* Routes of one table, or with 0 of all, and of one type, or with 0 of any. */
static int ask_for_routes(struct mnl_socket *socket, uint8_t family, uint8_t table, uint8_t type,
			  struct prefixes *prefixes, bool *torn)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *request = dump_request(buffer, RTM_GETROUTE);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	int code;

	route->rtm_family = family;
	route->rtm_table = table;
	route->rtm_type = type;
	code = rtnetlink_ask(socket, request, take, prefixes, torn);
	return code == -ENOENT ? 0 : code; /* the table is made with its first route */
}

/* Local routes may be in any table: those of a VRF, or one that marked packets are looked up in. */
static int ask_for_all(struct mnl_socket *socket, struct prefixes *prefixes, bool *torn)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int code = ask_for_addresses(socket, prefixes, torn);

	for (size_t i = 0; i < sizeof(families) && !code; i++) {
		code = ask_for_routes(socket, families[i], RT_TABLE_LOCAL, 0, prefixes, torn);
		if (!code)
			code = ask_for_routes(socket, families[i], 0, RTN_LOCAL, prefixes, torn);
	}
	return code;
}

static int compare(const void *a, const void *b)
{
	return prefix_compare(a, b);
}

static void sort(struct prefixes *prefixes)
{
	size_t kept = 0;

	qsort(prefixes->list, prefixes->count, sizeof(*prefixes->list), compare);
	for (size_t i = 0; i < prefixes->count; i++)
		if (!kept || compare(&prefixes->list[kept - 1], &prefixes->list[i]) != 0)
			prefixes->list[kept++] = prefixes->list[i];
	prefixes->count = kept;
}

static int list_addresses(struct mnl_socket *socket, struct prefixes *prefixes)
{
	bool torn = true;
	int code = 0;

	for (int i = 0; i < TRIES && torn && !code; i++) {
		torn = false;
		prefixes->count = 0;
		code = ask_for_all(socket, prefixes, &torn);
	}
	if (!code && torn)
		code = -EAGAIN;
	for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]) && !code; i++) {
		struct prefix prefix;

		code = prefix_parse(everywhere[i], &prefix, NULL);
		if (!code)
			code = add_prefix(prefixes, &prefix);
	}
	if (!code)
		sort(prefixes);
	return code;
}

int host_addresses(struct prefix **addresses, struct error *error)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	struct prefixes prefixes = {};
	int on = 1, code = 0;

	/* Strictly: or the kernel would give all the routes there are, whatever is asked for. */
	if (!socket || mnl_socket_setsockopt(socket, NETLINK_GET_STRICT_CHK, &on, sizeof(on)) < 0)
		code = -errno;
	if (!code)
		code = list_addresses(socket, &prefixes);
	if (code) {
		free(prefixes.list);
		return error_set(error, code, "cannot list the host's own addresses: %s",
				 strerror(-code));
	}
	*addresses = prefixes.list;
	return (int)prefixes.count;
}
