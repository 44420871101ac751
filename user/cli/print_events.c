// SPDX-License-Identifier: BSD-2-Clause
/* An event as a line for people. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/escape.h"
#include "cli/print.h"
#include "core/cleanup.h"

/* UTC, as in the log, to the millisecond. */
static void print_moment(const json_t *event, FILE *out)
{
	const double time = json_number_value(json_object_get(event, "time"));
	const time_t seconds = (time_t)time;
	char text[PRINT_TIME_SIZE];
	struct tm utc;

	if (time > 0 && gmtime_r(&seconds, &utc) &&
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		fprintf(out, "%s.%03dZ ", text, (int)((time - (double)seconds) * 1000));
}

/* "10.0.0.1:80" or "[2001:db8::1]:80" */
static int print_end(const json_t *event, const char *address, const char *port, FILE *out)
{
	const char *text = json_string_value(json_object_get(event, address));

	return print_members(out, event, text && strchr(text, ':') ? "[%s]:%s" : "%s:%s", address,
			     port);
}

static int print_asked(const json_t *asked, FILE *out)
{
	int code = print_members(out, asked, ", asked %s %s", "protocol", "request");

	if (!code && json_object_get(asked, "name"))
		code = print_members(out, asked, " \"%s\"", "name");
	return code;
}

static int print_drop(const json_t *event, FILE *out)
{
	const json_t *asked = json_object_get(event, "asked");
	const json_t *mode = json_object_get(event, "mode");
	int code = print_members(out, event, "drop %s %s", "interface", "reason");

	if (!code && json_object_get(event, "source")) {
		fputc(' ', out);
		code = print_end(event, "source", "source_port", out);
		fputs(" -> ", out);
		if (!code)
			code = print_end(event, "destination", "port", out);
		if (!code)
			code = print_members(out, event, " [%s]", "flags");
	}
	if (!code && json_integer_value(json_object_get(event, "vlan")))
		code = print_members(out, event, ", VLAN %s", "vlan");
	if (!code && json_is_object(asked))
		code = print_asked(asked, out);
	if (json_is_string(mode) && !strcmp(json_string_value(mode), "audit"))
		fputs(", passed (audit)", out);
	if (json_is_true(json_object_get(event, "first_sight")))
		fputs(", first sight", out);
	if (!code && json_integer_value(json_object_get(event, "repeats")))
		code = print_members(out, event, ", and %s more since the last event", "repeats");
	return code;
}

/* The rest: what happened, then each member by its name. */
static int print_other(const json_t *event, FILE *out)
{
	const char *name;
	json_t *value;
	int code = print_members(out, event, json_object_get(event, "what") ? "%s %s" : "%s",
				 "event", "what");

	json_object_foreach((json_t *)event, name, value)
	{
		_cleanup_free_ char *escaped = NULL;

		if (code || !strcmp(name, "time") || !strcmp(name, "event") ||
		    !strcmp(name, "what"))
			continue;
		escaped = escape(name);
		if (!escaped)
			return -ENOMEM;
		fprintf(out, ", %s ", escaped);
		code = print_members(out, event, "%s", name);
	}
	return code;
}

int print_event(const json_t *event, FILE *out)
{
	const char *kind = json_string_value(json_object_get(event, "event"));
	int code;

	print_moment(event, out);
	if (kind && !strcmp(kind, "drop"))
		code = print_drop(event, out);
	else if (kind && !strcmp(kind, "lost"))
		code = print_members(out, event, "%s events lost: this reader was too slow",
				     "count");
	else
		code = print_other(event, out);
	fputc('\n', out);
	return code;
}
