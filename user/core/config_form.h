/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of the configuration, and what may stand behind each. The reader goes by these tables,
 * and the JSON schema is made of them: what only a reader knows, the schema cannot say.
 */
#ifndef BEAMFENCE_CONFIG_FORM_H
#define BEAMFENCE_CONFIG_FORM_H

#include <stdbool.h>
#include <stddef.h>

struct reader;
struct node;
struct key;

enum form_kind {
	FORM_SECTION, /* keys and values */
	FORM_LIST,
	FORM_CHOICE, /* one of some words */
	FORM_SWITCH, /* true or false */
	FORM_PORT,   /* a port or a range of ports */
	FORM_PRESET, /* the name of a preset */
	FORM_WORD,   /* of certain characters */
	FORM_TEXT,   /* what its reader takes */
};

/* What a value may be. The fields of the other kinds are left out. */
struct form {
	enum form_kind kind;

	/* FORM_SECTION */
	const struct key *keys;
	size_t key_count;
	const char *empty; /* what is said when no list in it has an entry; NULL: that is fine */

	/* FORM_LIST: no entry may be in it twice */
	const struct form *entry;

	/* FORM_CHOICE, and false and true of FORM_SWITCH */
	const char *const *choices;
	size_t choice_count;

	/* FORM_WORD: characters as between the brackets of a regular expression */
	const char *first;
	const char *following;
	const char *noun;    /* what it is called in messages */
	const char *letters; /* and its characters */

	/* FORM_TEXT: all that its reader takes matches this (ECMA 262), and most that it refuses
	 * does not */
	const char *pattern;

	unsigned max; /* of a list's entries, of a word's or text's characters; 0: no limit */
	bool numeric; /* a word or text that YAML may take for a number or for true or false */
};

struct key {
	const char *name;
	const struct form *form;
	/* Takes the value, which is of the form's kind, into @target; NULL for a section whose keys
	 * have the same target. */
	int (*read)(struct reader *reader, const struct key *key, const struct node *value,
		    void *target);
	const char *about;
	const char *otherwise; /* what holds without the key, as JSON; NULL: nothing */
	const char *missing;   /* what is said where the key is missing; NULL: it may be */
};

#define FORM_KEYS(array)    .keys = (array), .key_count = sizeof(array) / sizeof((array)[0])
#define FORM_CHOICES(array) .choices = (array), .choice_count = sizeof(array) / sizeof((array)[0])

#define PATTERN_PORT \
	"([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

/* The whole file. */
extern const struct form config_form;

/* Forms that several keys have. */
extern const struct form form_switch;
extern const struct form form_ports;
extern const struct form form_presets;

#endif
