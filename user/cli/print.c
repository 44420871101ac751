// SPDX-License-Identifier: BSD-2-Clause
#include "cli/print.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "cli/escape.h"
#include "core/cleanup.h"

const char *print_time(const json_t *value, char text[static PRINT_TIME_SIZE])
{
	time_t seconds = (time_t)json_integer_value(value);
	struct tm utc;

	if (!json_is_integer(value) || !gmtime_r(&seconds, &utc) ||
	    !strftime(text, PRINT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &utc))
		text[0] = '\0';
	return text;
}

static int print_scalar(const json_t *value, FILE *out)
{
	if (json_is_integer(value)) {
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	} else if (json_is_boolean(value)) {
		fputs(json_is_true(value) ? "yes" : "no", out);
	} else if (json_is_string(value)) {
		_cleanup_free_ char *escaped = escape(json_string_value(value));

		if (!escaped)
			return -ENOMEM;
		fputs(escaped, out);
	} else {
		fputc('-', out);
	}
	return 0;
}

static int print_value(const json_t *value, FILE *out)
{
	int code = 0;

	if (!json_is_array(value) || !json_array_size(value))
		return print_scalar(value, out);
	for (size_t i = 0; i < json_array_size(value) && !code; i++) {
		if (i)
			fputc(' ', out);
		code = print_scalar(json_array_get(value, i), out);
	}
	return code;
}

int print_members(FILE *out, const json_t *object, const char *format, ...)
{
	const char *place;
	va_list names;
	int code = 0;

	va_start(names, format);
	while (!code && (place = strstr(format, "%s"))) {
		fwrite(format, 1, (size_t)(place - format), out);
		code = print_value(json_object_get(object, va_arg(names, const char *)), out);
		format = place + strlen("%s");
	}
	va_end(names);
	if (!code)
		fputs(format, out);
	return code;
}

int print_peer_added(const json_t *peer, FILE *out)
{
	return print_members(out, peer, "added %s to cluster %s\n", "prefix", "cluster");
}

int print_peer_deleted(const json_t *peer, FILE *out)
{
	return print_members(out, peer, "removed %s from cluster %s\n", "prefix", "cluster");
}

int print_detach(const json_t *detach, FILE *out)
{
	return print_members(out, detach, "detached: %s\n", "detached");
}

int print_try(const json_t *trial, FILE *out)
{
	const int code = print_members(out, trial,
				       "%s is in force for %s s; \"beamfence confirm\" keeps it, "
				       "\"beamfence revert\" goes back now\n",
				       "file", "for_s");

	return code ? code : print_review(trial, "cuts", out);
}

int print_confirm(const json_t *confirmed, FILE *out)
{
	int code = print_members(out, confirmed, "%s stays in force\n", "file");

	if (!code && json_is_true(json_object_get(confirmed, "differs")))
		code = print_members(out, confirmed,
				     "install it as %s and reload: the next start of the agent "
				     "reads that file\n",
				     "config");
	return code;
}

int print_revert(const json_t *reverted, FILE *out)
{
	return print_members(out, reverted, "went back to what was in force before %s\n", "file");
}

int print_explanation(const json_t *explanation, FILE *out)
{
	const json_t *verdict = json_object_get(explanation, "verdict");
	const json_t *decision = json_object_get(explanation, "decision");
	const json_t *cluster = json_object_get(explanation, "cluster");
	int code;

	code = print_members(out, explanation, "%s: %s: %s (zone %s", "verdict", "reason", "text",
			     "zone");
	if (!code && json_is_string(cluster))
		code = print_members(out, explanation, ", cluster %s", "cluster");
	if (!code)
		code = print_members(out, explanation, ", mode %s", "mode");
	if (!code && json_is_string(decision) && !json_equal(verdict, decision))
		code = print_members(out, explanation, "; in enforce mode: %s", "decision");
	fputs(")\n", out);
	return code;
}
