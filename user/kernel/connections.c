// SPDX-License-Identifier: BSD-2-Clause
/* The host's established connections, by sock_diag(7), and the way that they take. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/netlink.h"
#include "kernel/host.h"
#include "kernel/rtnetlink.h"

#define STATE_ESTABLISHED 1 /* TCP_ESTABLISHED in include/net/tcp_states.h */

/*
 * The kernel is given a program that picks out ports (inet_diag_bc_run() in net/ipv4/inet_diag.c):
 * three instructions for each range. More ranges than this are taken for one from there on.
 */
#define RANGES_MAX	  256
#define BOUND_SIZE	  (2 * sizeof(struct inet_diag_bc_op)) /* a comparison, and what with */
#define RANGE_SIZE	  (2 * BOUND_SIZE + sizeof(struct inet_diag_bc_op))
#define BUFFER_SIZE	  (RANGES_MAX * RANGE_SIZE + 256)

struct listing {
	const uint64_t *ports;
	bool within; /* those within the host too */
	struct host_connection *list;
	size_t count, room;
	bool full;
};

static bool is_among(const uint64_t *ports, unsigned int port)
{
	return ports[port / 64] >> (port % 64) & 1;
}

/* Finds the next range of ports from *@first on. */
static bool next_range(const uint64_t *ports, unsigned int *first, unsigned int *last)
{
	while (*first < PORTS && !is_among(ports, *first))
		(*first)++;
	if (*first >= PORTS)
		return false;
	for (*last = *first; *last + 1 < PORTS && is_among(ports, *last + 1);)
		(*last)++;
	return true;
}

static struct inet_diag_bc_op *append_bound(struct inet_diag_bc_op *op, unsigned char code,
					    unsigned int port, size_t no)
{
	op[0] = (struct inet_diag_bc_op){.code = code, .yes = BOUND_SIZE, .no = (__u16)no};
	op[1] = (struct inet_diag_bc_op){.no = (__u16)port};
	return op + 2;
}

/* "a-b or c-d or ...": each range jumps to the end where it fits, and to the next where not. */
static size_t write_filter(const uint64_t *ports, struct inet_diag_bc_op *start)
{
	unsigned int first[RANGES_MAX], last[RANGES_MAX], from = 0, to;
	struct inet_diag_bc_op *op = start;
	size_t count = 0, size;

	while (next_range(ports, &from, &to)) {
		if (count < RANGES_MAX)
			first[count++] = from;
		last[count - 1] = to;
		from = to + 1;
	}
	size = count * RANGE_SIZE;
	for (size_t i = 0; i < count; i++) {
		/* The end itself means yes, and one instruction past it no. */
		const size_t next = RANGE_SIZE + (i + 1 == count ? sizeof(*op) : 0);

		op = append_bound(op, INET_DIAG_BC_S_GE, first[i], next);
		op = append_bound(op, INET_DIAG_BC_S_LE, last[i], next - BOUND_SIZE);
		size -= RANGE_SIZE;
		*op++ = (struct inet_diag_bc_op){.code = INET_DIAG_BC_JMP,
						 .yes = sizeof(*op),
						 .no = (__u16)(size + sizeof(*op))};
	}
	return count * RANGE_SIZE;
}

static void set_address(struct prefix *prefix, uint8_t family, const __be32 *words)
{
	*prefix = (struct prefix){.length = 128};
	if (family == AF_INET6) {
		memcpy(prefix->address, words, sizeof(prefix->address));
		return;
	}
	prefix->address[10] = prefix->address[11] = 0xff;
	memcpy(prefix->address + 12, words, sizeof(*words));
}

static void read_connection(const struct inet_diag_msg *message, struct host_connection *connection)
{
	const struct inet_diag_sockid *id = &message->id;

	*connection = (struct host_connection){.local_port = ntohs(id->idiag_sport),
					       .remote_port = ntohs(id->idiag_dport),
					       .device = id->idiag_if};
	set_address(&connection->local, message->idiag_family, id->idiag_src);
	set_address(&connection->remote, message->idiag_family, id->idiag_dst);
}

/* Any user may have any number of these, from as many addresses as there are of loopback. */
static bool is_within(const struct host_connection *connection)
{
	return (prefix_is_ipv4(&connection->remote) && connection->remote.address[12] == 127) ||
	       !prefix_compare(&connection->local, &connection->remote);
}

static int add_connection(struct listing *listing, const struct host_connection *connection)
{
	if (listing->count == listing->room) {
		const size_t room = listing->room ? 2 * listing->room : 64;
		void *list = reallocarray(listing->list, room, sizeof(*listing->list));

		if (!list)
			return -ENOMEM;
		listing->list = list;
		listing->room = room;
	}
	listing->list[listing->count++] = *connection;
	return 0;
}

static int take_connection(void *context, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *found = mnl_nlmsg_get_payload(message);
	struct listing *listing = context;
	struct host_connection connection;

	if (message->nlmsg_type != TCPDIAG_GETSOCK || !netlink_holds(message, sizeof(*found)) ||
	    !is_among(listing->ports, ntohs(found->id.idiag_sport)))
		return 0;
	read_connection(found, &connection);
	if (!listing->within && is_within(&connection))
		return 0;
	listing->full = listing->count == HOST_CONNECTIONS_MAX;
	return listing->full ? -EXFULL : add_connection(listing, &connection);
}

/*
 * By the older form of the question, which is for both families: each walk through the kernel's
 * table takes its time, on a host of many connections, whatever is looked for.
 */
static int list(struct listing *listing)
{
	/* For one question: what is left of an answer that was long enough goes with it. */
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = netlink_open(NETLINK_SOCK_DIAG);
	struct inet_diag_bc_op filter[RANGES_MAX * RANGE_SIZE / sizeof(struct inet_diag_bc_op)];
	char buffer[BUFFER_SIZE] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct inet_diag_req *wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));
	const size_t size = write_filter(listing->ports, filter);
	bool torn = false;
	int code;

	if (!socket)
		return -errno;
	if (!size)
		return 0;
	request->nlmsg_type = TCPDIAG_GETSOCK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	wanted->idiag_states = 1u << STATE_ESTABLISHED;
	mnl_attr_put(request, INET_DIAG_REQ_BYTECODE, size, filter);
	code = rtnetlink_ask(socket, request, take_connection, listing, &torn);
	return code == -EXFULL ? 0 : code;
}

int host_connections(const uint64_t ports[static PORTS / 64], bool within,
		     struct host_connection **connections, bool *more, struct error *error)
{
	struct listing listing = {.ports = ports, .within = within};
	const int code = list(&listing);

	if (code) {
		free(listing.list);
		return error_set(error, code, "cannot list the host's connections: %s",
				 strerror(-code));
	}
	*connections = listing.list;
	*more = listing.full;
	return (int)listing.count;
}

static int keep_device(const struct nlattr *attribute, void *context)
{
	uint32_t *device = context;

	if (mnl_attr_get_type(attribute) == RTA_OIF &&
	    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
		*device = mnl_attr_get_u32(attribute);
	return MNL_CB_OK;
}

static int take_device(void *context, const struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_NEWROUTE &&
	    netlink_holds_attributes(message, sizeof(struct rtmsg)))
		mnl_attr_parse(message, sizeof(struct rtmsg), keep_device, context);
	return 0;
}

static void put_address(struct nlmsghdr *request, uint16_t type, const struct prefix *address)
{
	const size_t skip = prefix_is_ipv4(address) ? 12 : 0;

	mnl_attr_put(request, type, sizeof(address->address) - skip, address->address + skip);
}

uint32_t host_route(struct mnl_socket *socket, const struct host_connection *connection)
{
	const bool ipv4 = prefix_is_ipv4(&connection->remote);
	char buffer[256] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(request, sizeof(*route));
	uint32_t device = 0;
	bool torn = false;

	request->nlmsg_type = RTM_GETROUTE;
	request->nlmsg_flags = NLM_F_REQUEST;
	route->rtm_family = ipv4 ? AF_INET : AF_INET6;
	route->rtm_dst_len = route->rtm_src_len = ipv4 ? 32 : 128;
	put_address(request, RTA_DST, &connection->remote);
	put_address(request, RTA_SRC, &connection->local);
	if (connection->device)
		mnl_attr_put_u32(request, RTA_OIF, connection->device);
	return rtnetlink_ask(socket, request, take_device, &device, &torn) ? 0 : device;
}
