/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An agent's judgement over the real watch: processes with listeners and connections to an epmd,
 * and what is said of them. The test itself is the epmd.
 */
#ifndef BEAMFENCE_TEST_JUDGING_H
#define BEAMFENCE_TEST_JUDGING_H

#include <sys/types.h>

#include "tests/bpf/watching.h"
#include "user/agent/nodes.h"

#define PROCESS_PORTS_MAX 4

struct process {
	const char *name;
	/* Where it listens at all IPv4 addresses; 0: no more. A test has a port once. */
	uint16_t ports[PROCESS_PORTS_MAX];
	size_t connections; /* to epmd */
	pid_t pid;	    /* filled in by process_start() */
};

/* An agent that has one cluster, "app", whose nodes are "app@*", and an epmd. */
extern struct agent judge;

void judging_open(void);
void judging_close(void);

/* Starts a process and returns when all of its sockets are there; ends it with all of them. */
void process_start(struct process *process);
void process_end(const struct process *process);

/* Takes in what the watch knows. */
void look(void);

/* What is known of the listener on a port; ends the test where nothing is. */
struct known_listener *known_on(uint16_t port);

/* Has epmd tell of these names, after a look; NULL ends them. */
struct told {
	const char *name;
	uint16_t port;
};

/* A name that epmd told of before any process was connected, or NULL. */
extern const char *early_name;

struct heard hear(const struct told *told);

/* The registrations that there are, for hearings that a test makes up itself. */
struct fence_registration *registrations_now(int *count);
struct heard hear_between(const struct told *told, const struct fence_registration *before,
			  int before_count, const struct fence_registration *now, int now_count);

void answer(uint16_t port, enum handshake_outcome outcome, const char *name);
void fail_to_answer(uint16_t port, int code);

/* So many of the agent's checks without a word of any name. */
void pass_checks(unsigned int count);

#define hear_names(...) hear((const struct told[]){__VA_ARGS__, {NULL, 0}})

#endif
