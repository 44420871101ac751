/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel and its driver say of one interface. Needs no privileges, and not libbpf. */
#ifndef BEAMFENCE_LINK_FACTS_H
#define BEAMFENCE_LINK_FACTS_H

#include <libmnl/libmnl.h>

#include "../bpf/contract.h"
#include "core/native.h"

struct link_facts {
	char name[INTERFACE_NAME_SIZE];
	bool up;
	bool native; /* a program is attached natively */
	uint32_t mtu;
	uint32_t max_mtu;  /* 0: not known */
	uint64_t received; /* frames */
};

/* Reads what changes, over a socket of rtnetlink_open(). Returns 0 or a negative errno. */
int link_facts_read(struct mnl_socket *socket, uint32_t ifindex, struct link_facts *facts);

/*
 * Reads what stays while the interface is there: driver and abilities. What cannot be read is left
 * as not known.
 */
void link_driver_read(const char *name, uint32_t ifindex, struct native_facts *facts);

#endif
