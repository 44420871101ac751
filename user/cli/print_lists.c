// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/table.h"
#include "core/cleanup.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static json_int_t port_number(const json_t *port)
{
	return json_integer_value(json_object_get(port, "port"));
}

static int compare_ports(const void *a, const void *b)
{
	json_int_t left = port_number(*(json_t *const *)a);
	json_int_t right = port_number(*(json_t *const *)b);

	return (left > right) - (left < right);
}

/* Whether @next can be shown in one range with @last: the next number, and else the same. */
static bool continues(const json_t *last, const json_t *next)
{
	static const char *const names[] = {"kind", "source",  "cluster", "node",
					    "pid",  "process", "address", "since"};

	if (port_number(next) != port_number(last) + 1)
		return false;
	for (size_t i = 0; i < COUNT(names); i++) {
		const json_t *one = json_object_get(last, names[i]);
		const json_t *other = json_object_get(next, names[i]);

		if (one != other && !json_equal(one, other))
			return false;
	}
	return true;
}

/* Adds the row for the ports from @first to @last, which are the same but for their number. */
static void add_ports(struct table *table, const json_t *first, const json_t *last)
{
	char range[64], since[PRINT_TIME_SIZE];

	if (first == last)
		snprintf(range, sizeof(range), "%" JSON_INTEGER_FORMAT, port_number(first));
	else
		snprintf(range, sizeof(range), "%" JSON_INTEGER_FORMAT "-%" JSON_INTEGER_FORMAT,
			 port_number(first), port_number(last));
	table_add(table, range);
	table_add_json(table, json_object_get(first, "kind"));
	table_add_json(table, json_object_get(first, "source"));
	table_add_json(table, json_object_get(first, "cluster"));
	table_add_json(table, json_object_get(first, "node"));
	table_add_json(table, json_object_get(first, "pid"));
	table_add_json(table, json_object_get(first, "process"));
	table_add_json(table, json_object_get(first, "address"));
	table_add(table, print_time(json_object_get(first, "since"), since));
}

int print_ports(const json_t *ports, FILE *out)
{
	static const struct column columns[] = {
		{"PORT", false},    {"KIND", false},	{"SOURCE", false},
		{"CLUSTER", false}, {"NODE", false},	{"PID", true},
		{"PROCESS", false}, {"ADDRESS", false}, {"SINCE", false},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};
	size_t count = json_array_size(ports), start = 0;
	_cleanup_free_ json_t **sorted = calloc(count + 1, sizeof(json_t *));

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		sorted[i] = json_array_get(ports, i);
	qsort(sorted, count, sizeof(json_t *), compare_ports);
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && continues(sorted[i], sorted[i + 1]))
			continue;
		add_ports(&table, sorted[start], sorted[i]);
		start = i + 1;
	}
	return table_finish(&table, out);
}

/* "root (0), pid 4711", as far as it is known. */
static void add_originator(struct table *table, const json_t *peer)
{
	const char *name = json_string_value(json_object_get(peer, "added_by_name"));
	const json_t *uid = json_object_get(peer, "added_by");
	const json_t *pid = json_object_get(peer, "added_by_pid");
	char who[128] = "", process[40] = "";

	if (json_is_integer(uid) && name)
		snprintf(who, sizeof(who), "%.64s (%" JSON_INTEGER_FORMAT ")", name,
			 json_integer_value(uid));
	else if (json_is_integer(uid))
		snprintf(who, sizeof(who), "uid %" JSON_INTEGER_FORMAT, json_integer_value(uid));
	if (*who && json_is_integer(pid))
		snprintf(process, sizeof(process), ", pid %" JSON_INTEGER_FORMAT,
			 json_integer_value(pid));
	strcat(who, process);
	table_add(table, who);
}

int print_peers(const json_t *peers, FILE *out)
{
	static const struct column columns[] = {
		{"CLUSTER", false}, {"PREFIX", false}, {"SOURCE", false},
		{"EXPIRES", false}, {"BY", false},     {"COMMENT", false},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};

	for (size_t i = 0; i < json_array_size(peers); i++) {
		const json_t *peer = json_array_get(peers, i);
		char expires[PRINT_TIME_SIZE];

		table_add_json(&table, json_object_get(peer, "cluster"));
		table_add_json(&table, json_object_get(peer, "prefix"));
		if (json_is_false(json_object_get(peer, "in_force")))
			table_add(&table, "runtime, not in force");
		else
			table_add_json(&table, json_object_get(peer, "source"));
		table_add(&table, print_time(json_object_get(peer, "expires"), expires));
		add_originator(&table, peer);
		table_add_json(&table, json_object_get(peer, "comment"));
	}
	return table_finish(&table, out);
}

static int print_some_counters(const json_t *counters, bool all, FILE *out)
{
	static const struct column columns[] = {
		{"INTERFACE", false}, {"ZONE", false},	 {"VERDICT", false},
		{"REASON", false},    {"PACKETS", true}, {"BYTES", true},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};

	for (size_t i = 0; i < json_array_size(counters); i++) {
		const json_t *counter = json_array_get(counters, i);

		if (!all && !json_integer_value(json_object_get(counter, "packets")))
			continue;
		table_add_json(&table, json_object_get(counter, "interface"));
		table_add_json(&table, json_object_get(counter, "zone"));
		table_add_json(&table, json_object_get(counter, "verdict"));
		table_add_json(&table, json_object_get(counter, "reason"));
		table_add_json(&table, json_object_get(counter, "packets"));
		table_add_json(&table, json_object_get(counter, "bytes"));
	}
	return table_finish(&table, out);
}

int print_counters(const json_t *counters, FILE *out)
{
	return print_some_counters(counters, true, out);
}

int print_counters_moved(const json_t *counters, FILE *out)
{
	return print_some_counters(counters, false, out);
}
