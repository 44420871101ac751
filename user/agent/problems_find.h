/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of agent_problems() that have a file of their own. */
#ifndef BEAMFENCE_AGENT_PROBLEMS_FIND_H
#define BEAMFENCE_AGENT_PROBLEMS_FIND_H

#include "agent/problems.h"

/* Interfaces where the filter is attached and not run, or where frames get lost. */
void find_interfaces(const struct agent *agent, struct problems *problems);
void find_listeners(const struct agent *agent, struct problems *problems);

#endif
