// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <stdlib.h>

#include "cli/escape.h"

Test(escape, escaping_leaves_text_and_disarms_the_rest)
{
	static const struct {
		const char *text, *escaped;
		size_t width;
	} cases[] = {
		{"app@host-1.example", "app@host-1.example", 18},
		{"na\xc3\xafve", "na\xc3\xafve", 5},
		{"a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f", 15},
		{"\x1b[2J\xc2\x9b", "\\x1b[2J\\xc2\\x9b", 15},
		{"\xe2\x80\xaex", "\\xe2\\x80\\xaex", 13},
		{"\xff\xc3", "\\xff\\xc3", 8},
		{"a\\x0a", "a\\x5cx0a", 8},
		{"", "", 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *escaped = escape(cases[i].text);

		cr_assert_str_eq(escaped, cases[i].escaped);
		cr_assert_eq(escape_width(escaped), cases[i].width, "%s", escaped);
		free(escaped);
	}
}
