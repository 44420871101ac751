// SPDX-License-Identifier: BSD-2-Clause
/* What a configuration changes, and which connections it cuts. */
#include "cli/print.h"

#define CUTS_MAX 20 /* are printed; --json has more */

static int print_changes(const json_t *review, FILE *out)
{
	const json_t *changes = json_object_get(review, "changes");
	const json_int_t all = json_integer_value(json_object_get(review, "added")) +
			       json_integer_value(json_object_get(review, "removed"));
	const size_t shown = json_array_size(changes);
	int code = 0;

	if (changes && !all)
		fputs("it says what was in force before\n", out);
	for (size_t i = 0; i < shown && !code; i++) {
		json_t *line = json_pack("{s:O}", "text", json_array_get(changes, i));

		code = print_members(out, line, "%s\n", "text");
		json_decref(line);
	}
	if (all > (json_int_t)shown)
		fprintf(out, "and %lld more\n", (long long)(all - (json_int_t)shown));
	return code;
}

static int print_cut(const json_t *cut, const char *verb, FILE *out)
{
	int code;

	fputs(verb, out);
	code = print_members(out, cut, " %s to port %s (", "remote", "port");
	if (!code && json_is_string(json_object_get(cut, "cluster")))
		code = print_members(out, cut, "cluster %s, ", "cluster");
	if (!code)
		code = print_members(out, cut, "interface %s, connections %s)\n", "interface",
				     "connections");
	return code;
}

int print_review(const json_t *review, const char *verb, FILE *out)
{
	const json_t *cuts = json_object_get(review, "cuts");
	const size_t count = json_array_size(cuts);
	int code = print_changes(review, out);

	for (size_t i = 0; i < count && i < CUTS_MAX && !code; i++)
		code = print_cut(json_array_get(cuts, i), verb, out);
	if (!code && count > CUTS_MAX)
		code = print_members(out, review, "and more: %s connections in all\n",
				     "cut_connections");
	if (!code && json_is_string(json_object_get(review, "cuts_error")))
		code = print_members(out, review, "warning: what it cuts is not known: %s\n",
				     "cuts_error");
	else if (!code && json_is_true(json_object_get(review, "cuts_incomplete")))
		fputs("warning: there are too many connections to look at all of them\n", out);
	return code;
}
