/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the probes in a world's network stack tell the oracle; shared with probe.bpf.c. */
#ifndef BEAMFENCE_ORACLE_SIGNALS_H
#define BEAMFENCE_ORACLE_SIGNALS_H

#include <linux/types.h>

#define ARRIVAL_HEAD 116

/* The last frame that got past XDP, as the stack has it. */
struct arrival {
	__u32 count;
	__u32 size; /* behind the Ethernet header */
	__u32 protocol;
	__u32 vlan;
	__u32 packet_type; /* for this host, for another, broadcast, multicast */
	__u8 macs[12];
	__u8 head[ARRIVAL_HEAD]; /* from the network header on */
};

/* Where the stack took it. TCP and the rest are counted once headers and fragments are done with.
 */
struct deliveries {
	__u32 listener;	     /* a protected listener's socket, or a connection that one accepted */
	__u32 outbound;	     /* a socket of the host's own connection, from a protected port */
	__u32 outbound_syn;  /* of these, those that open a connection */
	__u32 tcp_protected; /* to TCP, protected port */
	__u32 opening;	     /* of these, those that open a connection */
	__u32 tcp_other;     /* to TCP, another port */
	__u32 other;	     /* to another protocol: UDP, ICMP, VRRP, IGMP */
	__u32 answers;	     /* TCP answered for a protected port where a listener is */
};

struct signals {
	struct arrival arrival;
	struct deliveries deliveries;
	__u8 protected[65536]; /* by port: 0 no, 1 yes, 2 yes and listened on at every address */
};

#endif
