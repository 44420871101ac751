// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/host.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
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

/* Link types whose frames start with an Ethernet header; the others are taken to start with IP. */
static bool is_ethernet(unsigned short type)
{
	return type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
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
		host->loopback = request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
		host->ethernet = is_ethernet(request.ifr_hwaddr.sa_family);
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

int host_keep_vlan_tags(const char *interface)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
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
