/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking everything away again; needs neither the agent nor libbpf. */
#ifndef BEAMFENCE_DETACH_H
#define BEAMFENCE_DETACH_H

#include <stdbool.h>

#include "core/error.h"

#define PIN_DIR_DEFAULT	  "/sys/fs/bpf/beamfence"
#define PIN_TABLES	  "tables"
#define PIN_COUNTERS	  "counters"
#define PIN_PEERS	  "peers"
#define PIN_SIEVES	  "sieves"
#define PIN_ADDRESSES	  "addresses"
#define PIN_LISTENERS	  "listeners"
#define PIN_REGISTRATIONS "registrations"
#define PIN_BINDINGS	  "bindings"
#define PIN_USERS	  "users"
#define PIN_CLAIMS	  "claims"
#define PIN_EVENTS	  "events"
#define PIN_EVENT_ROWS	  "event-rows"
#define PIN_WATCH	  "watch"    /* the link of the listener watch */
#define PIN_GATE	  "gate"     /* the link of the gate in the TCP stack */
#define PIN_LISTENS	  "listens"  /* the link of the hook that sees each listen(2) */
#define PIN_PROGRAMS	  "programs" /* the link of the watch for programs that are started */
#define PIN_LINK_PREFIX	  "link-"    /* and the interface's index */
#define PIN_NEXT_SUFFIX	  "-next"    /* of each but the last: what is to take its place */

/*
 * Removes every pin that beamfence makes below @pin_dir, links first, and the directory when that
 * leaves it empty; with its last pin gone a program leaves its interface. Nothing that beamfence
 * did not name is touched. Returns the number of pins removed (0 where the directory does not
 * exist), or a negative errno: -ENOTTY when @pin_dir is not on a bpf file system, -EBUSY when an
 * agent holds it (which would keep the filter on, but unpinned): it has to be asked instead.
 */
int detach_pins(const char *pin_dir, struct error *error);

/* The same in the directory that @lock holds: see pin_dir_lock(). */
int detach_pins_locked(int lock, const char *pin_dir, struct error *error);

/* Whether beamfence makes pins of that name. */
bool detach_knows(const char *name);

/* Whether a descriptor is a "link", a "map" or a "prog" of BPF. */
bool fd_is_bpf(int fd, const char *kind);

#endif
