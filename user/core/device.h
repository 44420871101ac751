/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's devices and how they are stacked: where the frames of a VLAN device, a bond or a VRF
 * can be judged. Pure: what the kernel says of them is read by kernel/host.c.
 */
#ifndef BEAMFENCE_DEVICE_H
#define BEAMFENCE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/contract.h"

enum device_kind {
	DEVICE_PLAIN,  /* NIC, veth, tun, ...; with a lower one: macvlan, ipvlan */
	DEVICE_VLAN,   /* gets the frames of one VLAN on its lower device */
	DEVICE_BOND,   /* bond or team: gets all frames of its members */
	DEVICE_BRIDGE, /* gets those frames of its ports that are for the host */
	DEVICE_VRF,    /* gets what its ports hand to IP: nothing passes through it as a frame */
	/*
	 * Gets, without its outer tag, every frame that its ports let into the host, and may have
	 * frames of its own: net_failover, and netvsc of Hyper-V above a NIC of the machine's.
	 */
	DEVICE_FAILOVER,
};

/* An interface of the host, as the kernel reports it. */
struct host_interface {
	char name[INTERFACE_NAME_SIZE];
	uint32_t ifindex;
	uint32_t lower;	 /* index of the device that it stands on; 0: none in this namespace */
	uint32_t master; /* index of the bond, bridge, ... that it belongs to; 0: none */
	enum device_kind kind;
	uint16_t vlan;	  /* of a VLAN device: its ID */
	uint32_t program; /* the XDP program on it by its number, when this was read; 0: none */
	bool loopback;
	bool ethernet;	  /* frames start with an Ethernet header; false: with the IP header */
	bool unreadable;  /* frames start with something else: the filter could not read them */
	bool tags_hidden; /* the outer VLAN tag is taken out of frames before they can be judged */
	bool kindless;	  /* a driver's own, of no kind that rtnetlink makes */
	/* A program in the driver may not see all of its frames: they come from below. */
	bool generic_only;
};

/* A list of devices with its links resolved. Positions are indexes of @list. */
struct devices {
	const struct host_interface *list;
	size_t count;
	struct device_links *links;
};

#define DEVICE_NONE SIZE_MAX

/*
 * Tells failover masters, which the kernel does not: a device of a driver's own that has ports.
 * @list must be sorted by index.
 */
void devices_find_failovers(struct host_interface *list, size_t count);

/* @list must be sorted by index and outlive the result. 0 or -ENOMEM; devices_free() is due. */
int devices_link(const struct host_interface *list, size_t count, struct devices *devices);
void devices_free(struct devices *devices);

/* Positions of neighbours, or DEVICE_NONE. */
size_t devices_lower(const struct devices *devices, size_t device);
size_t devices_first_port(const struct devices *devices, size_t device);
size_t devices_next_port(const struct devices *devices, size_t port);

/* How many devices there are below at most: what is attached in this order does not collide. */
unsigned devices_height(const struct devices *devices, size_t device);

/*
 * Whether the frames of @device are judged on other devices: those of VLAN devices (there the
 * filter sees the tag), bonds and VRFs below, those of a failover master's ports on the master,
 * which gets them all. A VLAN device below which tags are not seen, or whose lower device is in
 * another namespace, is judged by itself.
 */
bool devices_judged_elsewhere(const struct devices *devices, size_t device);

/*
 * Calls @visit for each place at which frames of @device are judged: a device and the VLAN that
 * they have there (@vlan where they have no other; of stacked VLANs the outermost). Ends with the
 * first result that is not 0, and returns it.
 */
int devices_visit(const struct devices *devices, size_t device, uint16_t vlan,
		  int (*visit)(void *context, size_t device, uint16_t vlan), void *context);

#endif
