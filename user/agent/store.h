/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state directory, with two files in it: peers.json, the runtime peers (core/peer_file.h), and
 * last-good.yaml, the text of the configuration that was last put into force to stay there. It is
 * opened while the agent still has its privileges and reached by its descriptor from then on.
 * Nothing that can be wrong with it keeps the agent from fencing.
 */
#ifndef BEAMFENCE_STORE_H
#define BEAMFENCE_STORE_H

#include "core/peer_file.h"

#define STATE_DIR_DEFAULT "/var/lib/beamfence"
#define STORE_PEERS	  "peers.json"
#define STORE_PEERS_NEW	  "peers.json.new" /* being written */
#define STORE_PEERS_BAD	  "peers.json.bad" /* the last one that could not be read */
#define LAST_GOOD	  "last-good.yaml"
#define LAST_GOOD_NEW	  "last-good.yaml.new" /* being written */

struct store;

/*
 * Opens the directory @path, and makes it (mode 0700) when only that is missing. @path must
 * outlive the store. Returns 0 and a store for store_close(); -EBUSY: another agent uses it;
 * -EACCES: others than its owner may write to it; other errno of mkdir(2) and open(2). @error holds
 * the line for the log.
 */
int store_open(const char *path, struct store **store, struct error *error);

/*
 * Reads the peers that are not over. Returns 0 and a list for the caller to free(), or NULL when
 * there is none; else a negative errno with a line for the log, the list empty, and a file that
 * makes no sense out of the way, as STORE_PEERS_BAD.
 */
int store_load_peers(const struct store *store, const struct moment *now,
		     struct runtime_peer **peers, size_t *count, struct error *error);

/* Moves the file out of the way, as STORE_PEERS_BAD, in place of the one before. 0 or -errno. */
int store_set_peers_aside(const struct store *store);

/*
 * Replaces the file: by the old or by the new one, whatever happens meanwhile. Waits for the disk.
 * Returns 0, or a negative errno with a text and the old file still there. Does not need the agent:
 * another thread may call it, one at a time.
 */
int store_save_peers(const struct store *store, const struct runtime_peer *peers, size_t count,
		     const struct moment *now, struct error *error);

/*
 * Reads the last good configuration. Returns 0, its text for the caller to free() and, in
 * *@since_s, when it was written; or a negative errno with a text: -ENOENT where there is none.
 */
int store_load_config(const struct store *store, char **text, size_t *size, int64_t *since_s,
		      struct error *error);

/* Whether the last good configuration is this text; 0 or 1, -ENOENT where there is none. */
int store_has_config(const struct store *store, const char *text, size_t size);

/* As store_save_peers(), for the last good configuration; one that is there already is left alone.
 */
int store_save_config(const struct store *store, const char *text, size_t size,
		      struct error *error);

/* NULL is allowed. */
void store_close(struct store *store);

#endif
