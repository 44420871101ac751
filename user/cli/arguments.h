/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a command line: options apart from the rest, and the values that they may hold. */
#ifndef BEAMFENCE_ARGUMENTS_H
#define BEAMFENCE_ARGUMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

#define ARGUMENT_OPTIONS_MAX 16
#define ARGUMENT_WORDS_MAX   4

struct arguments {
	struct {
		const char *name;  /* as in the list of known options */
		const char *value; /* "" for an option that takes none */
	} options[ARGUMENT_OPTIONS_MAX];
	size_t option_count;
	const char *words[ARGUMENT_WORDS_MAX]; /* what is no option */
	size_t word_count;
};

/*
 * Sorts *@words, which NULL ends, into @arguments, and moves *@words on past what it took. The
 * options of both lists are known; a list is ended by NULL and may be NULL itself; in it
 * "--ttl=" takes a value ("--ttl 1h" or "--ttl=1h") and "--json" none. "-h" is "--help", and
 * "--" ends the options. With @first_word_ends it stops before the first word that is no option.
 * Returns 0, or -EINVAL with a text.
 */
int arguments_parse(struct arguments *arguments, char ***words, const char *const *options,
		    const char *const *more_options, bool first_word_ends, struct error *error);

/* The value of the option known as @name, the last one given; NULL when it was not given. */
const char *arguments_option(const struct arguments *arguments, const char *name);

/* Each of these returns 0, or -EINVAL with a text that quotes the value. */

/* A whole number in decimal from @min to @max; @what names it in the text. */
int parse_number(const char *text, const char *what, long min, long max, long *number,
		 struct error *error);

/* A time in seconds: a whole number above 0 and s, m, h or d, at most 3650d; @what names it. */
int parse_time(const char *text, const char *what, int64_t *seconds, struct error *error);

/* TCP flags: at least one of the letters F S R P A U E C, each at most once, in capitals. */
int parse_flags(const char *text, struct error *error);

/*
 * An interface: "eth0", or "eth0.120" for VLAN 120 on it. Writes the name without the VLAN, and
 * the VLAN or 0. A suffix that is no VLAN's number belongs to the name.
 */
int parse_interface(const char *text, char name[static 16], long *vlan, struct error *error);

#endif
