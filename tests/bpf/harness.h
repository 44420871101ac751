/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The real program, loaded, with a policy written straight into its tables; frames go through it
 * with BPF_PROG_TEST_RUN as if they came in on the loopback device of a fresh network namespace.
 */
#ifndef BEAMFENCE_TEST_HARNESS_H
#define BEAMFENCE_TEST_HARNESS_H

#include "tests/bpf/frames.h"
#include "user/core/address.h"
#include "user/kernel/internal.h"

#define EPMD_PORT      4369
#define CLUSTER_0_PORT 9100 /* to 9109 */
#define CLUSTER_1_PORT 25672
#define NOBODY_PORT    9999 /* protected, in no cluster */
#define OPEN_PORT      443

struct harness {
	struct filter *live;	   /* counts */
	struct filter *explaining; /* tells the reason */
	struct tables *tables;
	struct sieve *sieves; /* [2]; the first one is in use */
	bool ethernet;
	bool multi_buffer; /* frames in several buffers are read */
	uint32_t ifindex;
	size_t near;		      /* where the first buffer of each frame ends; 0: as usual */
	struct event_row *event_rows; /* a CPU each; NULL before harness_events() */
	struct ring_buffer *events;
};

struct outcome {
	int action; /* XDP_PASS or XDP_DROP, of the program that counts */
	enum reason reason;
	uint32_t slot;
	uint8_t cluster;
};

/*
 * Loads, with what the kernel has of the features, and sets up the policy above, zone client,
 * enforcing; ends the test when it cannot.
 */
void harness_open(struct harness *harness, bool ethernet);
void harness_open_with(struct harness *harness, bool ethernet, bool multi_buffer, bool conntrack);
void harness_close(struct harness *harness);

/* The slots are fixed: 1 for the interface itself, then one for each VLAN in order of the calls. */
void harness_zone(struct harness *harness, enum zone zone);
void harness_vlan(struct harness *harness, uint16_t vlan, enum zone zone);
void harness_mode(struct harness *harness, enum mode mode);
void harness_protect(struct harness *harness, uint16_t port, uint8_t cluster);
void harness_peer(struct harness *harness, const char *prefix, uint64_t clusters);
/* @count hosts 10.x.y.z, or fd00::/16 addresses, as peers of cluster 0, in a table of their own. */
void harness_many_peers(struct harness *harness, uint32_t count, bool ipv4);
/* Any prefixes of one family as peers of cluster 0, instead of all others; bits past a length go.
 */
void harness_peers(struct harness *harness, struct prefix *prefixes, uint32_t count);
/* Adds one, or takes it away where there are no @clusters; its length has to be in the policy. */
void harness_peer_key(const struct harness *harness, const struct peer_key *key, uint64_t clusters);
/* These and no other peers; the lengths in the policy are the caller's business. */
void harness_peer_table(struct harness *harness, const struct peer_key *keys,
			const uint64_t *clusters, uint32_t count);

/* The host's own, beside those there are; and until when (CLOCK_MONOTONIC) they are all. */
void harness_address(struct harness *harness, const char *prefix);
void harness_addresses_until(struct harness *harness, uint64_t ns);

/* Events: @interval in jiffies between those of a source, @budget in an hour on each CPU. */
void harness_events(struct harness *harness, enum event_level level, uint32_t interval,
		    uint32_t budget);
/* This CPU's row, and the next event that waits, which @event is given; false: none does. */
struct event_row *harness_event_row(const struct harness *harness);
bool harness_event(struct harness *harness, struct event *event);

/* Runs the frame through both programs, which must agree. */
struct outcome harness_run(struct harness *harness, const struct test_frame *frame);

/* Whether this kernel lets harness.near be set, to 14 bytes or more: Linux 6.18 and later do. */
bool harness_cuts_buffers(const struct harness *harness);

/* What a program does with one frame. */
int harness_action(const struct harness *harness, int program, const struct test_frame *frame);

/*
 * Nanoseconds of CPU time a run, of one program over one frame. The kernel's own figure has no
 * fractions; by this one some microseconds of every call are divided by @repeat.
 */
double harness_time(const struct harness *harness, int program, const struct test_frame *frame,
		    uint32_t repeat);

/* Frames and bytes counted under a reason, all CPUs together. */
struct tally harness_count(const struct harness *harness, uint32_t slot, enum mode mode,
			   enum reason reason);

#endif
