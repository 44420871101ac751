/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong, or hardly meant, at one moment: one list, which status, the metrics, /healthz and
 * the log all read, so that they say the same in the same words.
 */
#ifndef BEAMFENCE_PROBLEMS_H
#define BEAMFENCE_PROBLEMS_H

#include <stdbool.h>
#include <stddef.h>

enum problem_kind {
	PROBLEM_AMBIGUOUS_ZONE,	     /* two lists name one interface */
	PROBLEM_CLOSED_SERVICE,	     /* what is no BEAM listens on a port that is protected */
	PROBLEM_CONFIG,		     /* valid, and hardly meant */
	PROBLEM_CONFIG_LAST_GOOD,    /* in force, because the file cannot be used */
	PROBLEM_CONFIG_NOT_FILE,     /* what is in force is not what the file says */
	PROBLEM_CONNECTION_REFUSED,  /* it stands, and what comes of it is dropped */
	PROBLEM_CONNECTIONS_UNKNOWN, /* the kernel does not tell of them */
	PROBLEM_CONTROL_STALE,	     /* takes effect at the next start */
	PROBLEM_EVENTS_MISSED,	     /* the kernel kept some from the listener watch */
	PROBLEM_EVENTS_UNREAD,	     /* drops are not told of */
	PROBLEM_EXPOSED_LISTENER,    /* a BEAM listens where clients may be, not protected */
	PROBLEM_LARGE_FRAMES_LOST,   /* by a driver, while the filter is on natively */
	PROBLEM_METRICS,	     /* not where the configuration wants them */
	PROBLEM_NETWORK_SIDE,	     /* beamfence-net is not there */
	PROBLEM_NODE_OF_NO_CLUSTER,  /* no peer may reach it */
	PROBLEM_NOT_RUN,	     /* attached, and the driver does not run it */
	PROBLEM_OTHER_NAMESPACE,     /* a BEAM listens in one, and is not fenced */
	PROBLEM_PEERS_DORMANT,	     /* of clusters that the configuration does not have */
	PROBLEM_INTERFACE_RENAMED,   /* it keeps the zone that it had by its former name */
	PROBLEM_PINS,		     /* something is wrong in the pin directory */
	PROBLEM_STATE_NOT_KEPT,	     /* runtime peers, or the configuration */
	PROBLEM_STRAY_NAMES,	     /* epmd names ports where nobody registered listens */
	PROBLEM_USER_LIMIT,	     /* a user has more listeners than are followed */
	PROBLEM_WATCH_MISSING,	     /* only listed ports are protected */
	PROBLEM_KINDS
};

/*
 * Of one kind so many are listed, and more only counted: who brings about many of one hides none of
 * another.
 */
#define PROBLEMS_OF_KIND_MAX 100

struct problem {
	enum problem_kind kind;
	char *subject; /* what tells it from others of its kind: "25672", "eth0", or "" */
	char *text;    /* one line: what is wrong, and what to do */
};

struct problems {
	struct problem *list;
	size_t count;
	size_t room;
	size_t of_kind[PROBLEM_KINDS]; /* the ones that found no place in the list too */
};

/* Adds one; without memory it is only counted. @subject and the text are copied. */
void problems_add(struct problems *problems, enum problem_kind kind, const char *subject,
		  const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Whether one of this kind and subject is listed. */
bool problems_have(const struct problems *problems, enum problem_kind kind, const char *subject);

/* Takes one out of the list; those after it move up. It stays counted. */
void problems_remove(struct problems *problems, size_t index);

/* Frees the list; @problems is empty then. */
void problems_free(struct problems *problems);

/* The name of the contract: "node-of-no-cluster". */
const char *problem_kind_name(enum problem_kind kind);

/* Whether the host is not fenced as the configuration says while there is one of this kind. */
bool problem_is_unhealthy(enum problem_kind kind);

/* When the log is told of one. */
enum problem_told {
	TOLD_AS_FOUND,	  /* and that it ended */
	TOLD_WITH_CONFIG, /* after each start and reload */
	TOLD_ELSEWHERE,	  /* by the one who finds it, in words of his own */
};

enum problem_told problem_told(enum problem_kind kind);

#endif
