/* SPDX-License-Identifier: BSD-2-Clause */
/* The pin directory: one agent's at a time, and nobody else's. */
#ifndef BEAMFENCE_LOCK_H
#define BEAMFENCE_LOCK_H

#include <dirent.h>

#include "core/error.h"

/*
 * Makes the directory if need be and locks it. Returns a descriptor that holds the lock until it is
 * closed, or a negative errno: -EBUSY with a text that names the holder, -ENOTTY when @pin_dir is
 * not on a bpf file system.
 */
int pin_dir_lock(const char *pin_dir, struct error *error);

/* Lists the directory that is locked, or NULL with errno set. For closedir(). */
DIR *pin_dir_list(int lock);

/*
 * Whether nobody but root and this process's user could take pins out of the locked directory, or
 * could have put them there: by who owns it, what is pinned in it and what is above it in its file
 * system, and who may write there. Returns 0; -EPERM with a text that says what to mend; or another
 * negative errno where that could not be found out.
 */
int pin_dir_trust(int lock, const char *pin_dir, struct error *error);

#endif
