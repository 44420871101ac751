/* SPDX-License-Identifier: BSD-2-Clause */
/* What an epmd said, and what is looked up for each name: who is connected, who listens where. */
#ifndef BEAMFENCE_HEARING_H
#define BEAMFENCE_HEARING_H

#include "agent/listeners.h"
#include "core/epmd.h"

/* What one epmd said, and who was connected to it before it was asked, and is still. */
struct hearing {
	uint16_t epmd_port;
	const struct epmd_nodes *nodes;
	const uint64_t *since_ns; /* when each was named first: see name_memory.h */
	const struct fence_registration *before;
	int before_count;
	const struct fence_registration *now;
	int now_count;
};

/* A process that is connected to the epmd. */
struct registrant {
	uint32_t pid;
	int connections;   /* that it held before the question, and still holds */
	int names;	   /* of its ports */
	int own_names;	   /* of these, those that were not there before it was */
	uint64_t since_ns; /* of its first connection; 0: from before the watch */
	size_t counted;	   /* 1 + the index of the name that was counted last */
	uint16_t settled;  /* a port that is known for its node's; 0: there is none */
	bool more_settled; /* another one is, too */
};

/* Owned by whoever made it, for as long as the agent's list of listeners is as it is. */
struct hearing_index {
	struct registrant *registrants; /* by pid */
	size_t registrant_count;
	int first_on[PORTS];		   /* 1 + the index of a listener, or 0 */
	int *next_on;			   /* by listener: the same for the next one on its port */
	struct registrant **registrant_of; /* by listener: its process; NULL where it is none */
};

/* Returns NULL where there is no memory. */
struct hearing_index *hearing_index_make(const struct agent *agent, const struct hearing *hearing);
void hearing_index_free(struct hearing_index **index);

/* Notes that a port is known for the node's of a process; whether another than @port is. */
void registrant_settle(struct registrant *registrant, uint16_t port);
bool registrant_is_settled_elsewhere(const struct registrant *registrant, uint16_t port);

/* Whether the epmd named it before the process was connected: then it is not its name. */
bool hearing_was_before(const struct hearing *hearing, size_t name,
			const struct registrant *registrant);

/*
 * Whether a connection is a node's: others ask epmd too, and a liar may name what they listen on
 * just then.
 */
bool registration_is_node_s(const struct registration *registration);

#endif
