// SPDX-License-Identifier: BSD-2-Clause
/* Events as lines for people. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/print.h"

/* What is printed is UTC wherever it is read. */
static void set_time_zone(void)
{
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
}

TestSuite(print_events, .init = set_time_zone);

static void expect(const char *event, const char *line)
{
	json_t *object = json_loads(event, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert(object && out);
	cr_assert_eq(print_event(object, out), 0);
	fclose(out);
	cr_expect_str_eq(text, line);
	free(text);
	json_decref(object);
}

Test(print_events, a_dropped_frame_is_one_line)
{
	expect("{\"time\": 1795358267.857438, \"event\": \"drop\", \"interface\": \"eth0\","
	       " \"reason\": \"client-new\", \"source\": \"192.0.2.1\", \"source_port\": 1234,"
	       " \"destination\": \"10.0.0.5\", \"port\": 4369, \"flags\": \"S\", \"vlan\": 0,"
	       " \"mode\": \"enforce\", \"repeats\": 0, \"first_sight\": true}",
	       "2026-11-22T14:37:47.857Z drop eth0 client-new 192.0.2.1:1234 -> 10.0.0.5:4369 [S], "
	       "first sight\n");
}

Test(print_events, repeats_vlan_audit_and_what_was_asked_are_told)
{
	expect("{\"time\": 1795358267, \"event\": \"drop\", \"interface\": \"eth0.7\","
	       " \"reason\": \"client-segment\", \"source\": \"2001:db8::1\", \"source_port\": 1,"
	       " \"destination\": \"2001:db8::2\", \"port\": 4369, \"flags\": \"PA\", \"vlan\": 7,"
	       " \"mode\": \"audit\", \"repeats\": 12, \"first_sight\": false, \"asked\":"
	       " {\"protocol\": \"epmd\", \"request\": \"PORT_PLEASE2\", \"name\": \"app\"}}",
	       "2026-11-22T14:37:47.000Z drop eth0.7 client-segment [2001:db8::1]:1 -> "
	       "[2001:db8::2]:4369 [PA], VLAN 7, asked epmd PORT_PLEASE2 \"app\", "
	       "passed (audit), and 12 more since the last event\n");
}

Test(print_events, a_frame_whose_headers_were_not_read_has_no_ends)
{
	expect("{\"time\": 1795358267, \"event\": \"drop\", \"interface\": \"eth0\","
	       " \"reason\": \"vlan-too-deep\", \"vlan\": 5, \"mode\": \"enforce\"}",
	       "2026-11-22T14:37:47.000Z drop eth0 vlan-too-deep, VLAN 5\n");
}

Test(print_events, other_events_are_told_by_their_members)
{
	expect("{\"time\": 1795358267, \"event\": \"peer\", \"what\": \"added\", \"cluster\":"
	       " \"app\", \"prefix\": \"10.0.0.1/32\"}",
	       "2026-11-22T14:37:47.000Z peer added, cluster app, prefix 10.0.0.1/32\n");
	expect("{\"event\": \"lost\", \"count\": 7}", "7 events lost: this reader was too slow\n");
}

Test(print_events, what_is_from_outside_cannot_steer_the_terminal)
{
	expect("{\"event\": \"node\", \"what\": \"\\u001b[2J\", \"\\u001b[1m\": \"\\u202eb\"}",
	       "node \\x1b[2J, \\x1b[1m \\xe2\\x80\\xaeb\n");
}
