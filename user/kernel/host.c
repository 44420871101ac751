// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/host.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/netlink.h"
#include "core/text.h"
#include "kernel/rtnetlink.h"

#define DUMP_TRIES 3

/* What a list of interfaces is read into. */
struct listing {
	struct host_interface *list;
	size_t count, room;
};

static int compare_index(const void *a, const void *b)
{
	const struct host_interface *left = a, *right = b;

	return left->ifindex < right->ifindex ? -1 : left->ifindex > right->ifindex;
}

/* Kinds whose frames passed through another device before, without their outer tag. */
static bool is_stacked(const char *kind)
{
	static const char *const kinds[] = {"bridge", "macvlan",     "macvtap", "ipvlan",
					    "ipvtap", "openvswitch", "vrf"};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

static enum device_kind device_kind(const char *kind)
{
	static const struct {
		const char *name;
		enum device_kind kind;
	} kinds[] = {
		{"vlan", DEVICE_VLAN},	   {"bond", DEVICE_BOND}, {"team", DEVICE_BOND},
		{"bridge", DEVICE_BRIDGE}, {"vrf", DEVICE_VRF},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kind, kinds[i].name))
			return kinds[i].kind;
	return DEVICE_PLAIN;
}

/* Attributes by type, of a message or of one that holds others. */
struct attributes {
	const struct nlattr *of[IFLA_MAX + 1];
};

static int keep_attribute(const struct nlattr *attribute, void *context)
{
	struct attributes *attributes = context;

	if (mnl_attr_type_valid(attribute, IFLA_MAX) > 0)
		attributes->of[mnl_attr_get_type(attribute)] = attribute;
	return MNL_CB_OK;
}

static void read_nested(const struct nlattr *attribute, struct attributes *nested)
{
	*nested = (struct attributes){};
	if (attribute)
		mnl_attr_parse_nested(attribute, keep_attribute, nested);
}

static uint32_t read_number(const struct nlattr *attribute)
{
	if (attribute && mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
		return mnl_attr_get_u32(attribute);
	if (attribute && mnl_attr_validate(attribute, MNL_TYPE_U16) >= 0)
		return mnl_attr_get_u16(attribute);
	return 0;
}

static const char *read_text(const struct nlattr *attribute)
{
	return attribute && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0
		       ? mnl_attr_get_str(attribute)
		       : "";
}

/*
 * Where frames start. Of the kinds without an Ethernet header only those are read that are known to
 * show the IP header first: with xfrm, vti, gre and the like it stands elsewhere.
 */
static void set_kind(struct host_interface *host, unsigned short type, const char *kind)
{
	host->loopback = type == ARPHRD_LOOPBACK;
	host->ethernet = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
	host->unreadable = !host->ethernet && type != ARPHRD_PPP && type != ARPHRD_RAWIP &&
			   (type != ARPHRD_NONE ||
			    (strcmp(kind, "tun") != 0 && strcmp(kind, "wireguard") != 0));
	host->kind = device_kind(kind);
	host->tags_hidden = is_stacked(kind);
	/* Others give their peer, or a device that their packets leave through, as "link". */
	if (host->kind != DEVICE_VLAN && strncmp(kind, "macv", 4) != 0 &&
	    strncmp(kind, "ipv", 3) != 0)
		host->lower = 0;
}

/* The ID of a VLAN device; 0 for what is none. */
static uint16_t read_vlan(const struct nlattr *attribute)
{
	const uint32_t vlan = read_number(attribute);

	return vlan < VLAN_IDS ? (uint16_t)vlan : 0;
}

/* The kernel takes any bytes for a name; JSON and metrics do not: others than UTF-8 become '?'. */
static void read_name(const struct nlattr *attribute, char name[static INTERFACE_NAME_SIZE])
{
	size_t size;

	snprintf(name, INTERFACE_NAME_SIZE, "%s", read_text(attribute));
	for (char *c = name; *c; c += size ? size : 1) {
		uint32_t character;

		size = text_decode(c, strlen(c), &character);
		if (!size)
			*c = '?';
	}
}

/* One link message into one interface. False where it has no name. */
static bool read_link(const struct nlmsghdr *message, struct host_interface *host)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct attributes attributes = {}, info, data, xdp;

	if (!netlink_holds_attributes(message, sizeof(*link)) ||
	    mnl_attr_parse(message, sizeof(*link), keep_attribute, &attributes) < 0)
		return false;
	read_nested(attributes.of[IFLA_LINKINFO], &info);
	read_nested(info.of[IFLA_INFO_DATA], &data);
	read_nested(attributes.of[IFLA_XDP], &xdp);
	*host = (struct host_interface){
		.ifindex = (uint32_t)link->ifi_index,
		.master = read_number(attributes.of[IFLA_MASTER]),
		.program = read_number(xdp.of[IFLA_XDP_PROG_ID]),
	};
	read_name(attributes.of[IFLA_IFNAME], host->name);
	if (!attributes.of[IFLA_LINK_NETNSID]) /* else it is in another namespace */
		host->lower = read_number(attributes.of[IFLA_LINK]);
	set_kind(host, link->ifi_type, read_text(info.of[IFLA_INFO_KIND]));
	host->kindless = !info.of[IFLA_INFO_KIND];
	/* netvsc: the machine's own NIC may come below it at any time. */
	host->generic_only = !strcmp(read_text(attributes.of[IFLA_PARENT_DEV_BUS_NAME]), "vmbus");
	if (host->kind == DEVICE_VLAN)
		host->vlan = read_vlan(data.of[IFLA_VLAN_ID]);
	return host->name[0] && host->ifindex;
}

static int add_link(struct listing *listing, const struct host_interface *host)
{
	if (listing->count == listing->room) {
		const size_t room = listing->room ? 2 * listing->room : 32;
		struct host_interface *list = reallocarray(listing->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		listing->list = list;
		listing->room = room;
	}
	listing->list[listing->count++] = *host;
	return 0;
}

static int take_link(void *context, const struct nlmsghdr *message)
{
	struct host_interface host;

	return message->nlmsg_type == RTM_NEWLINK && read_link(message, &host)
		       ? add_link(context, &host)
		       : 0;
}

/* Asks for all links, or with @ifindex for one, and adds the answers. */
static int ask(struct mnl_socket *socket, uint32_t ifindex, struct listing *listing, bool *torn)
{
	char buffer[128] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST;
	if (!ifindex)
		request->nlmsg_flags |= NLM_F_DUMP;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = (int)ifindex;
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnetlink_ask(socket, request, take_link, listing, torn);
}

/* Sorts by index; of two entries for one index, which changed meanwhile, one stays. */
static void sort_links(struct listing *listing)
{
	size_t kept = 0;

	if (!listing->count)
		return;
	qsort(listing->list, listing->count, sizeof(*listing->list), compare_index);
	for (size_t i = 0; i < listing->count; i++) {
		if (kept && listing->list[kept - 1].ifindex == listing->list[i].ifindex)
			kept--;
		listing->list[kept++] = listing->list[i];
	}
	listing->count = kept;
}

/*
 * A dump that was torn by changes may lack interfaces that are there, and what lacks here loses its
 * filter: each of @known is asked for by itself. New ones that lack are announced by an event.
 */
static int ask_for_missing(struct mnl_socket *socket, const uint32_t *known, size_t known_count,
			   struct listing *listing)
{
	const size_t listed = listing->count;
	bool torn = false;

	for (size_t i = 0; i < known_count; i++) {
		const struct host_interface key = {.ifindex = known[i]};
		int code;

		if (listed && bsearch(&key, listing->list, listed, sizeof(key), compare_index))
			continue;
		code = ask(socket, known[i], listing, &torn);
		if (code && code != -ENODEV)
			return code;
	}
	sort_links(listing);
	return 0;
}

static int list_links(struct mnl_socket *socket, const uint32_t *known, size_t known_count,
		      struct listing *listing)
{
	bool torn = true;
	int code = 0;

	for (int i = 0; i < DUMP_TRIES && torn && !code; i++) {
		torn = false;
		listing->count = 0;
		code = ask(socket, 0, listing, &torn);
	}
	if (code)
		return code;
	sort_links(listing);
	return torn ? ask_for_missing(socket, known, known_count, listing) : 0;
}

int host_interfaces(const uint32_t *known, size_t known_count, struct host_interface **interfaces,
		    struct error *error)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	struct listing listing = {};
	int code;

	if (!socket)
		return error_set(error, -errno, "cannot list the interfaces: %s", strerror(errno));
	code = list_links(socket, known, known_count, &listing);
	if (!code && !listing.list)
		code = -ENODATA;
	if (code) {
		free(listing.list);
		return error_set(error, code, "cannot list the interfaces: %s", strerror(-code));
	}
	devices_find_failovers(listing.list, listing.count);
	*interfaces = listing.list;
	return (int)listing.count;
}

static int ethtool_flags(int fd, const char *interface, __u32 command, __u32 *flags)
{
	struct ethtool_value value = {.cmd = command, .data = *flags};
	struct ifreq request = {.ifr_data = (char *)&value};

	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCETHTOOL, &request) < 0)
		return -errno;
	*flags = value.data;
	return 0;
}

int host_keep_vlan_tags(const char *interface)
{
	/* Any socket takes the request: one of a family that the agent is allowed. */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	__u32 flags = 0;
	int result;

	if (fd < 0)
		return -errno;
	result = ethtool_flags(fd, interface, ETHTOOL_GFLAGS, &flags);
	if (result == -EOPNOTSUPP)
		return 0; /* a device without offloads */
	if (result < 0 || !(flags & ETH_FLAG_RXVLAN))
		return result;
	flags &= ~(__u32)ETH_FLAG_RXVLAN;
	result = ethtool_flags(fd, interface, ETHTOOL_SFLAGS, &flags);
	if (result == 0)
		result = ethtool_flags(fd, interface, ETHTOOL_GFLAGS, &flags);
	if (result < 0)
		return result == -EINVAL ? -EOPNOTSUPP : result;
	return flags & ETH_FLAG_RXVLAN ? -EOPNOTSUPP : 0;
}
