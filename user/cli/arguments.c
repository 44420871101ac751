// SPDX-License-Identifier: BSD-2-Clause
#include "cli/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define TTL_MAX_S (3650LL * 24 * 3600)
#define VLAN_MAX  4094

/* Finds the option that @length bytes at @word name. */
static const char *find_option(const char *const *options, const char *word, size_t length)
{
	for (; options && *options; options++)
		if (strcspn(*options, "=") == length && memcmp(*options, word, length) == 0)
			return *options;
	return NULL;
}

/* Takes the option at *@words, and its value where it has one. */
static int take_option(struct arguments *arguments, char ***words, const char *const *options,
		       const char *const *more_options, struct error *error)
{
	const char *word = strcmp(**words, "-h") == 0 ? "--help" : **words;
	size_t length = strcspn(word, "=");
	const char *name, *value = word[length] ? word + length + 1 : NULL;

	name = find_option(options, word, length);
	if (!name)
		name = find_option(more_options, word, length);
	if (!name)
		return error_set(error, -EINVAL, "unknown option %s", QUOTE(word));
	++*words;
	if (!strchr(name, '=')) {
		if (value)
			return error_set(error, -EINVAL, "option %s takes no value", name);
		value = "";
	} else if (!value) {
		if (!**words)
			return error_set(error, -EINVAL, "option %.*s needs a value", (int)length,
					 name);
		value = *(*words)++;
	}
	if (arguments->option_count == ARGUMENT_OPTIONS_MAX)
		return error_set(error, -EINVAL, "too many options");
	arguments->options[arguments->option_count].name = name;
	arguments->options[arguments->option_count++].value = value;
	return 0;
}

int arguments_parse(struct arguments *arguments, char ***words, const char *const *options,
		    const char *const *more_options, bool first_word_ends, struct error *error)
{
	bool only_words = false;
	int code;

	while (**words) {
		const char *word = **words;

		if (!only_words && strcmp(word, "--") == 0) {
			only_words = true;
			++*words;
		} else if (!only_words && word[0] == '-' && word[1]) {
			code = take_option(arguments, words, options, more_options, error);
			if (code)
				return code;
		} else if (first_word_ends) {
			return 0;
		} else if (arguments->word_count == ARGUMENT_WORDS_MAX) {
			return error_set(error, -EINVAL, "%s is one word too many", QUOTE(word));
		} else {
			arguments->words[arguments->word_count++] = word;
			++*words;
		}
	}
	return 0;
}

const char *arguments_option(const struct arguments *arguments, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < arguments->option_count; i++) {
		const char *known = arguments->options[i].name;
		size_t length = strcspn(known, "=");

		if (strlen(name) == length && memcmp(known, name, length) == 0)
			value = arguments->options[i].value;
	}
	return value;
}

int parse_number(const char *text, const char *what, long min, long max, long *number,
		 struct error *error)
{
	char *end = NULL;
	long value = 0;

	errno = 0;
	if (isdigit((unsigned char)*text))
		value = strtol(text, &end, 10);
	if (!end || *end || errno || value < min || value > max)
		return error_set(error, -EINVAL, "%s %s is not a number from %ld to %ld", what,
				 QUOTE(text), min, max);
	*number = value;
	return 0;
}

int parse_time(const char *text, const char *what, int64_t *seconds, struct error *error)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 24 * 3600}};
	int64_t count = 0;
	const char *c = text;

	for (; isdigit((unsigned char)*c) && count <= TTL_MAX_S; c++)
		count = count * 10 + (*c - '0');
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && count > 0; i++) {
		if (c[0] != units[i].letter || c[1])
			continue;
		if (count > TTL_MAX_S / units[i].seconds)
			break;
		*seconds = count * units[i].seconds;
		return 0;
	}
	return error_set(error, -EINVAL, "%s %s is not like 30s, 15m, 1h or 7d, at most 3650d",
			 what, QUOTE(text));
}

int parse_flags(const char *text, struct error *error)
{
	const char *bad = *text ? text + strspn(text, "FSRPAUEC") : NULL;

	for (const char *c = text; bad && !*bad && *c; c++)
		if (strchr(c + 1, *c))
			bad = c;
	if (!bad || *bad)
		return error_set(error, -EINVAL,
				 "flags %s are not some of the letters FSRPAUEC, each once",
				 QUOTE(text));
	return 0;
}

int parse_interface(const char *text, char name[static 16], long *vlan, struct error *error)
{
	const char *dot = strrchr(text, '.');
	size_t length = strlen(text);

	*vlan = 0;
	if (dot && dot > text && dot[1] != '0' &&
	    !parse_number(dot + 1, "VLAN", 1, VLAN_MAX, vlan, NULL))
		length = (size_t)(dot - text);
	if (!length || length > 15 || memchr(text, '/', length))
		return error_set(error, -EINVAL, "%s is not the name of an interface", QUOTE(text));
	memcpy(name, text, length);
	name[length] = '\0';
	return 0;
}
