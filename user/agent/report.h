/* SPDX-License-Identifier: BSD-2-Clause */
/* What main tells the log of the state of things, and of who changed it. */
#ifndef BEAMFENCE_REPORT_H
#define BEAMFENCE_REPORT_H

#include "agent/agent.h"
#include "agent/control.h"
#include "agent/state_log.h"
#include "core/health.h"

/* What was told of the state of things. */
struct report {
	struct state_log log;
	char status[SUMMARY_SIZE]; /* to the service manager */
};

/* How the agent found things. */
void report_start(const struct agent *agent);

/* Where the filter is, and what else an operator should know of the policy in force. */
void report_policy(struct report *report, const struct agent *agent);

/* Where it is not as it was. */
void report_interfaces(struct report *report, const struct agent *agent);

/* What is wrong, as far as it is news. */
void report_problems(struct report *report, const struct agent *agent);

void report_free(struct report *report);

/* Another configuration is in force: how much of it is new, and what it cuts. */
void report_reload(const struct agent *agent, const struct review *review);

/*
 * There is no configuration: neither the file nor a last good one. Says whether anything is fenced
 * all the same, by what is pinned in @pin_dir, to the log and to the service manager.
 */
void report_no_config(const char *pin_dir, const struct error *error);

/* A command that changes something: who gave it, and what came of it. */
void report_change(const struct control_peer *peer, const char *command, const json_t *arguments,
		   int code, const struct error *error);

#endif
