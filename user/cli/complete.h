/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a shell asks when a key is pressed: "beamfence complete WORD...", where the last word is the
 * one to complete (maybe empty) and the others are those before it, without the program's name.
 *
 * The answer is a candidate a line, or ":files" where a file is to be named. Nothing is said where
 * nothing fits or the agent does not answer: a shell has no place for it.
 */
#ifndef BEAMFENCE_COMPLETE_H
#define BEAMFENCE_COMPLETE_H

#include "cli/command.h"

#define COMPLETE_FILES ":files"

struct completion_table {
	const struct command *commands;
	size_t count;
	const char *const *global_options;
};

/*
 * Prints the candidates. Words that a command takes are read from its usage: in
 * "[list | add CLUSTER PREFIX [--ttl TIME]]" small letters stand for themselves, and CLUSTER,
 * IFACE, PREFIX, REASON, TIME, FILE, PATH and DIR for what is known of them.
 */
void complete(const struct completion_table *table, char **words, FILE *out);

#endif
