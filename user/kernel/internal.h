/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of user/kernel share among themselves. */
#ifndef BEAMFENCE_KERNEL_INTERNAL_H
#define BEAMFENCE_KERNEL_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "../bpf/contract.h"
/* The skeleton takes these types for known. */
#include "filter_xdp.skel.h"
#include "listeners.skel.h"

#include "core/native.h"
#include "core/observation.h"
#include "kernel/fence.h"
#include "kernel/maps.h"
#include "kernel/refusal.h"

#define ALL_BASES (BASES_MAX + UPPER_BASES_MAX)

/*
 * One device that has a base, which is its index in bases[]: from 1 on interfaces with the filter,
 * from BASES_MAX on devices above them, and interfaces whose frames cannot be read: for the gate.
 */
struct base {
	uint32_t ifindex; /* 0: free */
	char name[INTERFACE_NAME_SIZE];
	int link_fd; /* -1: not attached */
	enum attach_mode mode;
	bool ethernet;
	bool tags_hidden;  /* the driver takes VLAN tags out of frames and will not leave them in */
	bool generic_only; /* see struct host_interface */
	bool current;	   /* the link runs the program that this process loaded */
	bool wanted;	   /* in the plan that is being applied */
	bool lost;	   /* the filter was on it and is not, for no reason of ours */
	bool restored;	   /* it was put back, and nobody was told yet */
	struct plan_place below; /* of a device above others: where its frames are judged */
	struct refusal refusal;	 /* while attached in generic mode: why not natively */
	uint32_t seen_program;	 /* on it when the plan was made; 0: none */
	struct native_facts facts;
	struct observation seen;  /* of frames received and counted */
	enum native_risk avoided; /* by attaching in generic mode */
	bool to_refresh;	  /* at the next fence_apply(): the driver is to take it anew */
	int refresh_code;	  /* what the driver said to that last; 0: it took it */
	bool to_generic;	  /* at the next fence_apply(): natively the program is not run */
};

/* The filter's code over the same policy, run on demand: it counts nothing, and leaves behind why.
 */
struct explaining {
	int programs[2];		 /* for the IP header first, Ethernet; -1: not loaded */
	struct explanation *explanation; /* shared memory with the kernel; NULL: not loaded */
};

#define EXPLAINING_NONE ((struct explaining){.programs = {-1, -1}})

struct fence {
	char *pin_dir;
	int lock_fd; /* the pin directory, locked */
	enum fence_start start;
	bool succeeding; /* these maps are pinned under "-next" names until fence_succeed() */
	struct predecessor
		*predecessor; /* while succeeding, where there is something to carry over */
	struct fence_features features;
	size_t choice;	       /* of features.c; 0: programs with all that there is */
	int refused_code;      /* what the kernel said to those, where it is not 0 */
	int gate_code;	       /* the same of the gate */
	bool conntrack_loaded; /* its module was when they were tried */
	struct filter *live;   /* attached */
	struct explaining explaining;
	struct listeners *watch; /* NULL: not watching */
	struct ring_buffer *changes;
	struct ring_buffer *events;
	fence_event_report report_event;
	void *report_context;
	bool events_adopted;	  /* ring and rows are an earlier agent's */
	uint64_t events_lost;	  /* as known last */
	unsigned int event_batch; /* events that may still be reported in this call */
	uint32_t pending_changes; /* bits 1 << enum change, not yet asked for */
	uint64_t changes_lost;	  /* of tables->host.changes_lost, those that were seen */
	uint64_t watch_missed;	  /* by the programs that this process loaded */
	struct stale *stale;	  /* at the last check; see recount.c */
	size_t stale_count;
	struct bystanders *bystanders; /* of the last listing, or NULL; see bystanders.c */
	uint64_t
		checked_at; /* tables->host.changes_begun at the last check that was no quick one */
	unsigned int checks_skipped;
	uint64_t untracked_listed; /* of tables->host.listeners_untracked, those that were listed
				      since */
	struct tables *tables;	   /* of all; shared memory with the kernel */
	struct base bases[ALL_BASES];
	struct interface_state *states;
	size_t state_count;
	bool states_changed;	/* by the last fence_apply() */
	char pins_problem[512]; /* why what is in force is not pinned, or "" */
	uint32_t programs[2];	/* ids of the loaded programs: for the IP header first, Ethernet */
	uint16_t config_mark;	/* of the plan whose slots are looked for */
	bool slot_placed[SLOTS_MAX]; /* by the last plan: it counts for an interface that is there
				      */
	uint64_t slot_gone_ms[SLOTS_MAX]; /* CLOCK_MONOTONIC, since when not; 0: it is there */
	struct prefix *addresses;	  /* in the trie, sorted; NULL: not read, or not known */
	size_t address_count;
	int peers_fd;	   /* the peers of the policy in force; -1 before the first fence_apply() */
	int next_peers_fd; /* of the policy that is being built, or -1 */
	int possible_cpus;
};

/*
 * spare.c: lets go of the pages of what a loaded skeleton leaves in memory and nobody uses: the
 * object file that it came from, and one more mapping of the tables.
 */
void fence_spare_skeleton(const struct bpf_object_skeleton *skeleton, void *tables);

/*
 * The rows of tables->host.untouched that are of CPUs which this machine cannot have: lets go of
 * their pages, 1.5 MiB with two CPUs. From then on no row may be touched that is not there.
 */
void fence_spare_rows(const struct fence *fence);
bool fence_has_row(const struct fence *fence, int row);

/* features.c: loads the programs over these maps, with all that the kernel can do. */
int programs_load(struct fence *fence, const struct map_fds *maps, struct error *error);

/* explaining.c: loads them over the maps in use. explaining_close() undoes it, or does nothing. */
int explaining_load(const struct fence *fence, struct explaining *result);
void explaining_close(struct explaining *explaining);

/*
 * load.c: opens, with all definitions as they are loaded. filter_load() does so, takes @maps and
 * loads once, by fence->features. Both return NULL with errno set.
 */
struct filter *filter_open(const struct fence *fence);
struct filter *filter_load(const struct fence *fence, bool explaining, const struct map_fds *maps);
/* All that are loaded, of watch and filter. */
struct map_fds own_maps(const struct fence *fence);
/* Has what libbpf says last kept: load_error() tells it. */
void load_keep_words(void);
int load_error(struct error *error, int code);

/* adopt.c: does so over the pinned maps, where all of them are there and fit, or over new ones. */
int maps_adopt(struct fence *fence, struct error *error);

/*
 * adopt.c: ends the take-over from an agent with another layout, once every link has the new
 * program: carries the counters over and gives the pins their names. Returns 0 or a negative errno.
 */
int fence_succeed(struct fence *fence);

/* bases.c */
struct base *base_find(struct fence *fence, uint32_t ifindex);
bool base_is_upper(const struct fence *fence, const struct base *base);
bool plan_upper_has_base(const struct plan_upper *upper);

/* places.c */
/* Gives the devices of the plan their bases and marks them wanted. */
void bases_assign(struct fence *fence, const struct plan *plan);
/* Takes a device out of the tables, and the filter off it. */
void base_release(struct fence *fence, struct base *base);
/* Writes the rows of the plan's bases, byte by byte; others stay. */
int rows_fill(struct fence *fence, struct policy_tables *policy, const struct plan *plan,
	      struct error *error);

/*
 * slots.c: which slot counts for an interface or VLAN in a zone. A slot whose interface went away
 * keeps its counts for when that comes back, until another needs the slot.
 */

/*
 * Finds the slot that counts for this place in this zone, or gives one out: a fresh one while there
 * is one, else that of a place which no policy has any more, when no frame is under way to it.
 * @building and @row are a policy and a row of it that are being filled; @held: see struct slot.
 * Returns its index, or -E2BIG.
 */
int slot_find(struct fence *fence, const struct policy_tables *building,
	      const __u8 row[static VLAN_IDS], const struct base *base, uint16_t vlan,
	      enum zone zone, bool held);

/* Forgets which slots have a place, before those of a plan are looked for; and then notes which
 * have none any more. */
void slots_begin(struct fence *fence, uint16_t config_mark);
void slots_end(struct fence *fence);

/* Whether what a slot counts is shown: its interface is there, or was until a moment ago. */
bool slot_is_shown(const struct fence *fence, __u32 slot);

/*
 * explain.c: what the policy in force, or the one aside, says of a frame that arrives on @base.
 * The question's own interface and VLAN are not looked at. Returns 0 or a negative errno.
 */
int explain_on(struct fence *fence, const struct base *base, const struct fence_question *question,
	       uint16_t vlan, bool aside, struct fence_answer *answer);

/*
 * cuts.c: the connections that the policy in force refuses; or, with @aside, those that the policy
 * aside would refuse and the one in force does not. fence_cuts_free() is due in any case.
 */
int cuts_find(struct fence *fence, bool aside, struct fence_cuts *cuts, struct error *error);

/* states.c */
struct interface_state *states_allocate(const struct plan *plan);
void states_add(struct fence *fence, const struct plan_interface *interface,
		const struct base *base, const char *problem);
void states_add_uppers(struct fence *fence, const struct plan *plan);
/* Says of interfaces whose frames cannot be read whether the gate is there for them. */
void states_tell_gate(struct fence *fence);

/* attach.c: the one of a skeleton's programs that it loaded. */
int fence_program(const struct filter *skeleton, bool ethernet);

/* attach.c: each deals with one base and writes the outcome to it and, if it fails, @problem. */
void base_attach(struct fence *fence, struct base *base, enum attach attach, char *problem,
		 size_t problem_size);
/* Why it is not attached natively, where one might think that it should be: one line, or "". */
void base_describe_mode(const struct base *base, char *note, size_t note_size);
/* Whether the link is alive and runs our program on it, of which @seen_program is the number. */
bool base_is_whole(const struct fence *fence, const struct base *base, uint32_t seen_program);
/* The program that its link runs on it by its number, 0 where the link is dead or there is none. */
__u32 base_program(const struct base *base);
void base_drop_link(struct fence *fence, struct base *base);
int fence_adopt_links(struct fence *fence, struct error *error);

/*
 * observe.c: asks what there is to know of the driver. What is found there of the interface since:
 * whether large frames are lost now, and what there is to say, "" for nothing.
 */
void base_read_facts(const struct fence *fence, struct base *base);
bool base_loses_frames(const struct base *base);
void base_describe(const struct base *base, char *problem, size_t size);
/* What was avoided by attaching in generic mode. */
void base_describe_avoided(const struct base *base, char *note, size_t size);

/* occupant.c: says which program stands in the way, and what takes it off. */
void describe_occupant(uint32_t ifindex, char *problem, size_t problem_size);

/* watch.c */
void watch_start_gate(struct fence *fence);
void fence_suspect(struct tables *tables, __u32 generation, uint16_t port);
/*
 * found.c: reads a whole hash into a list for the caller to free(): rows of the key, then the
 * value. Returns its length or a negative errno.
 */
int watch_read_hash(const struct bpf_map *map, size_t key_size, size_t value_size, void **list);

/*
 * bystanders.c: reads a listing of the watch to its end, and keeps what it says of listeners that
 * are not followed. Returns 0 or a negative errno; then what an earlier one said is kept.
 */
int bystanders_read(struct fence *fence, int listing);

/* What only a program can do: takes out what is gone. Return 0 or a negative errno. */
int watch_drop_listener(struct fence *fence, uint64_t socket, uint64_t since_ns);
int watch_drop_registration(struct fence *fence, uint64_t socket);
/* Adds to the counts of a binding by how much they differ from what they have to be. */
int watch_correct_binding(const struct fence *fence, const struct binding_key *key,
			  const __u32 actual[STANDING_COUNT], const __u32 wanted[STANDING_COUNT]);
/* Writes the clusters of all bindings into a policy that is being built. */
int watch_assign_bindings(const struct fence *fence, __u32 generation, const struct policy *policy);
void watch_import_claims(struct fence *fence);

/* Watch and gate are held by their pins: attaches anew what lost its own. Returns how many. */
int fence_watch_restore(struct fence *fence, struct error *error);

/*
 * gate.c: loads the gate over the maps of filter and watch, attaches and pins it. Returns 0, or a
 * negative errno where this kernel cannot have it (no BPF trampolines, Linux built without ftrace).
 */
int gate_start(struct fence *fence);

/*
 * events.c: adds the events' maps that an earlier agent left, if they fit, to those that are taken
 * over; and pins what is new once it is loaded.
 */
void events_adopt(struct fence *fence, const struct filter *definitions, struct map_fds *maps);
int events_settle(struct fence *fence, struct error *error);

/* peers.c: makes the table of a policy's peers. Returns its descriptor, or a negative errno. */
int peers_create(const struct policy *policy, struct error *error);
/*
 * Stores the peers of a policy. The kernel lets every frame that is under way end before the call
 * returns (maybe_wait_bpf_programs() in kernel/bpf/syscall.c), so that no frame still reads the
 * tables aside, which were in force before the last switch.
 */
int peers_store(const struct fence *fence, __u32 generation, int peers_fd, struct error *error);
/* Lets go of the peers of the policy aside, by which no frame is judged: a million are 120 MiB. */
void peers_forget_aside(struct fence *fence);
/* Returns when no frame is being judged that was so before. */
int fence_wait_for_frames(struct fence *fence);

/* sieve.c: fills the sieve of a policy that no frame reads. */
int sieve_build(struct fence *fence, __u32 generation, const struct policy *policy,
		struct error *error);
/* Sets a prefix's bit in the sieve that the filter reads. Returns 0 or a negative errno. */
int sieve_admit(const struct fence *fence, __u32 generation, const struct peer_key *key);
/* Empties a sieve for so many peers. Returns its shift. */
__u32 sieve_clear(struct sieve *sieve, size_t peers);
/* Sets a prefix's bit: before it comes into the table, so that the filter never misses it. */
void sieve_add(struct sieve *sieve, __u32 shift, const struct peer_key *key);

#endif
