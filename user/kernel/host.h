/* SPDX-License-Identifier: BSD-2-Clause */
/* The interfaces of the network namespace that the process is in. */
#ifndef BEAMFENCE_HOST_H
#define BEAMFENCE_HOST_H

#include "../bpf/contract.h"
#include "core/address.h"
#include "core/device.h"
#include "core/error.h"

struct mnl_socket;

/*
 * Lists the host's interfaces, sorted by index. The indexes of @known are looked for one by one
 * where so much changes meanwhile that the kernel cannot give a list in one piece: none of them is
 * missing from the result that is still there.
 * Returns their number, with the list in *@interfaces for the caller to free(), or a negative
 * errno.
 */
int host_interfaces(const uint32_t *known, size_t known_count, struct host_interface **interfaces,
		    struct error *error);

/*
 * Lists what the host's TCP stack takes for its own: its addresses, prefixes that are routed to
 * itself in any table, broadcast and multicast. Sorted by prefix_compare(), each once. Returns
 * their number, with the list in *@addresses for the caller to free(), or a negative errno.
 */
int host_addresses(struct prefix **addresses, struct error *error);

/* An established TCP connection of this host's own sockets. */
struct host_connection {
	struct prefix local; /* of full length; IPv4 also where the socket is of IPv6 */
	struct prefix remote;
	uint16_t local_port;
	uint16_t remote_port;
	uint32_t device; /* index of the one that the socket is bound to; 0: none */
};

#define HOST_CONNECTIONS_MAX 65536

/*
 * Lists the established connections whose local port is among @ports (a bit each), at most
 * HOST_CONNECTIONS_MAX: *@more says that there are others. The kernel leaves out those of other
 * ports; without @within those of loopback, and of an address with itself, are left out too.
 * Returns their number, with the list in *@connections for the caller to free(), or a negative
 * errno.
 */
int host_connections(const uint64_t ports[static PORTS / 64], bool within,
		     struct host_connection **connections, bool *more, struct error *error);

/*
 * The index of the device by which the host's own segments of a connection leave, and those of the
 * other side most likely arrive; 0 where no route leads there. @socket: of rtnetlink_open().
 */
uint32_t host_route(struct mnl_socket *socket, const struct host_connection *connection);

/*
 * Makes the interface leave VLAN tags in the frame (ethtool's rxvlan off), so that XDP sees them.
 * For interfaces that host_interfaces() does not say hide them in any case.
 * Returns 0 when they are now, -EOPNOTSUPP when the driver keeps taking them out, another negative
 * errno when it could not be found out.
 */
int host_keep_vlan_tags(const char *interface);

#endif
