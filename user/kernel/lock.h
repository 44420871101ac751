/* SPDX-License-Identifier: BSD-2-Clause */
/* The pin directory's lock: two agents would undo each other's work. Needs no libbpf. */
#ifndef BEAMFENCE_LOCK_H
#define BEAMFENCE_LOCK_H

#include "core/error.h"

/*
 * Makes the directory if need be and locks it. Returns a descriptor that holds the lock until it is
 * closed, or a negative errno: -EBUSY with a text that names the holder, -ENOTTY when @pin_dir is
 * not on a bpf file system.
 */
int pin_dir_lock(const char *pin_dir, struct error *error);

#endif
