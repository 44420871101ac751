// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <string.h>

#include "core/text.h"

static void expect_quote(const char *value, const char *expected)
{
	char out[QUOTE_SIZE];

	text_quote(value, out);
	cr_expect_str_eq(out, expected, "got %s, expected %s", out, expected);
}

Test(text, quotes_ordinary_text_as_it_is)
{
	expect_quote("", "\"\"");
	expect_quote("eth0.120", "\"eth0.120\"");
	expect_quote("nœud@ホスト", "\"nœud@ホスト\"");
}

Test(text, makes_harmful_characters_visible)
{
	expect_quote("a\nb\x1b[0m", "\"a?b?[0m\"");
	expect_quote("c1 \xc2\x9b!", "\"c1 ?!\"");
	expect_quote("right-to-left \xe2\x80\xae!", "\"right-to-left ?!\"");
	expect_quote("isolate \xe2\x81\xa6!", "\"isolate ?!\"");
}

Test(text, replaces_each_byte_that_is_not_utf8)
{
	expect_quote("\xff\xfe", "\"??\"");
	expect_quote("cut \xe3\x83", "\"cut ??\"");
	expect_quote("overlong \xc0\xaf", "\"overlong ??\"");
	expect_quote("surrogate \xed\xa0\x80", "\"surrogate ???\"");
}

Test(text, cuts_long_values_between_characters)
{
	for (size_t ascii = 0; ascii < 4; ascii++) {
		char value[400] = "", out[QUOTE_SIZE];
		uint32_t character;

		memset(value, 'x', ascii);
		for (size_t i = 0; i < 100; i++)
			strcat(value, "ホ");
		text_quote(value, out);
		cr_expect_lt(strlen(out), QUOTE_SIZE);
		cr_expect_str_eq(out + strlen(out) - 4, "...\"");
		for (const char *c = out; *c;) {
			size_t size = text_decode(c, strlen(c), &character);

			cr_assert_gt(size, 0, "broken character in %s", out);
			c += size;
		}
	}
}

Test(text, quotes_the_longest_value_that_fits_uncut)
{
	char value[QUOTE_SIZE] = "", out[QUOTE_SIZE];

	memset(value, 'x', QUOTE_SIZE - 6);
	text_quote(value, out);
	cr_expect_null(strstr(out, "..."));
	value[strlen(value)] = 'x';
	text_quote(value, out);
	cr_expect_not_null(strstr(out, "..."));
}

Test(text, decodes_exactly_what_rfc_3629_allows)
{
	static const struct {
		const char *bytes;
		size_t size;
		uint32_t character;
	} rows[] = {
		{"A", 1, 'A'},
		{"\xc2\x80", 2, 0x80},
		{"\xdf\xbf", 2, 0x7ff},
		{"\xe0\xa0\x80", 3, 0x800},
		{"\xed\x9f\xbf", 3, 0xd7ff},
		{"\xef\xbf\xbf", 3, 0xffff},
		{"\xf0\x90\x80\x80", 4, 0x10000},
		{"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
		{"", 0, 0},
		{"\x80", 0, 0},
		{"\xc1\xbf", 0, 0},
		{"\xe0\x9f\xbf", 0, 0},
		{"\xf0\x8f\xbf\xbf", 0, 0},
		{"\xf4\x90\x80\x80", 0, 0},
		{"\xf5\x80\x80\x80", 0, 0},
		{"\xe2\x82", 0, 0},
		{"\xe2\x28\xa1", 0, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t character = 0;
		size_t size = text_decode(rows[i].bytes, strlen(rows[i].bytes), &character);

		cr_expect_eq(size, rows[i].size, "row %zu: size %zu", i, size);
		cr_expect_eq(character, rows[i].character, "row %zu: U+%04X", i, character);
	}
}
