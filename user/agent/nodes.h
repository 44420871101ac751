/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which listeners are nodes', by what epmds say and what the ports themselves answer. Any process
 * may register any name with any port, run an epmd, and call itself a BEAM, so:
 *
 * - A name counts for a listener only if the process that listens there holds a connection to the
 *   epmd that tells of it, and has no more names than connections.
 * - Where it has more, one of them is a lie: that which was there before the process was connected,
 *   or else which one is for the port to say. Until it has,
 *   a process that has no port yet which is known to be its node's has all of them closed.
 * - What is closed is opened on evidence alone: an answer that no node gives, or an answer that
 *   proves nothing while the epmd has named another port, or none, for some checks. Never because
 *   nobody could be asked.
 */
#ifndef BEAMFENCE_NODES_H
#define BEAMFENCE_NODES_H

#include "agent/hearing.h"
#include "core/handshake.h"

struct heard {
	int code;			 /* a negative errno: nothing was taken in */
	size_t doubted;			 /* names too many for a process's connections */
	size_t stray;			 /* names of ports where no registered process listens */
	const struct epmd_node *strange; /* one of them */
};

/* Takes in what an epmd said. */
struct heard nodes_hear(struct agent *agent, const struct hearing *hearing);

/*
 * Lists what processes that are no BEAM by their names, but are connected to the epmd, listen on at
 * ports that it names. Returns 1 when it did, 0 where there is none, or a negative errno.
 */
int nodes_list_others(struct agent *agent, const struct hearing *hearing, struct error *error);

/* Whether the port itself has to be asked. @quiet: nothing more is to be expected of epmd. */
bool node_is_in_doubt(const struct agent *agent, const struct known_listener *listener,
		      const struct fence_registration *rows, int count, bool quiet);

/* Takes in what a port answered; @code and @answer as of network_probed. */
void node_answered(struct agent *agent, struct known_listener *listener, int code,
		   const struct handshake_answer *answer);

/* Whether epmd is still to be asked about a process's listeners: nothing is certain yet. */
bool nodes_are_unsettled(const struct agent *agent, const struct fence_registration *rows,
			 int count);

/*
 * To be called every few seconds: counts for how long no name has spoken for a listener, and says
 * which ports are to be asked again. The rows are all registrations.
 */
void nodes_note_check(struct agent *agent, const struct fence_registration *rows, int count);

#endif
