/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps a file of the state directory on disk without making the event loop wait for it: a thread
 * writes, one whole file at a time, and what changes meanwhile is written together after that. What
 * fails is tried again until it is done.
 */
#ifndef BEAMFENCE_KEEPER_H
#define BEAMFENCE_KEEPER_H

#include <event2/event.h>

#include "agent/peer_list.h"
#include "agent/state.h"

#define KEEPER_RETRY_S	  30 /* after a failure */
#define KEEPER_PATIENCE_S 5  /* until somebody who waits is told that the disk does not answer */

struct keeper;

/* What a keeper keeps, and how it is written: see state_save(). */
struct keeper_kind {
	const char *what;
	int (*write)(const struct state *state, const void *data, size_t count,
		     struct error *error);
};

extern const struct keeper_kind keeper_of_peers, keeper_of_config;

/* Tells, in the event loop, that what was saved is on disk (@code 0) or why not. */
typedef void (*keeper_done)(void *context, uint64_t request, int code, const struct error *error);

/* Called in the event loop when saving begins to fail, and when it succeeds again (@error NULL). */
typedef void (*keeper_report)(void *context, const struct error *error);

/*
 * Opens a keeper for @state, which must outlive it. Its thread starts with the first save, with the
 * privileges that the process has then. 0 and a keeper for keeper_close(), or a negative errno.
 */
int keeper_open(struct event_base *base, const struct state *state, const struct keeper_kind *kind,
		keeper_report report, void *context, struct keeper **keeper, struct error *error);

/*
 * Saves a copy of the list. With @done, that is called once with @request, never before this
 * returns. Returns 0, or -ENOMEM with nothing to come.
 */
int keeper_save(struct keeper *keeper, const struct peer_list *peers, keeper_done done,
		void *context, uint64_t request);

/* Takes over the text of a configuration, which is freed as soon as it is written, and saves it. */
void keeper_save_config(struct keeper *keeper, char *text, size_t size);

/* Why what was saved is not on disk, or NULL. */
const struct error *keeper_problem(const struct keeper *keeper);

/* Waits for what is under way, and for a last save if one is due. NULL is allowed. */
void keeper_close(struct keeper *keeper);

#endif
