/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The listeners that the watch found, and what is held of each: whether its port is a node's, why,
 * and which cluster may reach it. Who says so is the business of nodes.h.
 */
#ifndef BEAMFENCE_LISTENERS_H
#define BEAMFENCE_LISTENERS_H

#include "agent/agent.h"

/* Why a listener is taken for a node's, or is not. What comes later in the list is stronger. */
enum evidence {
	EVIDENCE_NONE,
	EVIDENCE_DOUBT,	     /* names that point at it do not fit: closed until it is known */
	EVIDENCE_REMEMBERED, /* its user's listener on this port was a node's before */
	EVIDENCE_REGISTERED, /* its process's connection to epmd can be for no other port */
	EVIDENCE_CMDLINE,    /* the command line of its process names the port */
	EVIDENCE_ANSWERED,   /* it has answered as the distribution does */
	EVIDENCE_REFUTED,    /* it has answered as something else: no name is believed any more */
};

/* A listener, with what was learned about it. Owned by the agent's list. */
struct known_listener {
	uint64_t socket;
	struct listener kernel;
	char process[PROCESS_NAME_SIZE]; /* its name, made printable: any process may choose it */
	int64_t since_s;		 /* seconds since 1970, 0: from before the watch */
	char *node;			 /* its name, without the host; NULL: not known */
	char *said_node;		 /* the name in its command line, or NULL */
	bool says_tls;			 /* its command line has the distribution use TLS */
	enum evidence evidence;
	bool wants_name;	 /* names that point at it do not fit: which is its own? */
	bool probed;		 /* it was asked, and what it said is dealt with */
	unsigned int probe_turn; /* of agent/doubts.h, in which it was asked last */
	bool told;		 /* its node was made known, as an event */
	bool logged;		 /* that it came; see discovery_log.h */
	bool node_logged;
	bool named;	 /* by an epmd, since the last check */
	bool registered; /* an epmd has told its node's name, at any time */
	bool epmd_heard; /* an epmd that its process is connected to has answered since the last
			    check */
	unsigned int unnamed_checks; /* in a row in which it had answered, and no name was there */
	unsigned int checks_since_probe;
	bool seen; /* in the listing that is being read */
};

enum listener_event { LISTENER_CAME, LISTENER_WENT };

typedef void (*listener_report)(void *context, enum listener_event event,
				const struct known_listener *listener);

/*
 * Reads what the watch knows now; each listener that came or went is reported. A new one of a BEAM
 * on a port that its command line names is claimed on the spot. Returns the number of new listeners
 * of nodes, or a negative errno.
 */
int listeners_refresh(struct agent *agent, listener_report report, void *context);

/* Holds a listener for a node's by this evidence, if it is stronger than what there was. */
void listener_take(struct agent *agent, struct known_listener *listener, enum evidence evidence);

/* No longer: it is again what it was found to be. */
void listener_release(struct agent *agent, struct known_listener *listener, enum evidence evidence);

/* Gives it a node's name, and the cluster that takes such names. */
void listener_set_node(struct agent *agent, struct known_listener *listener, const char *node);

struct known_listener *listener_find(const struct agent *agent, uint64_t socket);

/*
 * What the listeners are for a policy that is built from @config. Returns the length of a list for
 * the caller to free(), or a negative errno.
 */
int listeners_assign(const struct agent *agent, const struct config *config,
		     struct policy_listener **assigned);

void listeners_free(struct agent *agent);

/* The name of the contract for why a listener's port is protected, or NULL when it is not. */
const char *listener_source(const struct agent *agent, const struct known_listener *listener);

/* The address that it is bound to ("::" or "0.0.0.0": all). Returns @text. */
const char *listener_address(const struct known_listener *listener,
			     char text[static PREFIX_TEXT_SIZE]);

/* Whether the listener is bound to all addresses of its family; to one at loopback. */
bool listener_is_wildcard(const struct known_listener *listener);
bool listener_is_loopback(const struct known_listener *listener);

/*
 * Whether it has been there for a while. Each call of a product's command line is a node of its own
 * for some seconds, of which nobody needs to hear.
 */
#define LISTENER_STAYS_S 15
bool listener_stays(const struct known_listener *listener);

/* Listeners that an operator should hear about: see status. */
bool listener_is_exposed(const struct agent *agent, const struct known_listener *listener);
bool listener_is_orphan(const struct agent *agent, const struct known_listener *listener);

#endif
