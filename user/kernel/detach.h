/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking everything away again; needs no agent. */
#ifndef BEAMFENCE_DETACH_H
#define BEAMFENCE_DETACH_H

#include "core/error.h"

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

#endif
