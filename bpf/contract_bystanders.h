/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Listeners that the watch does not follow, and that an operator should hear of. A listing writes a
 * row for each process that has such a socket; none is kept in the kernel.
 */
#ifndef BEAMFENCE_CONTRACT_BYSTANDERS_H
#define BEAMFENCE_CONTRACT_BYSTANDERS_H

#include "contract_watch.h"

#define HOST_NAME_SIZE 64

struct bystander {
	__u64 socket;
	__u32 pid;     /* thread group */
	__u32 account; /* see struct user */
	/*
	 * Of a BEAM or epmd: the network namespace, another than the one that is fenced. 0: it is
	 * in that one, listens on a port that the configuration protects, and is neither.
	 */
	__u32 namespace;
	__u16 port;
	__u8 padding[2];
	char process[PROCESS_NAME_SIZE];
	char host[HOST_NAME_SIZE]; /* what its UTS namespace is called */
};

_Static_assert(sizeof(struct bystander) == 104, "layout of bystander");

#endif
