// SPDX-License-Identifier: BSD-2-Clause
/*
 * The kernel's answers about links, and devices stacked in any way, even in circles. The input is
 * also what a socket gives, a datagram up to each end of a dump, and the bytes of a few what
 * ethtool says.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "core/netlink.h"
#include "tests/fuzz/fuzz.h"

#define ETHTOOL_INPUT_MAX 8

static struct {
	const char *at;
	size_t left, size;
	unsigned int calls;
} kernel;

static struct mnl_socket *fake_open(void)
{
	errno = EMFILE;
	return kernel.size == 1 ? NULL : (struct mnl_socket *)&kernel;
}

static ssize_t fail_at(size_t size, int code)
{
	errno = code;
	return kernel.size == size ? -1 : 0;
}

/* As much as belongs together, with an interruption now and then. */
static ssize_t fake_receive(void *buffer, size_t room)
{
	int left = (int)kernel.left;
	ssize_t size;

	errno = kernel.calls % 8 == 7 ? ENOBUFS : kernel.left ? EINTR : EIO;
	if (kernel.calls++ % 4 == 3 || !kernel.left)
		return -1;
	for (const struct nlmsghdr *message = (const void *)kernel.at;
	     netlink_fits(message, left);) {
		const uint16_t type = message->nlmsg_type;

		message = mnl_nlmsg_next(message, &left);
		if (type == NLMSG_DONE || type == NLMSG_ERROR)
			break;
	}
	if (left < 0 || left == (int)kernel.left)
		left = 0;
	size = (ssize_t)kernel.left - left;
	size = size > (ssize_t)room ? (ssize_t)room : size;
	memcpy(buffer, kernel.at, (size_t)size);
	kernel.at += size;
	kernel.left -= (size_t)size;
	return size;
}

/* A byte for each call: whether it fails, or the flag in question. */
static int fake_ethtool(struct ifreq *request)
{
	static const int codes[] = {0, 0, 0, EOPNOTSUPP, EINVAL, EPERM, ENODEV, EBUSY};
	struct ethtool_value *value = (void *)request->ifr_data;
	const uint8_t byte = kernel.left ? (uint8_t)*kernel.at : 0;

	kernel.at += kernel.left > 0;
	kernel.left -= kernel.left > 0;
	value->data = byte & 8 ? ETH_FLAG_RXVLAN : 0;
	errno = codes[byte % 8];
	return errno ? -1 : 0;
}

/* Each takes what tells which socket it is, and does not care. */
#define mnl_socket_open2(bus, flags) ((void)(bus), fake_open())
#define mnl_socket_bind(socket, groups, pid) \
	((void)(socket), (void)(groups), fail_at(2, EADDRINUSE))
#define mnl_socket_sendto(socket, request, size) \
	((void)(socket), (void)(request), fail_at(3, ENOBUFS))
#define mnl_socket_recvfrom(socket, buffer, size) ((void)(socket), fake_receive(buffer, size))
#define mnl_socket_close(socket)		  ((void)(socket))
#define mnl_socket_setsockopt(socket, option, value, size) \
	((void)(socket), (void)(value), fail_at(4, ENOPROTOOPT))
#define ioctl(fd, number, request) ((void)(fd), fake_ethtool(request))
/* For their readers of messages. */
#include "user/agent/interfaces.c"
#include "user/kernel/host.c"
#include "user/kernel/host_addresses.c"
#include "user/kernel/rtnetlink.c"

struct visits {
	const struct devices *devices;
	size_t count;
};

static int visit(void *context, size_t device, uint16_t vlan)
{
	struct visits *visits = context;

	DEMAND(device < visits->devices->count && vlan < VLAN_IDS);
	visits->count++;
	return 0;
}

static void walk(const struct listing *listing)
{
	struct devices devices;
	struct visits visits = {.devices = &devices};

	DEMAND(devices_link(listing->list, listing->count, &devices) == 0);
	for (size_t i = 0; i < listing->count; i++) {
		const size_t lower = devices_lower(&devices, i);

		DEMAND(lower == DEVICE_NONE || lower < listing->count);
		devices_height(&devices, i);
		if (devices_judged_elsewhere(&devices, i))
			devices_visit(&devices, i, 0, visit, &visits);
	}
	devices_free(&devices);
}

static void rewind_kernel(const char *buffer, size_t size)
{
	kernel.at = buffer;
	kernel.left = kernel.size = size;
	kernel.calls = 0;
}

static void demand_addresses(const char *buffer, size_t size)
{
	struct prefix *addresses = NULL;
	struct error error = {""};
	int count;

	rewind_kernel(buffer, size);
	count = host_addresses(&addresses, &error);
	if (count < 0) {
		DEMAND(!addresses);
		demand_line(error.text, sizeof(error.text));
	}
	for (int i = 0; i < count; i++) {
		DEMAND(addresses[i].length <= 128);
		DEMAND(!i || prefix_compare(&addresses[i - 1], &addresses[i]) < 0);
	}
	free(addresses);
}

static void ask_kernel(const char *buffer, size_t size)
{
	static const uint32_t known[] = {1, 2, 3, 7, 1000};
	struct host_interface *interfaces = NULL;
	struct error error = {""};
	int count;

	rewind_kernel(buffer, size);
	count = host_interfaces(known, sizeof(known) / sizeof(known[0]), &interfaces, &error);
	if (count < 0) {
		DEMAND(!interfaces);
		demand_line(error.text, sizeof(error.text));
	}
	for (int i = 1; i < count; i++)
		DEMAND(interfaces[i - 1].ifindex < interfaces[i].ifindex);
	free(interfaces);
	demand_addresses(buffer, size);
	rewind_kernel(buffer, size);
	read_messages(&(struct interface_watch){});
	rewind_kernel(buffer, size);
	if (size <= ETHTOOL_INPUT_MAX)
		DEMAND(host_keep_vlan_tags("eth0") <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listing listing = {};
	char *buffer = exact_copy(data, size);
	bool torn = false;

	changes_in(buffer, (ssize_t)size);
	rtnetlink_read(buffer, (ssize_t)size, take_link, &listing, &torn);
	for (size_t i = 0; i < listing.count; i++) {
		const struct host_interface *one = &listing.list[i];

		DEMAND(one->ifindex && one->name[0]);
		DEMAND(strnlen(one->name, sizeof(one->name)) < sizeof(one->name));
	}
	sort_links(&listing);
	for (size_t i = 1; i < listing.count; i++)
		DEMAND(listing.list[i - 1].ifindex < listing.list[i].ifindex);
	walk(&listing);
	ask_kernel(buffer, size);
	free(listing.list);
	free(buffer);
	return 0;
}
