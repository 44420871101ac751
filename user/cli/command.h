/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of commands, which help, dispatch and completion all read. */
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

extern const struct command commands[];
extern const size_t command_count;

/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/* Prints what there is to know of @command; of all in short where that is NULL. */
void help_print(const struct command *command);

#endif
