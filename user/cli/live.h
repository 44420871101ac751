/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration that is whole by itself, held against what is in force on this host. */
#ifndef BEAMFENCE_LIVE_H
#define BEAMFENCE_LIVE_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"

/*
 * Makes the protocol's arguments "config" and "name" of what the file holds; NULL with @error set
 * when it cannot be sent.
 */
json_t *configuration_arguments(const char *path, struct error *error);

/*
 * Asks the agent what the file would change and cut. NULL where there is none, or none that this
 * user may ask: then nobody says anything of it. Where it cuts something, and @refuse says that it
 * must not, *@refusal has a text.
 */
json_t *live_review(const struct cli *cli, const char *path, bool refuse, struct error *refusal);

/* Prints the members that live_review() has. Returns 0 or -ENOMEM. */
int print_live_review(const json_t *review, FILE *out);

#endif
