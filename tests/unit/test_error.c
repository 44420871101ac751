// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"

Test(error, returns_the_code_and_formats_the_text)
{
	struct error error = {""};

	cr_assert_eq(error_set(&error, -EINVAL, "port %d of %s", 70000, "app"), -EINVAL);
	cr_assert_str_eq(error.text, "port 70000 of app");
}

Test(error, returns_the_code_without_a_place_for_the_text)
{
	cr_assert_eq(error_set(NULL, -ENOMEM, "%s", "unused"), -ENOMEM);
}

Test(error, keeps_one_printable_line)
{
	struct error error = {""};

	error_set(&error, -EINVAL, "a\nb\tc\x1b[31md\x7f.");
	cr_assert_str_eq(error.text, "a?b?c?[31md?.");
}

Test(error, keeps_utf8)
{
	struct error error = {""};

	error_set(&error, -EINVAL, "%s", "nœud");
	cr_assert_str_eq(error.text, "nœud");
}

Test(error, cuts_what_does_not_fit)
{
	struct error error = {""};
	char text[2000];

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	error_set(&error, -EINVAL, "%s", text);
	cr_assert_eq(strlen(error.text), sizeof(error.text) - 1);
	cr_assert_eq(strspn(error.text, "x"), sizeof(error.text) - 1);
}
