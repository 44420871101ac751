// SPDX-License-Identifier: BSD-2-Clause
#include "cli/top_screen.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/print.h"
#include "cli/table.h"
#include "core/cleanup.h"

#define ROWS_AROUND 8 /* the head, and titles and blank lines of three tables */
#define KEYS_MAX    4
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* A line of a table: what it is about, and its rates. */
struct rate {
	const char *keys[KEYS_MAX];
	json_int_t port;
	double passed; /* frames a second */
	double dropped;
	double bits;
};

struct rates {
	struct rate *items;
	size_t count;
};

void sample_clear(struct sample *sample)
{
	json_decref(sample->status);
	json_decref(sample->counters);
	json_decref(sample->sources);
	*sample = (struct sample){};
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

static bool same(const json_t *a, const json_t *b, const char *const *names)
{
	for (; *names; names++)
		if (!json_equal(json_object_get(a, *names), json_object_get(b, *names)))
			return false;
	return true;
}

/* The same row of the sample before: most often at the same place. */
static const json_t *find_before(const json_t *list, size_t place, const json_t *row,
				 const char *const *names)
{
	const json_t *there = json_array_get(list, place);

	if (there && same(there, row, names))
		return there;
	for (size_t i = 0; i < json_array_size(list); i++)
		if (same(json_array_get(list, i), row, names))
			return json_array_get(list, i);
	return NULL;
}

/* What a count grew by; one that went back has begun anew. */
static double growth(const json_t *before, const json_t *now, const char *name)
{
	const json_int_t old = json_integer_value(json_object_get(before, name));
	const json_int_t new = json_integer_value(json_object_get(now, name));

	return (double)(new < old ? new : new - old);
}

/* The line for these keys, which is added where there is none. @rates has room. */
static struct rate *rate_for(struct rates *rates, const struct rate *wanted)
{
	for (size_t i = 0; i < rates->count; i++) {
		size_t k = 0;

		while (k < KEYS_MAX &&
		       (!wanted->keys[k] || !strcmp(wanted->keys[k], rates->items[i].keys[k])))
			k++;
		if (k == KEYS_MAX && rates->items[i].port == wanted->port)
			return &rates->items[i];
	}
	rates->items[rates->count] = *wanted;
	return &rates->items[rates->count++];
}

static int by_rate(const void *left, const void *right)
{
	const struct rate *a = left, *b = right;
	const double difference = a->dropped != b->dropped ? b->dropped - a->dropped
							   : b->passed - a->passed;

	return difference > 0 ? 1 : difference < 0 ? -1 : 0;
}

/* Adds up the counters by @first and @second (which may be NULL) member. */
static int add_counters(const struct sample *before, const struct sample *now, const char *first,
			const char *second, struct rates *rates)
{
	static const char *const names[] = {"interface", "zone", "verdict", "reason", NULL};
	const double seconds = now->time_s - before->time_s;

	rates->items = calloc(json_array_size(now->counters) + 1, sizeof(*rates->items));
	for (size_t i = 0; i < json_array_size(now->counters) && rates->items; i++) {
		const json_t *row = json_array_get(now->counters, i);
		const json_t *old = find_before(before->counters, i, row, names);
		const double frames = growth(old, row, "packets") / seconds;
		const struct rate wanted = {
			.keys = {text_of(row, first), second ? text_of(row, second) : NULL},
		};
		struct rate *rate = rate_for(rates, &wanted);

		if (!strcmp(text_of(row, "verdict"), "drop"))
			rate->dropped += frames;
		else
			rate->passed += frames;
		rate->bits += growth(old, row, "bytes") * 8 / seconds;
	}
	if (!rates->items)
		return -ENOMEM;
	qsort(rates->items, rates->count, sizeof(*rates->items), by_rate);
	return 0;
}

static int add_sources(const struct sample *before, const struct sample *now, struct rates *rates)
{
	static const char *const names[] = {"source", "port",	 "interface",
					    "reason", "verdict", NULL};
	const double seconds = now->time_s - before->time_s;

	rates->items = calloc(json_array_size(now->sources) + 1, sizeof(*rates->items));
	for (size_t i = 0; i < json_array_size(now->sources) && rates->items; i++) {
		const json_t *row = json_array_get(now->sources, i);
		const json_t *old = find_before(before->sources, i, row, names);
		const double frames = growth(old, row, "packets") / seconds;

		if (frames > 0)
			rates->items[rates->count++] = (struct rate){
				.keys = {text_of(row, "source"), text_of(row, "interface"),
					 text_of(row, "reason"), text_of(row, "verdict")},
				.port = json_integer_value(json_object_get(row, "port")),
				.dropped = frames,
			};
	}
	if (!rates->items)
		return -ENOMEM;
	qsort(rates->items, rates->count, sizeof(*rates->items), by_rate);
	return 0;
}

static void add_number(struct table *table, double number)
{
	char text[32];

	if (number < 99999.5)
		snprintf(text, sizeof(text), "%.*f", number > 0 && number < 9.95 ? 1 : 0, number);
	else if (number < 99999500)
		snprintf(text, sizeof(text), "%.0fk", number / 1e3);
	else
		snprintf(text, sizeof(text), "%.0fM", number / 1e6);
	table_add(table, text);
}

static int print_interfaces(const struct rates *rates, size_t limit, FILE *out)
{
	static const struct column columns[] = {
		{"INTERFACE", false}, {"ZONE", false}, {"PASS/s", true},
		{"DROP/s", true},     {"BIT/s", true},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};

	for (size_t i = 0; i < rates->count && i < limit; i++) {
		table_add(&table, rates->items[i].keys[0]);
		table_add(&table, rates->items[i].keys[1]);
		add_number(&table, rates->items[i].passed);
		add_number(&table, rates->items[i].dropped);
		add_number(&table, rates->items[i].bits);
	}
	return table_finish(&table, out);
}

static int print_reasons(const struct rates *rates, size_t limit, FILE *out)
{
	static const struct column columns[] = {
		{"REASON", false},
		{"VERDICT", false},
		{"FRAMES/s", true},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};

	for (size_t i = 0; i < rates->count && i < limit; i++) {
		table_add(&table, rates->items[i].keys[0]);
		table_add(&table, rates->items[i].keys[1]);
		add_number(&table, rates->items[i].passed + rates->items[i].dropped);
	}
	return table_finish(&table, out);
}

static int print_sources(const struct rates *rates, size_t limit, FILE *out)
{
	static const struct column columns[] = {
		{"SOURCE", false}, {"PORT", true},     {"INTERFACE", false},
		{"REASON", false}, {"VERDICT", false}, {"FRAMES/s", true},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};
	char port[16];

	for (size_t i = 0; i < rates->count && i < limit; i++) {
		snprintf(port, sizeof(port), "%d", (int)rates->items[i].port);
		table_add(&table, rates->items[i].keys[0]);
		table_add(&table, port);
		table_add(&table, rates->items[i].keys[1]);
		table_add(&table, rates->items[i].keys[2]);
		table_add(&table, rates->items[i].keys[3]);
		add_number(&table, rates->items[i].dropped);
	}
	return table_finish(&table, out);
}

static void print_head(const struct sample *now, FILE *out)
{
	const time_t seconds = time(NULL);
	char text[PRINT_TIME_SIZE] = "";
	struct tm utc;

	if (gmtime_r(&seconds, &utc))
		strftime(text, sizeof(text), "%H:%M:%SZ", &utc);
	fprintf(out, "beamfence %s  ", text);
	print_members(out, now->status, "mode %s, %s protected ports, %s peers", "mode",
		      "protected_ports", "peers");
	fputs("  (q quits)\n\n", out);
}

/* Those that nothing happens under need no line. */
static void leave_out_idle(struct rates *rates)
{
	size_t kept = 0;

	for (size_t i = 0; i < rates->count; i++)
		if (rates->items[i].passed + rates->items[i].dropped > 0)
			rates->items[kept++] = rates->items[i];
	rates->count = kept;
}

static size_t at_most(size_t count, size_t limit)
{
	return count < limit ? count : limit;
}

/* A third for each of the first two tables at most; what is left is the sources'. */
static int print_tables(const struct rates *interfaces, const struct rates *reasons,
			const struct rates *sources, size_t rows, FILE *out)
{
	const size_t left = rows > ROWS_AROUND + 3 ? rows - ROWS_AROUND : 3;
	const size_t first = at_most(interfaces->count, left / 3);
	const size_t second = at_most(reasons->count, left / 3);
	int code = print_interfaces(interfaces, first, out);

	fputc('\n', out);
	if (!code)
		code = print_reasons(reasons, second, out);
	fputc('\n', out);
	return code ? code : print_sources(sources, left - first - second, out);
}

int top_print(const struct sample *before, const struct sample *now, unsigned int rows, FILE *out)
{
	struct rates interfaces = {}, reasons = {}, sources = {};
	int code = add_counters(before, now, "interface", "zone", &interfaces);

	if (!code)
		code = add_counters(before, now, "reason", "verdict", &reasons);
	if (!code)
		code = add_sources(before, now, &sources);
	if (!code) {
		leave_out_idle(&reasons);
		print_head(now, out);
		code = print_tables(&interfaces, &reasons, &sources, rows, out);
	}
	free(interfaces.items);
	free(reasons.items);
	free(sources.items);
	return code;
}
