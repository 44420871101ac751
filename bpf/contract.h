/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel side and user space share: zones, modes, map names and the layout of every map
 * value; reasons are in contract_reasons.h. Anything that changes a layout here must raise
 * CONTRACT_VERSION, because an agent adopts the maps that an earlier one left pinned. So it is in
 * contract_watch.h, contract_bystanders.h and contract_events.h, which have what only some need.
 */
#ifndef BEAMFENCE_CONTRACT_H
#define BEAMFENCE_CONTRACT_H

#include <linux/types.h>

#include "contract_reasons.h"

#define CONTRACT_VERSION 6

/* What an interface, or one VLAN on it, faces. NONE: no list names it, it is left alone. */
enum zone { ZONE_NONE, ZONE_CLIENT, ZONE_CLUSTER, ZONE_TRUSTED, ZONE_COUNT };

enum mode { MODE_ENFORCE, MODE_AUDIT, MODE_COUNT };

/* Limits; each is checked where a configuration is turned into a plan. */
#define INTERFACES_MAX	    64	/* that can have the filter */
#define UPPERS_MAX	    63	/* devices above them that are told where their frames come from */
#define PLACES_MAX	    127 /* interfaces and VLANs with a zone, together */
#define BASES_MAX	    129 /* room for old and new interfaces at a time; base 0 is "none" */
#define UPPER_BASES_MAX	    127 /* the same for devices above: numbers from BASES_MAX on */
#define SLOTS_MAX	    256 /* room for old and new places, each in one zone; slot 0 is "none" */
#define CLUSTERS_MAX	    64	/* bits of peer_clusters */
#define CLUSTER_NAME_SIZE   64
#define PREFIX_LENGTHS_MAX  33	       /* distinct prefix lengths per address family */
#define PEERS_MAX	    1000000    /* prefixes */
#define SIEVE_BITS_MIN	    (1u << 16) /* of a policy with few peers */
#define SIEVE_BITS_MAX	    (1u << 23) /* eight for each of PEERS_MAX */
#define ADDRESSES_MAX	    65536      /* prefixes of addresses that are the host's own */
#define VLAN_TAGS_MAX	    4	       /* VLAN tags that are read */
#define VLAN_IDS	    4096
#define PORTS		    65536
#define INTERFACE_RESIDUES  65536 /* base_of[] is indexed by the interface index modulo this */
#define CPU_ROWS	    192	  /* CPUs with a row of their own in untouched[] */
#define COUNTER_REASONS	    32	  /* room for reasons */
#define INTERFACE_NAME_SIZE 16	  /* IFNAMSIZ */

/* cluster_of[]: the index of a cluster, or one of these. */
#define CLUSTER_ANY	    254 /* an EPMD port: a peer of any cluster may reach it */
#define CLUSTER_NOBODY	    255 /* no peer may reach it */

/* A count that grows only. Bytes are whole frames, link-layer header included. */
struct tally {
	__u64 packets;
	__u64 bytes;
};

/*
 * A peer prefix as a hash key: IPv4 is mapped into IPv6 (::ffff:a.b.c.d, length 96 + n). The
 * address is in network byte order with every bit past the length zero. The value is a __u64
 * with bit n set when the prefix is a peer of cluster n.
 */
struct peer_key {
	__u8 address[16];
	__u32 length;
};

/* The prefix lengths in use of one family, longest first, as masks in network byte order. */
struct prefix_mask {
	__u64 high;
	__u64 low;
	__u32 length;
	__u32 padding;
};

struct prefix_lengths {
	__u32 count;
	__u32 padding;
	struct prefix_mask masks[PREFIX_LENGTHS_MAX];
};

/*
 * One for each policy, in the array "sieves": a bit is set for each prefix in the table of peers
 * (see sieve.h), and stays when one is taken out. The policy says how many bits are in use.
 */
struct sieve {
	__u64 words[SIEVE_BITS_MAX / 64];
};

/*
 * A prefix of addresses that are the host's own, as a key of the trie "addresses", mapped and in
 * network byte order as in struct peer_key. The value is a byte without a meaning.
 */
struct address_key {
	__u32 length;
	__u8 address[16];
};

/*
 * What a listener counts for. SURE: it is epmd's, or its port is known to be a node's. AUTOBOUND: a
 * BEAM listens on a port that the kernel chose. FIXED: on one of its own choice, which may be for
 * clients. GONE: it is counted no more.
 */
enum standing { STANDING_SURE, STANDING_AUTOBOUND, STANDING_FIXED, STANDING_COUNT, STANDING_GONE };

/*
 * The listeners on one port that are reached at every address of a family, by standing: those for
 * IPv4 in the low sixteen bits, those for IPv6 in the high ones. Counted up before a socket can
 * answer its first SYN, and down when it leaves LISTEN, by the listener watch alone.
 */
struct port_listeners {
	__u32 counts[STANDING_COUNT];
};

#define COUNT_IPV4 0x00001u
#define COUNT_IPV6 0x10000u

/* What users that are no system accounts have of the watch's tables together. */
struct others {
	__u32 listeners;
	__u32 registrations;
	__u32 bindings;
	__u32 padding;
};

/*
 * One whole policy. Two stand side by side: the filter reads the one that tables.generation
 * names, once for each frame, while the agent builds the next in the other.
 */
struct policy_tables {
	__u64 configured[PORTS / 64]; /* bit set: protected by configuration */
	__u64 exempt[PORTS / 64];     /* bit set: not protected unless configured */
	/* By family, IPv4 first. CLUSTER_NOBODY where nothing else is known. */
	__u8 cluster_of[2][PORTS];
	__u8 slot_of[BASES_MAX][VLAN_IDS]; /* [base][VLAN, 0 for untagged] → slot */
	/* A device above others (VLAN device, bond, …): the slot where its frames are judged. */
	__u8 upper_slot_of[UPPER_BASES_MAX];
	struct prefix_lengths ipv4_lengths; /* lengths 96..128: of the mapped address */
	struct prefix_lengths ipv6_lengths;
	__u32 mode; /* enum mode */
	__u32 protect_autobound;
	__u32 protect_fixed;
	__u32 sieve_shift;				     /* see sieve_bit() */
	char cluster_names[CLUSTERS_MAX][CLUSTER_NAME_SIZE]; /* for the next agent */
};

/* What a slot counts for: written once when it is given out, read by user space and the filter. */
struct slot {
	__u32 ifindex;
	__u16 vlan; /* 0: the interface itself */
	__u8 zone;  /* enum zone */
	__u8 used;
	__u32 reattached; /* times that the filter had to be put back; of the interface itself */
	char interface[INTERFACE_NAME_SIZE]; /* without the VLAN */
	__u8 gated;	   /* its frames cannot be read: the gate alone judges them */
	__u8 held;	   /* it keeps the zone that it had by another name of a device */
	__u16 config_mark; /* of the configuration that gave it out, or took it over; 0: not known
			    */
};

/*
 * Where an agent with another layout finds what it carries over: offsets and sizes in bytes. New
 * versions may move and grow all of it; struct slot, struct tally and this may only grow at their
 * end.
 */
#define LAYOUT_MAGIC 0x6e636662u /* "bfcn" */

struct layout {
	__u32 magic;
	__u32 size;  /* of struct tables */
	__u32 slots; /* [slot_count] */
	__u32 slot_size;
	__u32 slot_count;
	__u32 untouched; /* [untouched_rows][slot_count][untouched_reasons] of struct tally */
	__u32 untouched_rows;
	__u32 untouched_reasons;
	__u32 carried;	     /* [slot_count][counter_modes][counter_reasons] of struct tally */
	__u32 counter_modes; /* the index of the map "counters" is built in the same way */
	__u32 counter_reasons;
	__u32 claimed; /* [PORTS] bytes */
	__u32 policy;  /* [2] */
	__u32 policy_size;
	__u32 cluster_of;    /* in a policy: [PORTS] bytes, for IPv4 where families are apart */
	__u32 cluster_names; /* in a policy: [CLUSTERS_MAX][CLUSTER_NAME_SIZE] */
	__u32 complete;	     /* 1: nothing is left to be carried over into these tables */
};

/* What is of the host, whichever policy is in force: its interfaces and what was counted. */
struct host_tables {
	__u8 base_of[INTERFACE_RESIDUES];
	__u32 index_of[BASES_MAX + UPPER_BASES_MAX]; /* base → interface index; 0: free */
	/*
	 * CLOCK_MONOTONIC: until then the trie "addresses" has all that is the host's own. The
	 * agent sets it while it looks; past it any address may be the host's.
	 */
	__u64 addresses_until_ns;
	struct slot slots[SLOTS_MAX];
	struct others others;	   /* of the watch's tables */
	__u64 changes_begun;	   /* of counts and of who is counted: equal when */
	__u64 changes_done;	   /* none is under way */
	__u64 listeners_untracked; /* that found no room in the map "listeners" */
	__u64 listeners_refused;   /* past a user's limit; registrations too */
	__u64 listens_heard;	   /* by the hook that is never skipped, where there is one */
	__u64 changes_lost;	   /* that found no room in the ring "changes" */
	__u64 watch_missed; /* events that the kernel kept from the watch; written by user space */
	/*
	 * The short path's counters: a row for each CPU, and a last row that CPUs past CPU_ROWS
	 * share with atomic adds. Indexed by reason, which is below REASON_UNTOUCHED_COUNT.
	 */
	struct tally untouched[CPU_ROWS + 1][SLOTS_MAX][REASON_UNTOUCHED_COUNT];
	/* What was counted in tables of another layout. User space alone writes and reads it. */
	struct tally carried[SLOTS_MAX][MODE_COUNT][COUNTER_REASONS];
};

/* What is of one network namespace: who listens there. */
struct namespace_tables {
	/*
	 * By generation. Bit set: look closer, the port may be protected. The short path reads only
	 * this. The watch sets bits, in both, and never clears one; building a policy does.
	 */
	__u64 suspects[2][PORTS / 64];
	struct port_listeners listeners[PORTS];
	__u8 claimed[PORTS];	      /* 1: the hash "claims" may have some for this port */
	__u64 bound[PORTS / 64];      /* bit set: the hash "bindings" may have some */
	__u64 epmd_ports[PORTS / 64]; /* bit set: an epmd listens there, or did */
	/* Of processes that are no BEAM by their name, list_listeners() takes what is on these. */
	__u64 listed_ports[PORTS / 64];
};

/* Everything that the filter reads or counts without a map look-up: its .bss, pinned as "tables".
 */
struct tables {
	__u32 version;	  /* CONTRACT_VERSION */
	__u32 generation; /* 0 or 1: the policy in force */
	struct layout layout;
	struct policy_tables policy[2];
	struct host_tables host;
	struct namespace_tables here; /* of the network namespace that is fenced */
};

/* Index of the per-CPU array "counters": all other reasons, apart for each mode. */
#define COUNTERS_MAX (SLOTS_MAX * MODE_COUNT * COUNTER_REASONS)
#define COUNTER_INDEX(slot, mode, reason) \
	(((slot)*MODE_COUNT + (mode)) * COUNTER_REASONS + (reason))

/* What a program loaded to explain leaves behind instead of counting. */
struct explanation {
	__u32 reason;  /* enum reason */
	__u32 verdict; /* enum verdict: what was done, so PASS for every frame in audit mode */
	__u32 slot;
	__u32 cluster; /* as in cluster_of[]; CLUSTER_NOBODY also where no protected port is hit */
	__u32 aside;   /* asked: 1 for what the policy would say that is not in force, else 0 */
};

_Static_assert(sizeof(struct tally) == 16, "layout of tally");
_Static_assert(sizeof(struct peer_key) == 20, "layout of peer_key");
_Static_assert(sizeof(struct address_key) == 20, "layout of address_key");
_Static_assert(sizeof(struct prefix_mask) == 24, "layout of prefix_mask");
_Static_assert(sizeof(struct prefix_lengths) == 8 + 24 * PREFIX_LENGTHS_MAX, "prefix_lengths");
_Static_assert(sizeof(struct slot) == 32, "layout of slot");
_Static_assert(sizeof(struct layout) == 68, "layout of layout");
_Static_assert(sizeof(struct port_listeners) == 12, "layout of port_listeners");
_Static_assert(sizeof(struct namespace_tables) <= 1 << 20, "a namespace more costs 1 MiB at most");
_Static_assert(sizeof(struct tables) <= 4 << 20, "a value that kernels before 6.0 take: 4 MiB");
_Static_assert(REASON_COUNT <= COUNTER_REASONS, "reasons fit their counters");
_Static_assert(BASES_MAX > 2 * INTERFACES_MAX && SLOTS_MAX > 2 * PLACES_MAX, "old and new fit");
_Static_assert(UPPER_BASES_MAX >= 2 * UPPERS_MAX, "old and new fit");
_Static_assert(SLOTS_MAX <= 256 && BASES_MAX + UPPER_BASES_MAX <= 256, "they fit a byte");

#endif
