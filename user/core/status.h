/* SPDX-License-Identifier: BSD-2-Clause */
/* The result of the control protocol's "status" (core/protocol.h). */
#ifndef BEAMFENCE_STATUS_H
#define BEAMFENCE_STATUS_H

#include <jansson.h>

#include "core/snapshot.h"

/* The caller's object; NULL: out of memory. */
json_t *status_json(const struct snapshot *snapshot);

#endif
