/* SPDX-License-Identifier: BSD-2-Clause */
/* What the bench times: frames, what the filter is set up for, and the programs beside it. */
#ifndef BEAMFENCE_BENCH_CASES_H
#define BEAMFENCE_BENCH_CASES_H

#include "tests/bpf/harness.h"

enum peer_kind { PEERS_HOSTS, PEERS_MIXED };

/* A filter with a policy. Cases share them, because the large ones take a second to fill. */
struct setup {
	enum zone zone;
	enum mode mode;
	uint32_t peers; /* 0: those of the harness */
	bool ipv4;	/* the peers */
	enum peer_kind kind;
	uint32_t interfaces; /* that have a zone; 0: one */
	uint32_t ports;	     /* that are protected; 0: those of the harness */
	enum event_level events;
	uint32_t event_budget;
	bool opened;
	struct harness harness;
};

/* A program that is no part of the filter. */
enum rival { RIVAL_NONE, RIVAL_FLOOR, RIVAL_XDP_FILTER_PORTS, RIVAL_XDP_FILTER_ALL, RIVAL_COUNT };

struct bench_case {
	const char *group;
	const char *name;
	double target_ns; /* over an empty program; 0: none */
	void (*build)(struct test_frame *frame);
	struct setup *setup; /* NULL: a rival's */
	enum reason reason;  /* that the filter must give */
	enum rival rival;
	int action;    /* that the rival must take */
	bool shuffled; /* each frame from another peer */
	int program;   /* to time */
	int base;      /* what it is timed over */
	bool missing;  /* the rival is not installed */
	struct test_frame frame;
	double *samples_ns;
};

extern struct bench_case bench_cases[];
extern const size_t bench_case_count;

/* Loads what the case needs and checks that it does what it is timed for; ends the bench if not. */
void case_open(struct bench_case *bench);

/* File descriptors of programs, or -1 where a rival is not installed. */
int rival_program(enum rival rival);
int empty_program(void);
/* A program that gives each frame one of @sources sources and goes on with @program. */
int shuffled_program(int program, uint32_t sources);

#endif
