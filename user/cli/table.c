// SPDX-License-Identifier: BSD-2-Clause
#include "cli/table.h"

#include <errno.h>
#include <stdlib.h>

#include "cli/escape.h"

#define GAP	    2
#define FIRST_CELLS 64

/* Room doubles each time the count reaches a power of two. */
static bool make_room(struct table *table)
{
	size_t count = table->cell_count;
	char **cells;

	if (count && (count < FIRST_CELLS || (count & (count - 1))))
		return true;
	cells = realloc(table->cells, (count ? 2 * count : FIRST_CELLS) * sizeof(*cells));
	if (cells)
		table->cells = cells;
	return cells;
}

void table_add(struct table *table, const char *text)
{
	char *cell = escape(text && *text ? text : "-");

	if (table->failed || !cell || !make_room(table)) {
		table->failed = true;
		free(cell);
		return;
	}
	table->cells[table->cell_count++] = cell;
}

void table_add_json(struct table *table, const json_t *value)
{
	char number[32];

	if (json_is_string(value)) {
		table_add(table, json_string_value(value));
	} else if (json_is_integer(value)) {
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
		table_add(table, number);
	} else if (json_is_boolean(value)) {
		table_add(table, json_is_true(value) ? "yes" : "no");
	} else {
		table_add(table, NULL);
	}
}

static void print_cell(const struct column *column, bool last, size_t width, const char *text,
		       FILE *out)
{
	int padding = (int)(width - escape_width(text));

	if (column->right)
		fprintf(out, "%*s%s", padding, "", text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%s%*s", text, padding, "");
	if (last)
		fputc('\n', out);
	else
		fprintf(out, "%*s", GAP, "");
}

static void print_rows(const struct table *table, const size_t *widths, FILE *out)
{
	size_t count = table->column_count;

	for (size_t i = 0; i < count; i++)
		print_cell(&table->columns[i], i + 1 == count, widths[i], table->columns[i].title,
			   out);
	for (size_t i = 0; i < table->cell_count; i++)
		print_cell(&table->columns[i % count], (i + 1) % count == 0, widths[i % count],
			   table->cells[i], out);
}

int table_finish(struct table *table, FILE *out)
{
	size_t count = table->column_count;
	size_t *widths = calloc(count, sizeof(*widths));

	if (!widths)
		table->failed = true;
	if (!table->failed) {
		for (size_t i = 0; i < count; i++)
			widths[i] = escape_width(table->columns[i].title);
		for (size_t i = 0; i < table->cell_count; i++) {
			size_t width = escape_width(table->cells[i]);

			if (width > widths[i % count])
				widths[i % count] = width;
		}
		print_rows(table, widths, out);
	}
	for (size_t i = 0; i < table->cell_count; i++)
		free(table->cells[i]);
	free(widths);
	free(table->cells);
	table->cells = NULL;
	table->cell_count = 0;
	return table->failed ? -ENOMEM : 0;
}
