/* SPDX-License-Identifier: BSD-2-Clause */
/* What a driver keeps of the filter when it is detached. Needs no agent. */
#ifndef BEAMFENCE_LEFTOVERS_H
#define BEAMFENCE_LEFTOVERS_H

#include <stddef.h>

/*
 * To be asked before the pins below @pin_dir are removed: calls @tell for each interface whose
 * driver goes on dropping large frames afterwards, with a line that says how to end that.
 */
void leftovers_find(const char *pin_dir, void (*tell)(void *context, const char *line),
		    void *context);

#endif
