/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's end of the network side: the socket of daemon/net_protocol.h.
 *
 * The other end is not trusted: it can at worst lie about what epmd and ports say, which those
 * could as well, or serve no metrics. What it sends is bounded, answers to nothing that was asked
 * are ignored, one that reads nothing of its stream is cut off, and newcomers get their orders no
 * more often than a pause allows.
 */
#ifndef BEAMFENCE_NET_SIDE_H
#define BEAMFENCE_NET_SIDE_H

#include <event2/event.h>
#include <jansson.h>
#include <stdbool.h>

#include "core/epmd.h"
#include "core/handshake.h"
#include "daemon/http.h"
#include "daemon/net_protocol.h"

#define NET_SIDE_GROUP	     "beamfence-net" /* may connect, where there is such a group */
#define NET_SIDE_PATIENCE_MS 60000	     /* so long it may be away before that is a problem */
#define NET_SIDE_PAUSE_MS    300	     /* from one newcomer's orders to the next one's */

struct net_side;

struct net_side_settings {
	const char *path;     /* of the socket; copied */
	http_metrics metrics; /* what the pages say, as of daemon/http.h */
	http_health health;
	/* It has come, and takes orders from now on. */
	void (*came)(void *context);
	/* It has gone: nothing that was ordered is done any more. */
	void (*gone)(void *context);
	/* It has been away for too long; or, after that, is back. */
	void (*missing)(void *context, bool missing);
	/* Listening failed with @problem, or works (NULL). */
	void (*listening)(void *context, uint64_t id, const char *problem);
	/* An answer of epmd, as of daemon/epmd_query.h; maybe one that nobody waits for. */
	void (*names)(void *context, uint64_t id, int code, const struct epmd_nodes *nodes);
	/* An answer of a port, as of daemon/dist_query.h; maybe one that nobody waits for. */
	void (*probed)(void *context, uint64_t id, int code, const struct handshake_answer *answer);
	void *context;
	unsigned patience_ms; /* 0: NET_SIDE_PATIENCE_MS */
};

/*
 * Makes the socket, for NET_SIDE_GROUP where there is such a group and else for the process's own
 * user, and serves on @base. Returns 0 and what net_side_close() ends, or errors as control_open().
 */
int net_side_open(struct event_base *base, const struct net_side_settings *settings,
		  struct net_side **side, struct error *error);

/* Sends an order, and takes it over (NULL: out of memory). Whether it is on its way. */
bool net_side_send(struct net_side *side, json_t *order);

/* NULL is allowed. */
void net_side_close(struct net_side *side);

/*
 * Reads a list of pairs, name and port. A pair that epmd_parse_names() would refuse is left out and
 * counted, as there. Returns 0 with a list for epmd_nodes_free(), -EPROTO or -ENOMEM.
 */
int net_side_parse_names(const json_t *list, struct epmd_nodes *nodes);

/*
 * Reads the arguments of "probed". Returns the code in them: 0 with an answer whose name is
 * acceptable or "", or a negative errno; -EPROTO where they make no sense.
 */
int net_side_parse_probed(const json_t *arguments, struct handshake_answer *answer);

#endif
