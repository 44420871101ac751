/* SPDX-License-Identifier: BSD-2-Clause */
/* The agent's command line: where things are. */
#ifndef BEAMFENCE_OPTIONS_H
#define BEAMFENCE_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config;
	const char *pin_dir;
	const char *state_dir;
	const char *net_socket; /* NULL: there is no network side */
};

/*
 * Reads the command line; what is not given has its default. False: the program has answered, or
 * complained, already, and ends with *@code.
 */
bool options_read(int argc, char **argv, struct options *options, int *code);

#endif
