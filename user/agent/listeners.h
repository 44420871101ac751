/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the agent makes of the listeners that the watch found: which of a BEAM's are the
 * distribution's, which node they belong to, and which cluster may reach them.
 */
#ifndef BEAMFENCE_LISTENERS_H
#define BEAMFENCE_LISTENERS_H

#include "agent/agent.h"
#include "core/epmd.h"

/* A listener, with what was learned about it. Owned by the agent's list. */
struct known_listener {
	uint64_t socket;
	struct listener kernel;
	char process[PROCESS_NAME_SIZE]; /* its name, made printable: any process may choose it */
	int64_t since_s;		 /* seconds since 1970, 0: from before the watch */
	char *node;			 /* as registered with epmd; NULL: not known */
	bool confirmed;			 /* its claim was seen to hold for this very socket */
	bool seen;			 /* in the listing that is being read */
};

enum listener_event { LISTENER_CAME, LISTENER_WENT };

typedef void (*listener_report)(void *context, enum listener_event event,
				const struct known_listener *listener);

/*
 * Reads what the watch knows now; each listener that came or went is reported. A new one of a BEAM
 * on a port that its command line names is claimed on the spot. Returns the number of new listeners
 * of BEAMs, or a negative errno.
 */
int listeners_refresh(struct agent *agent, listener_report report, void *context);

/*
 * Takes in what the epmd on @epmd_port says. A registration counts when a BEAM listens on its port
 * and that process holds a connection to this epmd for each name that points at it, before the
 * question (@before) and still: other processes' claims on a BEAM's port make one name too many,
 * and then only names that were known before stay. Returns the number of names that were refused.
 */
int listeners_name(struct agent *agent, uint16_t epmd_port, const struct epmd_nodes *nodes,
		   const struct fence_registration *before, int before_count);

/* Withdraws claims that were kept for a port, but not confirmed for who listens on it now. */
void listeners_withdraw(struct agent *agent);

/* Writes the clusters of discovered ports into a policy that is being built from @config. */
void listeners_assign(const struct agent *agent, const struct config *config,
		      struct policy *policy);

void listeners_free(struct agent *agent);

/* The name of the contract for why a listener's port is protected, or NULL when it is not. */
const char *listener_source(const struct agent *agent, const struct known_listener *listener);

/* The address that it is bound to ("::" or "0.0.0.0": all). Returns @text. */
const char *listener_address(const struct known_listener *listener,
			     char text[static PREFIX_TEXT_SIZE]);

/* Whether the listener is bound to all addresses of its family. */
bool listener_is_wildcard(const struct known_listener *listener);

/* Listeners that an operator should hear about: see status. */
bool listener_is_exposed(const struct agent *agent, const struct known_listener *listener);
bool listener_is_orphan(const struct agent *agent, const struct known_listener *listener);

#endif
