/* SPDX-License-Identifier: BSD-2-Clause */
/* What is pinned: its names, and how something comes to bear one. Needs no agent. */
#ifndef BEAMFENCE_PINS_H
#define BEAMFENCE_PINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "kernel/maps.h"

#define PIN_DIR_DEFAULT "/sys/fs/bpf/beamfence"

#define PIN_WATCH	"watch"	   /* the link of the listener watch */
#define PIN_GATE	"gate"	   /* the link of the gate in the TCP stack */
#define PIN_LISTENS	"listens"  /* the link of the hook that sees each listen(2) */
#define PIN_PROGRAMS	"programs" /* the link of the watch for programs that are started */
#define PIN_LINK_PREFIX "link-"	   /* the filter's, and the interface's index */

/* The links of the watch and what comes with it: all but the filter's. */
#define PIN_WATCH_LINKS 4
extern const char *const pin_watch_links[PIN_WATCH_LINKS];

/* Whether beamfence makes pins of that name: a link's, a map's, or either. */
bool pin_is_link(const char *name);
bool pin_is_map(const char *name);
bool pin_is_ours(const char *name);

/*
 * The path of the pin of that name; or, with @next, of "NAME-next": what is to take its place. The
 * caller frees it. Both return 0 or -ENOMEM.
 */
int pin_path(const char *pin_dir, const char *name, bool next, char **path);
int pin_link_path(const char *pin_dir, uint32_t ifindex, char **path);

/* Opens what is pinned under that name. Returns a descriptor of any kind, or a negative errno. */
int pin_open(const char *pin_dir, const char *name, bool next);

/* Whether a descriptor is a "link", a "map" or a "prog" of BPF. */
bool fd_is_bpf(int fd, const char *kind);

/* Whether @fd is a map with the type, sizes and number of entries of @definition. */
bool fd_is_map_like(int fd, const struct bpf_map *definition);

/* Pins @fd; what bore the name is gone for a moment. */
int pin_set(const char *pin_dir, int fd, const char *name, bool next, struct error *error);

/*
 * Pins @fd as "NAME-next", then renames that to NAME, unless it is to be @held_back: what was there
 * goes without a gap. Returns 0 or a negative errno.
 */
int pin_replace(const char *pin_dir, int fd, const char *name, bool held_back);

/* Removes the pin of that name and the one that was to take its place. */
void pin_remove(const char *pin_dir, const char *name);

/* All that is to take the place of something does so, the tables last; or is removed. */
int pins_take_names(const char *pin_dir);
void pins_remove_next(const char *pin_dir);

#endif
