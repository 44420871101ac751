// SPDX-License-Identifier: BSD-2-Clause
/* The kernel's answers about links, and devices stacked in any way, even in circles. */
#include "tests/fuzz/fuzz.h"
/* For their readers of messages. */
#include "user/agent/interfaces.c"
#include "user/kernel/host.c"

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
		if (devices_judged_below(&devices, i))
			devices_visit(&devices, i, 0, visit, &visits);
	}
	devices_free(&devices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listing listing = {};
	char *buffer = exact_copy(data, size);
	bool torn = false;

	is_link_message(buffer, (ssize_t)size);
	read_answers(buffer, (ssize_t)size, &listing, &torn);
	for (size_t i = 0; i < listing.count; i++) {
		const struct host_interface *one = &listing.list[i];

		DEMAND(one->ifindex && one->name[0]);
		DEMAND(strnlen(one->name, sizeof(one->name)) < sizeof(one->name));
	}
	sort_links(&listing);
	for (size_t i = 1; i < listing.count; i++)
		DEMAND(listing.list[i - 1].ifindex < listing.list[i].ifindex);
	walk(&listing);
	free(listing.list);
	free(buffer);
	return 0;
}
