/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The facade over the kernel: the loaded programs, their maps and their links. Only the files
 * beside this one include libbpf. What is in force outlives the process: links and maps are pinned.
 */
#ifndef BEAMFENCE_FENCE_H
#define BEAMFENCE_FENCE_H

#include "../bpf/contract_bystanders.h"
#include "../bpf/contract_events.h"
#include "core/address.h"
#include "core/plan.h"
#include "core/policy.h"
#include "core/snapshot.h"

struct fence;

/* How fence_open() found the pin directory. */
enum fence_start {
	FENCE_FRESH,	/* nothing was there */
	FENCE_ADOPTED,	/* maps and counters of an earlier agent go on */
	FENCE_REPLACED, /* an earlier agent's maps do not fit: its links will get new ones */
};

/*
 * Locks @pin_dir (made if missing), loads the programs with the best features that the kernel
 * takes, and adopts the maps that are pinned there. Nothing is attached or changed yet.
 * Returns 0 and a fence for fence_close(). Errors: -EBUSY (another agent holds the directory: the
 * text names its pid), -ENOTTY (no bpf file system), -EPERM, and what the kernel says to the load.
 */
int fence_open(const char *pin_dir, struct fence **fence, struct error *error);

/* Lets go of the kernel objects and leaves all that is pinned in force. NULL is allowed. */
void fence_close(struct fence *fence);

enum fence_start fence_start(const struct fence *fence);
struct fence_features fence_features(const struct fence *fence);

/*
 * Whether something that the kernel refused at the start may be had by now: the connection tracker,
 * whose module may be loaded at any time, or what there was no memory for. Costs a look at a file.
 */
bool fence_may_gain(struct fence *fence);

/*
 * Then loads the programs anew with what can be had. Returns 1 when something was gained (the next
 * fence_apply() has the links run the programs), 0 when not, or a negative errno. What a module of
 * the kernel has for XDP is told to CAP_SYS_ADMIN alone.
 */
int fence_gain(struct fence *fence);

/* Says what of struct fence_features there is not, and why. Returns how many. */
size_t fence_lacks(const struct fence *fence, struct fence_lack lacks[static FENCE_LACKS_MAX]);

struct fence_cuts;

/* Has a look at a policy before it comes into force. */
struct fence_review {
	/* @code: 0, or why the connections could not be looked at, in words in @error. */
	int (*look)(void *context, struct fence_cuts *cuts, int code, struct error *error);
	void *context;
};

/*
 * Puts a policy into force: builds it beside the one in force, attaches to the plan's new
 * interfaces, switches once for all of them, and leaves those that are no longer in the plan. With
 * @policy NULL the policy in force is kept and only the plan changes, which is quick: interface by
 * interface and without waiting for frames under way. Returns 0, or a negative errno with the old
 * policy still whole and in force. An interface that cannot be attached to is no error:
 * fence_interfaces() tells.
 *
 * @review, which may be NULL, is shown what would be cut when @policy has been built and before it
 * is switched. Where it returns a negative errno that is the result, and nothing is switched; a
 * call with the former plan and no policy should follow.
 */
int fence_apply(struct fence *fence, const struct policy *policy, const struct plan *plan,
		enum attach attach, const struct fence_review *review, struct error *error);

/*
 * Whether our program is on every interface of the plan that can have it: by the links, and by what
 * the interfaces themselves said when the plan was made; and there is no news of why a driver does
 * not run it.
 */
bool fence_is_whole(struct fence *fence, const struct plan *plan);

/*
 * Looks whether the filter is run where it is attached, and whether frames get lost there: what the
 * interfaces received against what was counted. Tries to mend what it finds. Returns whether
 * fence_apply() is due, since the outcome or the mode of an interface is another now. Cheap; to be
 * called every few seconds and when an interface changed.
 */
bool fence_observe(struct fence *fence, enum attach attach);

/* Whether the last look leaves it open: another one, a second later, will tell. */
bool fence_is_in_doubt(const struct fence *fence);

/* Whether the last fence_apply() left fence_interfaces() other than it was before. */
bool fence_interfaces_changed(const struct fence *fence);

/* Tells of each interface that the filter had been taken off and was put back on since last told.
 */
void fence_restored(struct fence *fence, void (*tell)(void *context, const char *interface),
		    void *context);

/*
 * How often the filter had to be put back, by interface, over all agents' lives; for the interfaces
 * that fence_counters() has. Returns the length
 * of a list for the caller to free(), or -ENOMEM.
 */
int fence_reattachments(const struct fence *fence, struct reattachments **list);

/*
 * Pins again what somebody unpinned, and makes and locks the directory if it is gone or hidden by
 * another mount. Returns how many pins were missing; a negative errno the first time that it fails,
 * 0 while it goes on failing: fence_pins_problem() tells, and is "" when all is well.
 */
int fence_restore_pins(struct fence *fence, struct error *error);
const char *fence_pins_problem(const struct fence *fence);

/* Whether something in the pin directory is not beamfence's; its name goes to @name. */
bool fence_stray_pin(const struct fence *fence, char *name, size_t size);

/*
 * Sets, in the policy in force, the clusters that @prefix is a peer of; 0 removes it. Returns 0;
 * -E2BIG when the policy has no room for the prefix or its length: apply a new policy then.
 */
int fence_set_peer(struct fence *fence, const struct prefix *prefix, uint64_t clusters);

/*
 * Tells the filter which addresses are the host's own: @list, sorted by prefix_compare(). It
 * believes that for half a minute, and then takes any address for the host's; so say it again in
 * time. Returns 0, or a negative errno; then it believes nothing.
 */
int fence_set_addresses(struct fence *fence, const struct prefix *list, size_t count,
			struct error *error);

/* The plan's interfaces and VLANs as they are now; owned by the fence until the next call. */
size_t fence_interfaces(struct fence *fence, const struct interface_state **states);

/*
 * Reads every counter; those of an interface that went away are left out ten seconds later, and go
 * on when one of its name comes back. Returns 0 and a list in *@counters, *@count long, for the
 * caller to free(), or a negative errno.
 */
int fence_counters(struct fence *fence, struct counter **counters, size_t *count,
		   struct error *error);

/* A frame to ask about. */
struct fence_question {
	const char *interface; /* one that has the filter */
	uint16_t vlan;	       /* 0: untagged */
	struct prefix source;  /* of full length, same family as the destination */
	struct prefix destination;
	uint16_t source_port;
	uint16_t destination_port;
	uint8_t tcp_flags;
};

struct fence_answer {
	enum reason reason;
	enum verdict verdict;
	enum zone zone;
	enum mode mode;
	uint8_t cluster; /* index, CLUSTER_ANY or CLUSTER_NOBODY */
};

/*
 * Runs the program over a built frame, as if it came in now, and counts nothing. Returns 0;
 * -ENODEV when the filter is not on that interface; -EINVAL for families that differ.
 */
int fence_explain(struct fence *fence, const struct fence_question *question,
		  struct fence_answer *answer, struct error *error);

/*
 * Established connections whose segments are refused: those from one address to one port at one
 * address of this host, which the filter judges alike.
 */
struct fence_cut {
	struct prefix remote; /* addresses, of full length */
	struct prefix local;
	uint16_t port;
	uint32_t count; /* of connections */
	enum reason reason;
	uint8_t cluster;		     /* as in struct fence_answer */
	char interface[INTERFACE_NAME_SIZE]; /* by which their segments most likely arrive */
};

struct fence_cuts {
	struct fence_cut *list;
	size_t count;
	bool more; /* there were too many connections to look at all of them */
};

void fence_cuts_free(struct fence_cuts *cuts);

/*
 * Finds the connections that stand on protected ports, and that the policy in force refuses all the
 * same: they were opened before it was. By the program itself, as fence_explain().
 * fence_cuts_free() is due in any case.
 */
int fence_refused(struct fence *fence, struct fence_cuts *cuts, struct error *error);

/* A listening socket that the watch knows, as the kernel sees it. */
struct fence_listener {
	uint64_t socket; /* tells sockets apart; no more than that */
	struct listener listener;
};

struct fence_registration {
	uint64_t socket;
	struct registration registration;
};

/*
 * Turns the listener watch on or off. On: what an earlier agent left is replaced without a gap,
 * then the listeners that exist already are added; where the kernel refuses, an earlier agent's
 * goes on. Off: the watch and all that it found are gone.
 */
int fence_watch(struct fence *fence, bool on, struct error *error);

bool fence_is_watching(const struct fence *fence);

/* Adds what exists already again: for connections to an epmd that was not known before. */
int fence_list(struct fence *fence, struct error *error);

/*
 * The same, with what these processes listen on at these ports (a bit each) though they are no BEAM
 * by their names: they are nodes by their connections to epmd.
 */
int fence_list_nodes(struct fence *fence, const uint64_t ports[static PORTS / 64],
		     const uint32_t *pids, size_t count, struct error *error);

/*
 * Listeners that the watch does not follow, as the last listing found them: see struct bystander.
 * Returns how many are in *@rows, which are valid until the next call of any other function, and
 * how many rows were one too many of their user's.
 */
size_t fence_bystanders(const struct fence *fence, const struct bystander **rows, size_t *left_out);

/* How many of them have come and gone by now, by the watch's account: what to list again for. */
uint64_t fence_bystanders_heard(const struct fence *fence);

/* What fence_watch_check() found and did. */
struct watch_findings {
	uint64_t missed;    /* events that the kernel kept from the watch since the last look */
	uint64_t dropped;   /* listeners that were gone, unheard */
	uint64_t corrected; /* ports and addresses whose counts were wrong */
};

/*
 * Whether the kernel kept events from the watch: a program that is interrupted does not see what
 * happens meanwhile on its CPU. Then what there is has been listed again, and what is gone dropped.
 * Cheap where nothing was missed: to be called some times a second at most.
 */
int fence_watch_catch_up(struct fence *fence, uint64_t *missed, uint64_t *dropped,
			 struct error *error);

/*
 * Holds what the watch has against the kernel's sockets: lists again after events were missed,
 * takes out listeners that are gone, and sets counts right. Meant for every few seconds: what is
 * not right at two checks in a row is mended.
 */
int fence_watch_check(struct fence *fence, struct watch_findings *findings, struct error *error);

/* Events that the kernel kept from the watch, since the first agent. */
uint64_t fence_watch_missed(const struct fence *fence);

/* A descriptor that is readable when something changed, or -1 while not watching. */
int fence_changes_fd(const struct fence *fence);

/* What changed since the last call, as bits 1 << enum change. */
uint32_t fence_changes(struct fence *fence);

/*
 * Reads what the watch knows into a list for the caller to free(). Returns its length or a negative
 * errno. Entries that come and go meanwhile may be in it or not.
 */
int fence_listeners(const struct fence *fence, struct fence_listener **list);
int fence_registrations(const struct fence *fence, struct fence_registration **list);

/* Listeners that found no room in the watch's table: their ports stay protected for a while. */
uint64_t fence_listeners_untracked(const struct fence *fence);

/* Listeners and registrations past their user's limit: they are not followed. */
uint64_t fence_listeners_refused(const struct fence *fence);

struct fence_user {
	uint32_t account;
	struct user user;
};

/* Reads what each user has of the watch's tables; as fence_listeners(). */
int fence_users(const struct fence *fence, struct fence_user **list);

/* Remembers that a user's listener on @port is a node's, or forgets it; kept without an agent. */
void fence_claim(struct fence *fence, uint32_t account, uint16_t port, enum claim claim);
enum claim fence_claimed(const struct fence *fence, uint32_t account, uint16_t port);

/*
 * Says whether a listener is a node's: then it is protected, else it is again what it was found to
 * be. Returns 0 or a negative errno; the listener may be gone.
 */
int fence_settle(struct fence *fence, uint64_t socket, bool node);

/* Puts a discovered listener into a cluster, in the policy in force; configured ports keep theirs.
 */
void fence_assign(struct fence *fence, const struct listener *listener, uint8_t cluster);

/* The cluster of a listener's port at its address: an index, CLUSTER_ANY or CLUSTER_NOBODY. */
uint8_t fence_cluster(const struct fence *fence, const struct listener *listener);

/*
 * Its name in the policy in force, also before the first fence_apply(): then that of an earlier
 * agent. "" for none. Valid until the next fence_apply().
 */
const char *fence_cluster_name(const struct fence *fence, const struct listener *listener);

/* The same for its port at whichever address. */
const char *fence_port_cluster_name(const struct fence *fence, const struct listener *listener);

/* The cluster of a configured port, or CLUSTER_NOBODY. */
uint8_t fence_configured_cluster(const struct fence *fence, uint16_t port);

/* Whether a listener's port is protected at its address, by configuration or for its own sake. */
bool fence_protects(const struct fence *fence, const struct listener *listener);

/*
 * Told of each frame that the filter reports; @event is valid during the call only. @interface is
 * the name of where it came in, "eth0" or "eth0.120".
 */
typedef void (*fence_event_report)(void *context, const struct event *event, const char *interface);

/*
 * Has events reported to @report from now on, at @level; what an agent before this one left unread
 * comes first. The program goes on at that level while no agent runs.
 */
int fence_events_start(struct fence *fence, fence_event_report report, void *context,
		       struct error *error);

/* LIMITED: one event for each source and port in ten seconds, EVENTS_PER_SECOND of all together. */
#define EVENTS_PER_SECOND     256
#define EVENTS_ALL_PER_SECOND 10000
int fence_events_level(struct fence *fence, enum event_level level, struct error *error);

/* A descriptor that is readable when there are events; -1 before fence_events_start(). */
int fence_events_fd(const struct fence *fence);

/* Reports what is there, at most @limit events. */
void fence_events_read(struct fence *fence, unsigned int limit);

/*
 * Events that were due and could not be reported, since the first agent: by the filter's account,
 * and @also, which is added where the next agent finds it, and 0 then.
 */
uint64_t fence_events_lost(struct fence *fence, uint64_t *also);

/*
 * Reads the sources of late into a list for the caller to free(), each CPU's account of them apart.
 * Returns its length or a negative errno.
 */
int fence_event_sources(const struct fence *fence, struct event_source **list);

/* Writes the name of the interface or VLAN that a slot counts for. */
void fence_slot_name(const struct fence *fence, uint32_t slot, char name[static ENTRY_NAME_SIZE]);

/* A place that an earlier agent fenced, and the name of its interface then. */
struct fence_place {
	struct plan_hold hold; /* its rank is not known */
	bool held;	       /* it was so by a hold: no entry fenced it even then */
	uint16_t config_mark;  /* of the configuration by which it was; 0: not known */
};

#define FORMER_MAX (2 * PLACES_MAX) /* are listed */

/*
 * What an earlier agent left in force, before the first fence_apply(); VLANs that it listed too,
 * also those that are not fenced. Returns the length of a list for the caller to free(), or
 * -ENOMEM.
 */
int fence_former_places(const struct fence *fence, struct fence_place **places);

/*
 * Whether a device is the one that was fenced at its index, whatever its name is now: one that
 * moved to another namespace may have left its index to another.
 */
bool fence_is_same(const struct fence *fence, const struct host_interface *host);

/* Takes the filter off every interface and removes every pin. Returns the number of pins removed.
 */
int fence_detach(struct fence *fence, struct error *error);

#endif
