/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the listener watch and user space share: listeners, connections to epmd, and what each user
 * has of them. A part of the contract: see contract.h.
 */
#ifndef BEAMFENCE_CONTRACT_WATCH_H
#define BEAMFENCE_CONTRACT_WATCH_H

#include "contract.h"

/*
 * One listening socket, in the hash "listeners" under its kernel address. A socket that finds no
 * room there is counted all the same, so its port is protected; what it counted for is set right
 * when the agent compares counts and sockets.
 */
enum listener_kind { LISTENER_EPMD, LISTENER_AUTOBOUND, LISTENER_FIXED };

/* Where it is reached: at every address of a family, or at one, and then in "bindings". */
#define REACH_IPV4	  1
#define REACH_IPV6	  2
#define REACH_BINDING	  4

#define PROCESS_NAME_SIZE 16 /* TASK_COMM_LEN */
#define LISTENERS_MAX	  32768

struct listener {
	__u64 since_ns;	  /* CLOCK_BOOTTIME, or 0: before the watch began */
	__u8 address[16]; /* bound to; IPv4 mapped; all zero (but for the mapping): any */
	__u32 pid;	  /* thread group */
	__u32 account;	  /* see struct user */
	__u32 inode;	  /* of the socket: one at the same kernel address has another */
	__u32 standing;	  /* enum standing */
	__u16 port;
	__u8 kind; /* enum listener_kind */
	__u8 ipv4;
	__u8 reach;
	__u8 beam;  /* of a BEAM or epmd by its name; else a node by its connection to epmd */
	__u8 heard; /* its state has changed: it is more than a listen(2) that may fail */
	__u8 again; /* the socket listened before */
	char process[PROCESS_NAME_SIZE];
};

/* A process's connection to an epmd of this host, in the hash "registrations". */
struct registration {
	__u64 since_ns;	  /* CLOCK_BOOTTIME, or 0: before the watch began */
	__u8 address[16]; /* of the epmd; IPv4 mapped */
	__u32 pid;
	__u32 account;
	__u16 epmd_port;
	__u8 beam; /* by its name */
	__u8 padding[5];
};

#define REGISTRATIONS_MAX 32768

/* A hint that something changed, in the ring "changes": whoever reads it looks for himself. */
enum change {
	CHANGE_LISTENERS,
	CHANGE_REGISTRATIONS, /* of a BEAM */
	CHANGE_OTHERS,	      /* of another process: it may only ask */
	CHANGE_UNBOUND,	      /* list again: a listener was seen before it was whole */
};

#define CHANGES_SIZE 65536 /* bytes */

/* Those at one address, in the hash "bindings": they protect the port there and nowhere else. */
struct binding_key {
	__u8 address[16]; /* IPv4 mapped */
	__u16 port;
	__u16 padding;
};

struct binding {
	__u32 counts[STANDING_COUNT];
	__u32 account;	 /* whose listener it was made for */
	__u8 cluster[2]; /* by generation, as in cluster_of[] */
	__u8 padding[2];
};

#define BINDINGS_MAX 32768

/* In the hash "claims": a user's listener on this port is a node's. Kept while nobody listens. */
enum claim { CLAIM_NONE, CLAIM_REGISTERED, CLAIM_CMDLINE };

struct claim_key {
	__u32 account; /* see struct user; or ACCOUNT_ANY */
	__u16 port;
	__u16 padding;
};

#define ACCOUNT_ANY	0xffffffffu /* an agent before 0.2 did not remember whose */
#define CLAIMS_MAX	16384
#define USER_CLAIMS_MAX 1024 /* of one account */

/*
 * What one user has of the watch's tables, in the hash "users" under his account: his user ID, and
 * for a process in a user namespace that of the user who made the outermost one, so that whoever
 * has subordinate IDs is still one user. What is past the limits is not followed: it is open, and
 * that is nobody's harm but his own.
 */
struct user {
	__u32 listeners;
	__u32 registrations;
	__u32 bindings; /* made for his listeners; cleared away a while after they are empty */
	__u32 refused;	/* what was past the limits */
	__u32 failed;	/* listen(2)s that failed, of late */
};

/*
 * Of each table a part is kept for system accounts, below this ID, as services have: whoever has
 * many user IDs has those of users.
 */
#define SYSTEM_ACCOUNTS	       1000
#define KEPT_FOR_SYSTEM	       8192

/*
 * A listen(2) that fails protects for as long as it takes, which may be another's port. Past so
 * many of a user's, his listeners are protected when they are listed, milliseconds later. What
 * listened counts for nothing, however briefly it did. Half of them is forgotten at each check.
 */
#define USER_FAILED_MAX	       256
#define FAILED_UNHEARD	       64 /* what one counts for that failed before the state changed */

#define USERS_MAX	       4096
#define USER_LISTENERS_MAX     1024
#define USER_REGISTRATIONS_MAX 1024
#define USER_BINDINGS_MAX      1280

_Static_assert(sizeof(struct binding_key) == 20, "layout of binding_key");
_Static_assert(sizeof(struct binding) == 20, "layout of binding");
_Static_assert(sizeof(struct claim_key) == 8, "layout of claim_key");
_Static_assert(sizeof(struct listener) == 64, "layout of listener");
_Static_assert(sizeof(struct registration) == 40, "layout of registration");

#endif
