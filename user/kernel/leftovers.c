// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/leftovers.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "kernel/link_facts.h"
#include "kernel/pins.h"
#include "kernel/rtnetlink.h"

#define LINE_SIZE 320

/* A program that takes frames in several buffers is assumed: it makes no difference to those that
 * keep it. */
static bool is_left(struct mnl_socket *socket, uint32_t ifindex, struct link_facts *link,
		    struct native_facts *driver)
{
	*driver = (struct native_facts){.program_takes_buffers = true};
	if (link_facts_read(socket, ifindex, link) || !link->native)
		return false;
	link_driver_read(link->name, ifindex, driver);
	driver->mtu = link->mtu;
	driver->max_mtu = link->max_mtu;
	return native_loses_now(driver);
}

void leftovers_find(const char *pin_dir, void (*tell)(void *context, const char *line),
		    void *context)
{
	_cleanup_(cleanup_rtnetlink) struct mnl_socket *socket = rtnetlink_open();
	_cleanup_(cleanup_closedir) DIR *dir = opendir(pin_dir);
	const size_t length = strlen(PIN_LINK_PREFIX);
	struct dirent *entry;

	while (socket && dir && (entry = readdir(dir))) {
		struct native_facts driver;
		struct link_facts link;
		char line[LINE_SIZE];

		if (strncmp(entry->d_name, PIN_LINK_PREFIX, length) != 0 ||
		    !is_left(socket, (uint32_t)strtoul(entry->d_name + length, NULL, 10), &link,
			     &driver))
			continue;
		snprintf(line, sizeof(line),
			 "%s: its driver (%s) keeps the program at this MTU, and goes on dropping "
			 "frames above %u bytes: set MTU 1500, start beamfenced with \"attach: "
			 "native\", \"beamfence detach\", then set MTU %u again",
			 link.name, driver.driver, native_one_buffer_mtu(driver.page_size),
			 driver.mtu);
		tell(context, line);
	}
}
