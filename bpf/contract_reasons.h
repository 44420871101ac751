/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Why a frame got its verdict. A part of the contract: see contract.h. */
#ifndef BEAMFENCE_CONTRACT_REASONS_H
#define BEAMFENCE_CONTRACT_REASONS_H

enum verdict { VERDICT_PASS, VERDICT_DROP };

/*
 * One name for each way to a verdict: identifier, name, verdict, and what an operator is told.
 * The first REASON_UNTOUCHED_COUNT are those of the short path (see struct host_tables.untouched).
 * Names are part of the outward contract (metrics, explain): add at the end, never rename.
 */
#define REASONS(X)                                                                                \
	X(NOT_TCP, "not-tcp", PASS, "not a TCP segment")                                          \
	X(OTHER_PORT, "other-port", PASS, "TCP to a port that is not protected")                  \
	X(LATER_FRAGMENT, "later-fragment", PASS,                                                 \
	  "a later fragment: useless without its first one, which was judged")                    \
	X(NO_ZONE, "no-zone", PASS, "the interface or VLAN belongs to no zone")                   \
	X(TRUSTED, "trusted", PASS, "protected port, but the interface is trusted")               \
	X(PEER, "peer", PASS, "protected port, from a peer of its cluster")                       \
	X(OUTBOUND, "outbound", PASS, "belongs to a connection that this host opened")            \
	X(MASQUERADED, "masqueraded", PASS,                                                       \
	  "belongs to a connection that this host translates for others")                         \
	X(NO_LISTENER, "no-listener", PASS, "no local listener or connection would get it")       \
	X(CLIENT_NEW, "client-new", DROP, "new connection to a protected port, client interface") \
	X(CLIENT_SEGMENT, "client-segment", DROP,                                                 \
	  "segment for a protected listener or its connection, client interface")                 \
	X(STRANGER_NEW, "stranger-new", DROP,                                                     \
	  "new connection to a protected port from an address that is no peer of its cluster")    \
	X(STRANGER_SEGMENT, "stranger-segment", DROP,                                             \
	  "segment for a protected listener or its connection from an address that is no peer")   \
	X(VLAN_TOO_DEEP, "vlan-too-deep", DROP,                                                   \
	  "more VLAN tags than are read: could be TCP for a protected port")                      \
	X(HEADERS_TOO_MANY, "headers-too-many", DROP,                                             \
	  "more extension headers than are read: could be TCP for a protected port")              \
	X(HEADERS_TRUNCATED, "headers-truncated", DROP,                                           \
	  "ends within its IP headers: could be TCP for a protected port")                        \
	X(TCP_TRUNCATED, "tcp-truncated", DROP,                                                   \
	  "TCP header too short to tell ports and flags: could be for a protected port")          \
	X(GATE, "gate", DROP,                                                                     \
	  "new connection stopped in the TCP stack: when the filter saw it, its port was "        \
	  "another or not yet protected")

enum reason {
#define REASON_ENUMERATOR(id, name, verdict, text) REASON_##id,
	REASONS(REASON_ENUMERATOR)
#undef REASON_ENUMERATOR
		REASON_COUNT,
};

#define REASON_UNTOUCHED_COUNT 2 /* REASON_NOT_TCP and REASON_OTHER_PORT */

/*
 * Counters that an earlier agent left are indexed by these numbers, and adopted with what is in
 * them: a number stays what it is, and a new reason takes the next.
 */
#define REASON_IS(id, number)  _Static_assert(REASON_##id == (number), "adopted counters")
REASON_IS(NOT_TCP, 0);
REASON_IS(OTHER_PORT, 1);
REASON_IS(LATER_FRAGMENT, 2);
REASON_IS(NO_ZONE, 3);
REASON_IS(TRUSTED, 4);
REASON_IS(PEER, 5);
REASON_IS(OUTBOUND, 6);
REASON_IS(MASQUERADED, 7);
REASON_IS(NO_LISTENER, 8);
REASON_IS(CLIENT_NEW, 9);
REASON_IS(CLIENT_SEGMENT, 10);
REASON_IS(STRANGER_NEW, 11);
REASON_IS(STRANGER_SEGMENT, 12);
REASON_IS(VLAN_TOO_DEEP, 13);
REASON_IS(HEADERS_TOO_MANY, 14);
REASON_IS(HEADERS_TRUNCATED, 15);
REASON_IS(TCP_TRUNCATED, 16);
REASON_IS(GATE, 17);
#undef REASON_IS
_Static_assert(REASON_COUNT == REASON_GATE + 1, "the last one has its number above");

#endif
