/* SPDX-License-Identifier: BSD-2-Clause */
/* Aligned columns of text. Cells are escaped as they come in. */
#ifndef BEAMFENCE_TABLE_H
#define BEAMFENCE_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct column {
	const char *title;
	bool right; /* align to the right, as numbers are */
};

struct table {
	const struct column *columns;
	size_t column_count;
	char **cells; /* row by row */
	size_t cell_count;
	bool failed; /* out of memory */
};

/* Appends the next cell, from left to right and row by row. Empty text and NULL show as "-". */
void table_add(struct table *table, const char *text);

/* Appends a JSON value: text as it is, whole numbers, "yes", "no", and "-" for all else. */
void table_add_json(struct table *table, const json_t *value);

/* Prints titles and rows, and releases the cells. Returns 0 or -ENOMEM. */
int table_finish(struct table *table, FILE *out);

#endif
