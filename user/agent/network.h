/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the agent meets the internet: the metrics over TCP, and questions to epmd and to ports.
 * Either this process does that itself, or a network side without privileges (agent/net_side.h)
 * does it for it: which of the two is nobody's business but this one's.
 */
#ifndef BEAMFENCE_NETWORK_H
#define BEAMFENCE_NETWORK_H

#include <event2/event.h>

#include "core/epmd.h"
#include "core/handshake.h"
#include "daemon/http.h"

#define NETWORK_PROBES_MAX 24  /* under way; less than what a network side takes */
#define NETWORK_WAY_MS	   500 /* that an answer of the network side's may be late */

struct network;
struct network_ask;

struct network_settings {
	const char *socket;   /* for the network side; copied. NULL: this process does it itself */
	http_metrics metrics; /* what is served, as of daemon/http.h */
	http_health health;
	/* What network_problem() says has changed. */
	void (*changed)(void *context);
	/* There is somebody to ask, who was not there, or has not answered, before. */
	void (*can_ask)(void *context);
	void *context;
	unsigned patience_ms; /* that a network side may be away; 0: as of agent/net_side.h */
};

/* The outcome, from the loop: as epmd_answer of daemon/epmd_query.h. */
typedef void (*network_answer)(void *context, uint16_t port, int code,
			       const struct epmd_nodes *nodes);

/* The outcome, from the loop: as dist_answer of daemon/dist_query.h. */
typedef void (*network_probed)(void *context, int code, const struct handshake_answer *answer);

/*
 * Returns 0 or -ENOMEM. A socket that cannot be made is no error, since to fence without a network
 * side beats not to fence: network_problem() says so.
 */
int network_open(struct event_base *base, const struct network_settings *settings,
		 struct network **network, struct error *error);

/*
 * Serves metrics over TCP at the numeric address @host and @port, and nowhere else any more;
 * nowhere where @host is NULL. When this process cannot listen there (errors of http_open())
 * nothing has changed. A network side goes on trying, and meanwhile network_problem() says why.
 */
int network_serve(struct network *network, const char *host, uint16_t port, struct error *error);

/*
 * Asks this host's epmd at @port for its names; arguments, result and what becomes of *@ask are
 * those of epmd_query_start(). -ENOTCONN where there is no network side: see can_ask().
 */
int network_ask(struct network *network, uint16_t port, unsigned timeout_ms, network_answer answer,
		void *context, struct network_ask **ask);

/*
 * Asks whether @port at @address is the Erlang distribution; arguments, result and what becomes of
 * *@ask are those of dist_query_start(). With a network side the answer may take NETWORK_WAY_MS
 * longer than @timeout_ms, of 1 to 60000. -EBUSY where NETWORK_PROBES_MAX are under way, -ENOTCONN
 * as network_ask().
 */
int network_probe(struct network *network, const uint8_t address[static 16], uint16_t port,
		  unsigned timeout_ms, network_probed answered, void *context,
		  struct network_ask **ask);

/* Without an answer; as epmd_query_cancel(). Of either kind. */
void network_ask_cancel(struct network_ask *ask);

/* Why the network side, or this process in its place, does not do its part; text "": it does. */
const struct error *network_problem(const struct network *network);

/* Nothing may be asked by now. NULL is allowed. */
void network_close(struct network *network);

#endif
