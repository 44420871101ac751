/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Since when an epmd has named each of its nodes. A name that was there before a process was
 * connected to the epmd is not that process's, whoever else says so.
 */
#ifndef BEAMFENCE_NAME_MEMORY_H
#define BEAMFENCE_NAME_MEMORY_H

#include "core/epmd.h"

struct name_memory;

/* NULL: out of memory. */
struct name_memory *name_memory_open(void);

/*
 * Takes in what the epmd at @epmd_port says now; what it does not say any more is forgotten.
 * Returns a list for the caller to free(): for each of the nodes since when it was named, in
 * nanoseconds of CLOCK_BOOTTIME. NULL: out of memory.
 */
uint64_t *name_memory_note(struct name_memory *memory, uint16_t epmd_port,
			   const struct epmd_nodes *nodes);

/* NULL is allowed. */
void name_memory_close(struct name_memory *memory);

#endif
