/* SPDX-License-Identifier: BSD-2-Clause */
/* The interfaces of the network namespace that the process is in. */
#ifndef BEAMFENCE_HOST_H
#define BEAMFENCE_HOST_H

#include "core/plan.h"

/*
 * Lists the host's interfaces, sorted by index. Returns their number, with the list in *@interfaces
 * for the caller to free(), or a negative errno.
 */
int host_interfaces(struct host_interface **interfaces, struct error *error);

/*
 * Makes the interface leave VLAN tags in the frame (ethtool's rxvlan off), so that XDP sees them.
 * Returns 0 when they are now, -EOPNOTSUPP when the driver keeps taking them out, another negative
 * errno when it could not be found out.
 */
int host_keep_vlan_tags(const char *interface);

#endif
