/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a configuration to a policy with the peers and listeners, and to a plan for the interfaces,
 * that there are now. A device that was renamed
 * keeps its zone while the configuration is the same, also if no agent ran meanwhile (see
 * struct plan_hold).
 */
#ifndef BEAMFENCE_PLANNING_H
#define BEAMFENCE_PLANNING_H

#include "agent/agent.h"

/*
 * Makes the plan of @config: the one in force or to be started with, one that is new, or the one
 * from before a trial. Where it is only looked at (@rehearse) no interface is told to leave VLAN
 * tags in: it is assumed that it would. Returns 0 or a negative errno.
 */
int agent_plan(const struct agent *agent, const struct config *config, bool rehearse,
	       struct plan **plan, struct error *error);

/* Makes the policy of @config. Returns 0 or a negative errno. */
int agent_policy(const struct agent *agent, const struct config *config, struct policy **policy,
		 struct error *error);

#endif
