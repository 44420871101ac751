/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runtime peers as the text of a file, which outlives the agent and the boot:
 *
 *   {"file":"beamfence runtime peers","version":1,"boot_id":"...","peers":[
 *   {"cluster":"app","prefix":"10.0.1.9/32","comment":"","added":...,"ttl_s":3600,
 *    "expires":...,"ends_boottime_ms":...,"uid":0,"pid":4711},
 *   ...
 *   ]}
 *
 * A peer's end is written by both clocks. In the same boot CLOCK_BOOTTIME counts, which nobody
 * steps and which goes on through a suspend; after a reboot the wall clock does, but a peer never
 * gets more than the time that it was given.
 */
#ifndef BEAMFENCE_PEER_FILE_H
#define BEAMFENCE_PEER_FILE_H

#include <stdio.h>

#include "core/policy.h"

#define RUNTIME_PEERS_MAX  65536
#define PEER_FILE_SIZE_MAX (96u << 20) /* bytes: room for that many, whatever their comments */
#define PEER_FILE_VERSION  1
#define BOOT_ID_SIZE	   37

/* Now, by the clocks that matter here. */
struct moment {
	int64_t wall_s;		    /* seconds since 1970 */
	int64_t boot_ms;	    /* CLOCK_BOOTTIME */
	char boot_id[BOOT_ID_SIZE]; /* "" where it is not known: then no boot is this one */
};

/* The wall clock's seconds since 1970 at the peer's end, rounded up; 0 when it has none. */
int64_t peer_expires_s(const struct runtime_peer *peer, const struct moment *now);

bool peer_is_over(const struct runtime_peer *peer, int64_t boot_ms);

/* Writes those that are not over. Returns 0, -ENOMEM, or -EIO when @out has an error. */
int peer_file_write(FILE *out, const struct runtime_peer *peers, size_t count,
		    const struct moment *now);

/*
 * Reads what peer_file_write() wrote, and leaves out those that are over by now. Returns 0 and a
 * list for the caller to free() in *@peers, NULL when it is empty; -EPROTONOSUPPORT for another
 * version; -EINVAL with what is wrong, for anything else than a whole file of ours; -ENOMEM.
 */
int peer_file_read(const char *text, size_t size, const struct moment *now,
		   struct runtime_peer **peers, size_t *count, struct error *error);

#endif
