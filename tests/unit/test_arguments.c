// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <errno.h>

#include "cli/arguments.h"

Test(arguments, times_to_live_are_read_with_their_unit)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = {{"30s", 30}, {"15m", 900}, {"1h", 3600}, {"7d", 604800}, {"3650d", 315360000}};
	static const char *const bad[] = {
		"",	"h",	"0s",  "5",    "-1h",	"+1h",
		"1.5h", "1hh",	"1 h", "1w",   "3651d", "1H",
		" 1h",	"0x1h", "1h ", "s30s", "\x1bs", "99999999999999999999s"};
	struct error error;
	int64_t seconds;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(parse_time(good[i].text, "time", &seconds, &error), 0, "%s",
			     good[i].text);
		cr_assert_eq(seconds, good[i].seconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(parse_time(bad[i], "time", &seconds, &error), -EINVAL, "%s", bad[i]);
}

Test(arguments, flags_are_letters_each_once)
{
	static const char *const bad[] = {"", "s", "SS", "SAS", "X", "S A", "S,"};

	cr_assert_eq(parse_flags("S", NULL), 0);
	cr_assert_eq(parse_flags("FSRPAUEC", NULL), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(parse_flags(bad[i], NULL), -EINVAL, "%s", bad[i]);
}

Test(arguments, numbers_are_decimal_and_within_bounds)
{
	static const char *const bad[] = {
		"", "0", "11", "-1", "+1", " 1", "1 ", "0x1", "99999999999999999999"};
	long number = 0;

	cr_assert_eq(parse_number("10", "x", 1, 10, &number, NULL), 0);
	cr_assert_eq(number, 10);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(parse_number(bad[i], "x", 1, 10, &number, NULL), -EINVAL, "%s",
			     bad[i]);
}

Test(arguments, an_interface_may_carry_its_vlan)
{
	static const struct {
		const char *text, *name;
		long vlan;
	} good[] = {
		{"eth0", "eth0", 0},
		{"eth0.120", "eth0", 120},
		{"eth0.4095", "eth0.4095", 0},
		{"eth0.0120", "eth0.0120", 0},
		{"a.b.7", "a.b", 7},
		{"wan.x", "wan.x", 0},
		{"abcdefghijklmno.4094", "abcdefghijklmno", 4094},
	};
	static const char *const bad[] = {"", "a/b", "abcdefghijklmnop"};
	char name[16];
	long vlan;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(parse_interface(good[i].text, name, &vlan, NULL), 0);
		cr_assert_str_eq(name, good[i].name);
		cr_assert_eq(vlan, good[i].vlan, "%s", good[i].text);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(parse_interface(bad[i], name, &vlan, NULL), -EINVAL, "%s", bad[i]);
}
