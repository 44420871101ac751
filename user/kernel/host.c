// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/host.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/cleanup.h"

static void cleanup_nameindex(struct if_nameindex **names)
{
	if (*names)
		if_freenameindex(*names);
}

static int compare_index(const void *a, const void *b)
{
	const struct host_interface *left = a, *right = b;

	return left->ifindex < right->ifindex ? -1 : left->ifindex > right->ifindex;
}

/* The driver's own name for itself, or "" where it has none. */
static void read_driver(int fd, const char *interface, char driver[static ETHTOOL_BUSINFO_LEN])
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_data = (char *)&info};

	driver[0] = '\0';
	strncpy(request.ifr_name, interface, sizeof(request.ifr_name) - 1);
	if (ioctl(fd, SIOCETHTOOL, &request) == 0)
		snprintf(driver, ETHTOOL_BUSINFO_LEN, "%s", info.driver);
}

/*
 * Where frames start. Of the kinds without an Ethernet header only those are read that are known to
 * show the IP header first: with xfrm, vti, gre and the like it stands elsewhere.
 */
static void set_kind(int fd, struct host_interface *host, unsigned short type)
{
	char driver[ETHTOOL_BUSINFO_LEN];

	host->loopback = type == ARPHRD_LOOPBACK;
	host->ethernet = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
	if (host->ethernet || type == ARPHRD_PPP || type == ARPHRD_RAWIP)
		return;
	read_driver(fd, host->name, driver);
	host->unreadable = type != ARPHRD_NONE ||
			   (strcmp(driver, "tun") != 0 && strcmp(driver, "wireguard") != 0);
}

int host_interfaces(struct host_interface **interfaces, struct error *error)
{
	_cleanup_(cleanup_nameindex) struct if_nameindex *names = if_nameindex();
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	_cleanup_free_ struct host_interface *list = NULL;
	int count = 0, used = 0;

	if (!names || fd < 0)
		return error_set(error, -errno, "cannot list the interfaces: %s", strerror(errno));
	while (names[count].if_index)
		count++;
	list = calloc((size_t)count + 1, sizeof(*list));
	if (!list)
		return error_set(error, -ENOMEM, "out of memory");
	for (int i = 0; i < count; i++) {
		struct host_interface *host = &list[used];
		struct ifreq request = {};

		strncpy(request.ifr_name, names[i].if_name, sizeof(request.ifr_name) - 1);
		if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
			continue; /* gone since it was listed */
		memcpy(host->name, request.ifr_name, sizeof(host->name));
		host->ifindex = names[i].if_index;
		set_kind(fd, host, request.ifr_hwaddr.sa_family);
		used++;
	}
	qsort(list, (size_t)used, sizeof(*list), compare_index);
	*interfaces = TAKE_POINTER(list);
	return used;
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

/*
 * Devices stacked on others get frames whose outer tag was taken out below them, whatever their own
 * settings say.
 */
static bool is_stacked(const char *driver)
{
	static const char *const drivers[] = {"bridge",	    "bonding", "team",
					      "macvlan",    "ipvlan",  "802.1Q VLAN Support",
					      "openvswitch"};

	for (size_t i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		if (!strcmp(driver, drivers[i]))
			return true;
	return false;
}

int host_keep_vlan_tags(const char *interface)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char driver[ETHTOOL_BUSINFO_LEN];
	__u32 flags = 0;
	int result;

	if (fd < 0)
		return -errno;
	read_driver(fd, interface, driver);
	if (is_stacked(driver))
		return -EOPNOTSUPP;
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
