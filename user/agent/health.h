/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether the host is fenced as its configuration wants it: what /healthz answers. */
#ifndef BEAMFENCE_HEALTH_H
#define BEAMFENCE_HEALTH_H

#include "agent/agent.h"

/*
 * Returns 0 when the filter is on every client and cluster interface that the configuration names,
 * those included that the host lacks, and the gate on those whose frames cannot be read; else
 * -ENOTCONN with the first that is open in @reason.
 */
int agent_health(struct agent *agent, struct error *reason);

#endif
