// SPDX-License-Identifier: BSD-2-Clause
/* beamfence events: which of them are shown. */
#include <stdlib.h>
#include <time.h>

#include "cli/event_filter.h"
#include "tests/unit/cli_run.h"

TestSuite(event_filter, .init = start, .fini = stop);

#define DROP(interface, time, source)                                                    \
	"{\"time\":" time                                                                \
	",\"event\":\"drop\",\"interface\":\"" interface "\",\"reason\":\"client-new\"," \
	"\"source\":\"" source "\",\"source_port\":1,"                                   \
	"\"destination\":\"10.0.0.1\",\"port\":4369,\"flags\":\"S\"}"
#define REPLY                                                                                   \
	"{\"version\":1,\"ok\":true,\"result\":["                                               \
	"{\"time\":100,\"event\":\"agent\",\"what\":\"started\"}," DROP(                        \
		"eth0", "200",                                                                  \
		"192.0.2.1") "," DROP("eth0.7", "300",                                          \
				      "192.0.2.2") ","                                          \
						   "{\"time\":400,\"event\":\"node\",\"what\":" \
						   "\"registered\"}," DROP("eth1", "500.5",     \
									   "192.0.2.3") "]}\n"

/* Which of the events are shown, a digit for each of their times: "125". */
static const char *shown(char **options)
{
	static char digits[8];
	char *words[16] = {"beamfence", "--socket", path, "--json", "events"};
	size_t used = 0;

	for (size_t i = 0; options[i]; i++)
		words[5 + i] = options[i];
	answer(REPLY);
	cr_assert_eq(run_words(words), 0, "%s", errors);
	asked();
	dismiss();
	for (const char *at = output; (at = strstr(at, "\"time\"")); at++)
		digits[used++] = at[strcspn(at, "12345")];
	digits[used] = '\0';
	return digits;
}

#define SHOWN(...) shown((char *[]){__VA_ARGS__, NULL})

Test(event_filter, kinds_interfaces_times_and_numbers_are_told_apart)
{
	cr_expect_str_eq(SHOWN("--last", "1536"), "12345");
	cr_expect_str_eq(SHOWN("--type", "drop"), "235");
	cr_expect_str_eq(SHOWN("--type", "node,agent"), "14");
	cr_expect_str_eq(SHOWN("--interface", "eth0"), "2");
	cr_expect_str_eq(SHOWN("--interface", "eth0*"), "23");
	cr_expect_str_eq(SHOWN("--since", "1970-01-01T00:05:00Z"), "345");
	cr_expect_str_eq(SHOWN("--since", "1970-01-01 00:05:01"), "45");
	cr_expect_str_eq(SHOWN("--since", "1970-01-01"), "12345");
	cr_expect_str_eq(SHOWN("--since", "1h"), "");
	cr_expect_str_eq(SHOWN("--type", "drop", "--last", "2"), "35");
	cr_expect_str_eq(
		SHOWN("--type", "drop", "--interface", "eth*", "--since", "1970-01-01T00:04"),
		"35");
}

Test(event_filter, all_is_asked_for_where_some_is_left_out)
{
	answer(REPLY);
	cr_assert_eq(ASK("events", "--type", "drop", "--last", "1"), 0);
	cr_assert(!strstr(asked(), "last"), "%s", agent.request);
	dismiss();
	answer(REPLY);
	cr_assert_eq(ASK("events", "--last", "7"), 0);
	cr_assert(strstr(asked(), "\"last\":7"), "%s", agent.request);
}

Test(event_filter, what_is_no_kind_or_time_is_wrong_usage)
{
	static char *const types[] = {"drops", "", ",drop", "drop,", "drop,,node"};
	static char *const times[] = {"yesterday", "", "2026-13-01", "10",
				      "2026-11-28T08:00:00+01"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		cr_expect_eq(ASK("events", "--type", types[i]), 2, "%s", types[i]);
		expect_error_line("is not some of drop, listener, node");
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		cr_expect_eq(ASK("events", "--since", times[i]), 2, "%s", times[i]);
		expect_error_line("no moment like 2026-11-28T08:00:00Z");
	}
}

Test(event_filter, the_kinds_that_are_named_are_those_of_the_help)
{
	cr_assert_eq(RUN("events", "--help"), 0);
	for (const char *const *kind = event_kinds; *kind; kind++)
		cr_expect(strstr(output, *kind), "%s", *kind);
}
