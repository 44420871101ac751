/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A look at a configuration before it is in force: what it says other than the one that is, and
 * which connections it would cut.
 */
#ifndef BEAMFENCE_REVIEW_H
#define BEAMFENCE_REVIEW_H

#include <jansson.h>

#include "core/config_diff.h"
#include "kernel/fence.h"

struct review {
	bool refuse_cuts; /* asked: where a connection would be cut nothing is switched */
	bool rehearse;	  /* asked: nothing is switched in any case */
	/* What came of it. */
	bool compared;
	struct config_diff diff;
	json_t *cuts;		   /* as of the control protocol; NULL: nothing was looked at */
	size_t connections;	   /* all that would be cut */
	bool more;		   /* and maybe others */
	struct error unknown;	   /* why the connections could not be looked at, or "" */
	const struct config *next; /* while it is being looked at */
};

/* Compares @next with the configuration in force. Returns 0 or -ENOMEM. */
int review_config(struct review *review, const struct config *former, const struct config *next);

/* For fence_apply(), after review_config(). -ECANCELED is what it says to a policy. */
struct fence_review review_of_policy(struct review *review);

/* Adds to a result of the control protocol what came of it: changes, cuts and more. */
void review_tell(const struct review *review, json_t *result);

/* Releases what came of it. */
void review_free(struct review *review);

struct agent;

/*
 * Reviews the text of a configuration called @name, and changes nothing. Errors as agent_reload():
 * -ECANCELED where it was asked to refuse cuts.
 */
int agent_rehearse(struct agent *agent, const char *name, const char *text, size_t size,
		   struct review *review, struct error *error);

#endif
