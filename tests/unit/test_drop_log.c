// SPDX-License-Identifier: BSD-2-Clause
/* Drops as lines of the log. */
#include "agent/drop_log.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"

static int reader, saved_stderr;

static void capture(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_INFO);
}

static void restore(void)
{
	dup2(saved_stderr, STDERR_FILENO);
}

TestSuite(drop_log, .init = capture, .fini = restore);

static const char *logged(void)
{
	static char text[16384];
	const ssize_t size = read(reader, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	return text;
}

static void drop(struct drop_log *log, const char *verdict)
{
	json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:i, s:s, s:i, s:s, s:i}", "verdict",
				  verdict, "interface", "eth0", "reason", "client-new", "source",
				  "192.0.2.7", "source_port", 4000, "destination", "192.0.2.1",
				  "port", 4369, "flags", "S", "repeats", 0);

	drop_log(log, event);
	json_decref(event);
}

Test(drop_log, a_line_says_who_and_where)
{
	struct drop_log log = {};

	drop(&log, "drop");
	cr_expect(strstr(logged(), "info drop interface=eth0 reason=client-new source=192.0.2.7 "
				   "source_port=4000 destination=192.0.2.1 port=4369 flags=S\n"));
	drop(&log, "pass");
	cr_expect(strstr(logged(), "info would drop interface=eth0"));
}

Test(drop_log, more_than_the_limit_are_counted_in_a_later_line)
{
	struct drop_log log = {};
	const char *text;
	size_t lines = 0;

	for (int i = 0; i < 100; i++)
		drop(&log, "drop");
	for (text = logged(); (text = strchr(text, '\n')); text++)
		lines++;
	cr_expect(lines >= DROPS_LOGGED_PER_SECOND && lines <= 2 * DROPS_LOGGED_PER_SECOND);
	log.second--; /* as if it were over */
	drop(&log, "drop");
	cr_expect(strstr(logged(), " unlogged="));
}
