/* SPDX-License-Identifier: BSD-2-Clause */
/* A row of the table of commands in main.c, which help, dispatch and completion all read. */
#ifndef BEAMFENCE_COMMAND_H
#define BEAMFENCE_COMMAND_H

#include "cli/cli.h"

struct command {
	const char *name;
	command_function run;
	const char *usage; /* words and options; completion reads it too: see complete.h */
	const char *summary;
	const char *help; /* after the summary: more of what it does, options, an example */
	const char *const *options;
	size_t words_min;
	size_t words_max;
};

#endif
