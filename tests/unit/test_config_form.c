// SPDX-License-Identifier: BSD-2-Clause
/* The tables of keys: what only the schema says of them is true. */
#include "core/config_form.h"

#include "core/config_diff.h"
#include "tests/unit/config_file.h"

TestSuite(config_form, .init = make_directory, .fini = remove_directory);

/* Writes a section in which each key that can be left out has what its row says it is then. */
static void write_defaults(const struct form *section, FILE *out)
{
	const char *comma = "";

	fputc('{', out);
	for (size_t i = 0; i < section->key_count; i++) {
		const struct key *key = &section->keys[i];
		const struct form *form = key->form;

		if (!key->otherwise && form->kind != FORM_SECTION && !key->missing)
			continue;
		fprintf(out, "%s\"%s\": ", comma, key->name);
		comma = ", ";
		if (form->kind == FORM_SECTION) {
			write_defaults(form, out);
		} else if (form->kind == FORM_LIST && form->entry->kind == FORM_SECTION) {
			fputc('[', out);
			write_defaults(form->entry, out);
			fputc(']', out);
		} else {
			fputs(key->otherwise ? key->otherwise : "\"a\"", out);
		}
	}
	if (section->empty)
		fprintf(out, "%s\"client\": [\"eth0\"]", comma);
	fputc('}', out);
}

Test(config_form, defaults_are_those_of_the_reader)
{
	_cleanup_config_ struct config *without = loaded(FENCE "clusters: [{name: a}]\n");
	_cleanup_config_ struct config *with = NULL;
	_cleanup_(config_diff_free) struct config_diff diff = {};
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_not_null(out);
	write_defaults(&config_form, out);
	fclose(out);
	with = loaded(text);
	cr_assert_not(config_compare(without, with, &diff));
	cr_expect_eq(diff.added + diff.removed, 0, "%s: %s", text,
		     diff.line_count ? diff.lines[0] : "");
	cr_expect(strstr(text, "\"fixed\": \"known\""), "%s", text);
}
