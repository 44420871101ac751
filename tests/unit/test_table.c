// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cli/escape.h"
#include "cli/table.h"

Test(table, a_table_of_many_rows_keeps_its_columns)
{
	static const struct column columns[] = {{"NAME", false}, {"N", true}};
	struct table table = {.columns = columns, .column_count = 2};
	char *text = NULL, *line, *rest = NULL;
	size_t size, rows = 0;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; i < 1000; i++) {
		table_add(&table, i % 2 ? "\xc3\xa9t\xc3\xa9" : "summer");
		table_add_json(&table, NULL);
	}
	cr_assert_eq(table_finish(&table, out), 0);
	fclose(out);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), rows++)
		cr_assert_eq(escape_width(line), strlen("summer  -"), "%s", line);
	cr_assert_eq(rows, 1001);
	free(text);
}
