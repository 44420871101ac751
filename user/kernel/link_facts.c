// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/link_facts.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/netlink.h"
#include "kernel/rtnetlink.h"

/* The generic netlink family "netdev", as in Documentation/netlink/specs/netdev.yaml. */
enum { NETDEV_DEV_GET = 1 };
enum { NETDEV_IFINDEX = 1, NETDEV_XDP_FEATURES = 3 };
#define NETDEV_RX_SG (1u << 5)

/* One attribute of an answer: copied if it is as long as @value has room. */
struct wanted {
	uint16_t type;
	size_t size;
	void *value;
	bool found;
};

static int take_wanted(const struct nlattr *attribute, void *context)
{
	struct wanted *wanted = context;

	if (mnl_attr_get_type(attribute) == wanted->type &&
	    mnl_attr_get_payload_len(attribute) >= wanted->size) {
		memcpy(wanted->value, mnl_attr_get_payload(attribute), wanted->size);
		wanted->found = true;
	}
	return MNL_CB_OK;
}

static int take_answer(void *context, const struct nlmsghdr *message)
{
	if (netlink_holds_attributes(message, sizeof(struct genlmsghdr)))
		mnl_attr_parse(message, sizeof(struct genlmsghdr), take_wanted, context);
	return 0;
}

static struct nlmsghdr *put_question(char *buffer, uint16_t family, uint8_t command,
				     uint8_t version)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *header;

	request->nlmsg_type = family;
	request->nlmsg_flags = NLM_F_REQUEST;
	header = mnl_nlmsg_put_extra_header(request, sizeof(*header));
	header->cmd = command;
	header->version = version;
	return request;
}

/* Linux 6.3 and later. */
static bool read_features(struct mnl_socket *socket, uint32_t ifindex, uint64_t *features)
{
	char buffer[128] __attribute__((aligned(8)));
	uint16_t family;
	struct wanted id = {CTRL_ATTR_FAMILY_ID, sizeof(family), &family, false};
	struct wanted answer = {NETDEV_XDP_FEATURES, sizeof(*features), features, false};
	struct nlmsghdr *request = put_question(buffer, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	bool torn;

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, "netdev");
	if (rtnetlink_ask(socket, request, take_answer, &id, &torn) || !id.found)
		return false;
	request = put_question(buffer, family, NETDEV_DEV_GET, 1);
	mnl_attr_put_u32(request, NETDEV_IFINDEX, ifindex);
	return !rtnetlink_ask(socket, request, take_answer, &answer, &torn) && answer.found;
}

static void read_driver(const char *name, char driver[static DRIVER_NAME_SIZE])
{
	/* Any socket takes the request: one of a family that the agent is allowed. */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (char *)&info};

	driver[0] = '\0';
	strncpy(request.ifr_name, name, sizeof(request.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0)
		return;
	memcpy(driver, info.driver, DRIVER_NAME_SIZE);
	driver[DRIVER_NAME_SIZE - 1] = '\0';
}

void link_driver_read(const char *name, uint32_t ifindex, struct native_facts *facts)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = netlink_open(NETLINK_GENERIC);
	uint64_t features = 0;

	read_driver(name, facts->driver);
	facts->features_known = socket && read_features(socket, ifindex, &features);
	facts->takes_buffers = features & NETDEV_RX_SG;
	facts->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
}

static int take_xdp(const struct nlattr *attribute, void *context)
{
	struct link_facts *facts = context;

	if (mnl_attr_get_type(attribute) == IFLA_XDP_ATTACHED &&
	    mnl_attr_validate(attribute, MNL_TYPE_U8) >= 0)
		facts->native = mnl_attr_get_u8(attribute) == XDP_ATTACHED_DRV;
	return MNL_CB_OK;
}

static int take_link_attribute(const struct nlattr *attribute, void *context)
{
	struct link_facts *facts = context;
	struct rtnl_link_stats64 stats = {};

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
			strncpy(facts->name, mnl_attr_get_str(attribute), sizeof(facts->name) - 1);
		break;
	case IFLA_MTU:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			facts->mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_MAX_MTU:
		if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
			facts->max_mtu = mnl_attr_get_u32(attribute);
		break;
	case IFLA_STATS64: /* older kernels give less of it */
		if (mnl_attr_get_payload_len(attribute) >= sizeof(stats.rx_packets)) {
			memcpy(&stats, mnl_attr_get_payload(attribute), sizeof(stats.rx_packets));
			facts->received = stats.rx_packets;
		}
		break;
	case IFLA_XDP:
		mnl_attr_parse_nested(attribute, take_xdp, facts);
		break;
	}
	return MNL_CB_OK;
}

static int take_link(void *context, const struct nlmsghdr *message)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);
	struct link_facts *facts = context;

	if (message->nlmsg_type != RTM_NEWLINK || !netlink_holds_attributes(message, sizeof(*link)))
		return 0;
	facts->up = link->ifi_flags & IFF_UP;
	return mnl_attr_parse(message, sizeof(*link), take_link_attribute, facts) < 0 ? -EBADMSG
										      : 0;
}

int link_facts_read(struct mnl_socket *socket, uint32_t ifindex, struct link_facts *facts)
{
	char buffer[64] __attribute__((aligned(8)));
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;
	bool torn;
	int code;

	*facts = (struct link_facts){};
	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = (int)ifindex;
	code = rtnetlink_ask(socket, request, take_link, facts, &torn);
	return code ? code : facts->name[0] ? 0 : -ENODATA;
}
