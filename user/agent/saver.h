/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Saves a file of the store (agent/store.h) without making the event loop wait for it: a thread
 * writes, one whole file at a time, and what changes meanwhile is written together after that. What
 * fails is tried again until it is done.
 */
#ifndef BEAMFENCE_SAVER_H
#define BEAMFENCE_SAVER_H

#include <event2/event.h>

#include "agent/peer_list.h"
#include "agent/store.h"

#define SAVER_RETRY_S	 30 /* after a failure */
#define SAVER_PATIENCE_S 5  /* until somebody who waits is told that the disk does not answer */

struct saver;

/* What a saver keeps, and how it is written: see store_save_peers(). */
struct saver_kind {
	const char *what;
	int (*write)(const struct store *store, const void *data, size_t count,
		     struct error *error);
};

extern const struct saver_kind saver_of_peers, saver_of_config;

/* Tells, in the event loop, that what was saved is on disk (@code 0) or why not. */
typedef void (*saver_done)(void *context, uint64_t request, int code, const struct error *error);

/* Called in the event loop when saving begins to fail, and when it succeeds again (@error NULL). */
typedef void (*saver_report)(void *context, const struct error *error);

/*
 * Opens a saver for @store, which must outlive it. Its thread starts with the first save, with the
 * privileges that the process has then. 0 and a saver for saver_close(), or a negative errno.
 */
int saver_open(struct event_base *base, const struct store *store, const struct saver_kind *kind,
	       saver_report report, void *context, struct saver **saver, struct error *error);

/*
 * Saves a copy of the list. With @done, that is called once with @request, never before this
 * returns. Returns 0, or -ENOMEM with nothing to come.
 */
int saver_save(struct saver *saver, const struct peer_list *peers, saver_done done, void *context,
	       uint64_t request);

/* Takes over the text of a configuration, which is freed as soon as it is written, and saves it. */
void saver_save_config(struct saver *saver, char *text, size_t size);

/* Why what was saved is not on disk, or NULL. */
const struct error *saver_problem(const struct saver *saver);

/* Waits for what is under way, and for a last save if one is due. NULL is allowed. */
void saver_close(struct saver *saver);

#endif
