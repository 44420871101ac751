/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state directory, with two files in it: peers.json, the runtime peers (core/peer_state.h), and
 * last-good.yaml, the text of the configuration that was last put into force to stay there. It is
 * opened while the agent still has its privileges and reached by its descriptor from then on.
 * Nothing that can be wrong with it keeps the agent from fencing.
 */
#ifndef BEAMFENCE_STATE_H
#define BEAMFENCE_STATE_H

#include "core/peer_state.h"

#define STATE_DIR_DEFAULT "/var/lib/beamfence"
#define STATE_FILE	  "peers.json"
#define STATE_FILE_NEW	  "peers.json.new" /* being written */
#define STATE_FILE_BAD	  "peers.json.bad" /* the last one that could not be read */
#define LAST_GOOD	  "last-good.yaml"
#define LAST_GOOD_NEW	  "last-good.yaml.new" /* being written */

struct state;

/*
 * Opens the directory @path, and makes it (mode 0700) when only that is missing. @path must
 * outlive the state. Returns 0 and a state for state_close(); -EBUSY: another agent uses it;
 * -EACCES: others than its owner may write to it; other errno of mkdir(2) and open(2). @error holds
 * the line for the log.
 */
int state_open(const char *path, struct state **state, struct error *error);

/*
 * Reads the peers that are not over. Returns 0 and a list for the caller to free(), or NULL when
 * there is none; else a negative errno with a line for the log, the list empty, and a file that
 * makes no sense out of the way, as STATE_FILE_BAD.
 */
int state_load(const struct state *state, const struct moment *now, struct runtime_peer **peers,
	       size_t *count, struct error *error);

/* Moves the file out of the way, as STATE_FILE_BAD, in place of the one before. 0 or -errno. */
int state_set_aside(const struct state *state);

/*
 * Replaces the file: by the old or by the new one, whatever happens meanwhile. Waits for the disk.
 * Returns 0, or a negative errno with a text and the old file still there. Does not need the agent:
 * another thread may call it, one at a time.
 */
int state_save(const struct state *state, const struct runtime_peer *peers, size_t count,
	       const struct moment *now, struct error *error);

/*
 * Reads the last good configuration. Returns 0, its text for the caller to free() and, in
 * *@since_s, when it was written; or a negative errno with a text: -ENOENT where there is none.
 */
int state_load_config(const struct state *state, char **text, size_t *size, int64_t *since_s,
		      struct error *error);

/* Whether the last good configuration is this text; 0 or 1, -ENOENT where there is none. */
int state_has_config(const struct state *state, const char *text, size_t size);

/* As state_save(), for the last good configuration; one that is there already is left alone. */
int state_save_config(const struct state *state, const char *text, size_t size,
		      struct error *error);

/* NULL is allowed. */
void state_close(struct state *state);

#endif
