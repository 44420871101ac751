/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verdict on a frame that is not plainly somebody else's: facts in, one reason out. Pure.
 *
 * Some facts cost a look-up, so verdict() is asked with them unknown first and names the next one
 * that it needs. A frame is judged the same whichever facts were known from the start.
 */
#ifndef BEAMFENCE_VERDICT_H
#define BEAMFENCE_VERDICT_H

#include "contract.h"
#include "view.h"

enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

/* Who on this host would get a segment that opens no connection. */
enum owner {
	OWNER_UNKNOWN,
	OWNER_NOBODY,	   /* no socket: the stack answers with a reset */
	OWNER_LISTENER,	   /* a listener, or a connection that one accepted */
	OWNER_OUTBOUND,	   /* a connection that the host opened itself */
	OWNER_MASQUERADED, /* another host, by address translation */
};

struct facts {
	enum shape shape;
	enum zone zone;
	bool new_connection; /* SYN without ACK; for SHAPE_TCP */
	enum fact peer; /* the source may reach the port (where the port is unknown: any port) */
	enum owner owner;
};

/* Beside the reasons: what has to be looked up before there is one. */
enum { NEED_PEER = REASON_COUNT, NEED_OWNER };

#define REASON_DROP_BIT(id, name, verdict, text) ((__u32)VERDICT_##verdict << REASON_##id) |
#define REASONS_THAT_DROP			 (REASONS(REASON_DROP_BIT) 0u)

static __always_inline bool reason_drops(__u32 reason)
{
	return REASONS_THAT_DROP >> (reason & (COUNTER_REASONS - 1)) & 1;
}

/*
 * The reason for a frame that is TCP for a protected port, or that could be. Returns an enum
 * reason, NEED_PEER or NEED_OWNER. The table of zones is the architecture's; a SYN without ACK
 * is always a new connection, whatever other flags it carries (Linux: tcp_rcv_state_process()).
 */
static __always_inline __u32 verdict(const struct facts *facts)
{
	const bool client = facts->zone == ZONE_CLIENT;

	if (facts->zone == ZONE_TRUSTED)
		return REASON_TRUSTED;
	if (!client && facts->zone != ZONE_CLUSTER)
		return REASON_NO_ZONE;
	if (!client) {
		if (facts->peer == FACT_UNKNOWN)
			return NEED_PEER;
		if (facts->peer == FACT_YES)
			return REASON_PEER;
	}
	switch (facts->shape) {
	case SHAPE_TCP:
		break;
	case SHAPE_VLAN_TOO_DEEP:
		return REASON_VLAN_TOO_DEEP;
	case SHAPE_HEADERS_TOO_MANY:
		return REASON_HEADERS_TOO_MANY;
	case SHAPE_HEADERS_TRUNCATED:
		return REASON_HEADERS_TRUNCATED;
	default:
		return REASON_TCP_TRUNCATED;
	}
	if (facts->new_connection)
		return client ? REASON_CLIENT_NEW : REASON_STRANGER_NEW;
	switch (facts->owner) {
	case OWNER_UNKNOWN:
		return NEED_OWNER;
	case OWNER_NOBODY:
		return REASON_NO_LISTENER;
	case OWNER_OUTBOUND:
		return REASON_OUTBOUND;
	case OWNER_MASQUERADED:
		return REASON_MASQUERADED;
	default:
		return client ? REASON_CLIENT_SEGMENT : REASON_STRANGER_SEGMENT;
	}
}

#endif
