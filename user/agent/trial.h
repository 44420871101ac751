/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration on trial: it is in force, and goes back to the one before by itself unless it is
 * confirmed. Nothing of it is on disk: whatever ends the agent ends the trial, and the next agent
 * starts with the file.
 */
#ifndef BEAMFENCE_TRIAL_H
#define BEAMFENCE_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/plan.h"

#define TRIAL_SECONDS_MAX 86400

struct agent;
struct review;

struct trial {
	struct config *former;		/* what to go back to; NULL: no trial is under way */
	struct plan_hold *former_holds; /* see plan.h; those of @former */
	size_t former_hold_count;
	struct plan_hold *former_places; /* of @former too: a device may be renamed meanwhile */
	int former_place_count;
	char *name; /* of the file on trial, as the one who tries it calls it */
	char *text; /* all of it */
	size_t size;
	int64_t ends_ms; /* by CLOCK_BOOTTIME */
	uint32_t uid;	 /* of the one who tries it, and the process */
	int32_t pid;
	char *confirmed; /* text of the last trial that was confirmed, until a reload; or NULL */
	size_t confirmed_size;
};

/* What is asked for. */
struct trial_request {
	const char *name;
	const char *text;
	size_t size;
	int64_t ends_ms;
	uint32_t uid;
	int32_t pid;
};

/*
 * Checks the text as a reload checks the file, and puts it into force. -EBUSY when a trial is under
 * way; else as agent_reload(), and then nothing changed.
 */
int agent_try(struct agent *agent, const struct trial_request *request, struct review *review,
	      struct error *error);

/* Makes the configuration on trial stay until the agent ends or reloads. -ENOENT without trial. */
int agent_confirm(struct agent *agent, struct error *error);

/*
 * Goes back to what was in force before the trial. -ENOENT without one; other errno when that
 * cannot be put into force: the trial goes on then.
 */
int agent_revert(struct agent *agent, struct error *error);

/* Whether a confirmed trial is in force that is not what the configuration's file says. */
bool agent_differs_from_file(const struct agent *agent);

/* Releases what is kept of a trial; what is in force stays. */
void trial_forget(struct trial *trial);

#endif
