/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of agent_problems() that have a file of their own. */
#ifndef BEAMFENCE_AGENT_PROBLEMS_FIND_H
#define BEAMFENCE_AGENT_PROBLEMS_FIND_H

#include "agent/problems.h"

void find_listeners(const struct agent *agent, struct problems *problems);

#endif
