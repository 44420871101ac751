// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/journal.h"

static int reader = -1;
static int saved_stderr = -1;

static void capture(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	unsetenv("JOURNAL_STREAM");
}

static void restore(void)
{
	dup2(saved_stderr, STDERR_FILENO);
}

/* What was logged since the last call. A pipe hands out at once what one write(2) put in. */
static const char *logged(void)
{
	static char text[4 * LOG_LINE_MAX];
	ssize_t got = read(reader, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

/* The same without the time in front, whose form is checked. */
static const char *logged_untimed(void)
{
	const char *text = logged();
	regex_t time;

	cr_assert_eq(regcomp(&time, "^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z ",
			     REG_EXTENDED),
		     0);
	cr_assert_eq(regexec(&time, text, 0, NULL, 0), 0, "no time in front: %s", text);
	regfree(&time);
	return text + strlen("2026-11-22T10:00:00Z ");
}

TestSuite(log, .init = capture, .fini = restore);

static void claim_journal(const char *before_inode)
{
	char stream[64];
	struct stat st;

	cr_assert_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%lu:%s%lu", (unsigned long)st.st_dev, before_inode,
		 (unsigned long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
}

Test(log, a_line_has_time_level_message_and_pairs)
{
	log_line(LOG_INFO, "attached", "interface", "eth0", "mode", "native", NULL);
	cr_assert_str_eq(logged_untimed(), "info attached interface=eth0 mode=native\n");
}

/* The journal's end of its socket, which the agent is told of after log_open(). */
static int play_journal(char *path, size_t size)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	snprintf(path, size, "/tmp/beamfence-journal-%d", (int)getpid());
	strcpy(address.sun_path, path);
	unlink(path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	claim_journal("");
	log_open(LOG_INFO);
	cr_assert_eq(journal_open(path), 0);
	return fd;
}

Test(log, under_the_journal_pairs_are_fields)
{
	char path[64], entry[4 * LOG_LINE_MAX];
	int fd = play_journal(path, sizeof(path));
	ssize_t got;

	log_line(LOG_NOTICE, "refused", "interface", "eth0", "peer", "a b\nPRIORITY=0", "none",
		 NULL, "exit-code", "1", NULL);
	got = recv(fd, entry, sizeof(entry) - 1, 0);
	unlink(path);
	cr_assert_gt(got, 0);
	entry[got] = '\0';
	cr_assert_str_eq(entry,
			 "SYSLOG_IDENTIFIER=beamfenced\nPRIORITY=5\n"
			 "MESSAGE=refused interface=eth0 peer=\"a b\\nPRIORITY=0\" exit-code=1\n"
			 "BEAMFENCE_INTERFACE=eth0\nBEAMFENCE_PEER=a b\\nPRIORITY=0\n"
			 "BEAMFENCE_EXIT_CODE=1\n");
	cr_assert_str_empty(logged());
}

Test(log, a_journal_that_does_not_take_an_entry_gets_the_line)
{
	char path[64];
	int fd = play_journal(path, sizeof(path));

	close(fd);
	log_line(LOG_WARNING, "unassigned", "interface", "eth5", NULL);
	unlink(path);
	cr_assert_str_eq(logged(), "<4>unassigned interface=eth5\n");
}

Test(log, without_the_journals_socket_a_line_has_a_priority_and_no_time)
{
	claim_journal("");
	log_open(LOG_INFO);
	journal_close();
	log_line(LOG_WARNING, "unassigned", "interface", "eth5", NULL);
	cr_assert_str_eq(logged(), "<4>unassigned interface=eth5\n");
}

Test(log, a_journal_stream_that_is_not_stderr_changes_nothing)
{
	claim_journal("1");
	log_open(LOG_INFO);
	log_line(LOG_ERR, "failed", NULL);
	cr_assert_str_eq(logged_untimed(), "error failed\n");
}

Test(log, each_level_has_its_name)
{
	log_open(LOG_DEBUG);
	log_line(LOG_ERR, "a", NULL);
	log_line(LOG_WARNING, "b", NULL);
	cr_assert(strstr(logged(), "Z warning b\n"));
	log_line(LOG_NOTICE, "c", NULL);
	cr_assert_str_eq(logged_untimed(), "notice c\n");
	log_line(LOG_DEBUG, "d", NULL);
	cr_assert_str_eq(logged_untimed(), "debug d\n");
}

Test(log, lines_below_the_threshold_are_dropped)
{
	log_line(LOG_DEBUG, "not by default", NULL);
	log_open(LOG_WARNING);
	log_line(LOG_INFO, "not now", NULL);
	cr_assert_str_empty(logged());
	log_line(LOG_WARNING, "this", NULL);
	cr_assert_str_eq(logged_untimed(), "warning this\n");
}

Test(log, values_are_quoted_where_they_need_it)
{
	log_line(LOG_INFO, "m", "plain", "a-b/c:1", "space", "a b", "equals", "a=b", "quote",
		 "a\"b\\c", "empty", "", NULL);
	cr_assert_str_eq(logged_untimed(), "info m plain=a-b/c:1 space=\"a b\" equals=\"a=b\" "
					   "quote=\"a\\\"b\\\\c\" empty=\"\"\n");
}

Test(log, nothing_from_outside_can_forge_a_line_or_steer_a_terminal)
{
	log_line(LOG_INFO, "bad\nname\x1b[2J", "node", "x\r\n<0>forged\t\xc2\x9b\xff", NULL);
	cr_assert_str_eq(logged_untimed(), "info bad\\nname\\x1b[2J "
					   "node=\"x\\x0d\\n<0>forged\\t\\xc2\\x9b\\xff\"\n");
}

Test(log, a_pair_without_a_value_is_left_out)
{
	log_line(LOG_INFO, "m", "cluster", NULL, "port", "4369", NULL);
	cr_assert_str_eq(logged_untimed(), "info m port=4369\n");
}

Test(log, a_long_line_is_cut_between_escapes_and_keeps_its_end)
{
	char value[3 * LOG_LINE_MAX];
	const char *text;

	memset(value, 1, sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_line(LOG_INFO, "m", "value", value, "after", "x", NULL);
	text = logged();
	cr_assert_leq(strlen(text), LOG_LINE_MAX);
	cr_assert_geq(strlen(text), LOG_LINE_MAX - 8);
	cr_assert_str_eq(text + strlen(text) - 5, "\\x01\n");
}

Test(log, a_full_stderr_loses_the_line_and_does_not_block)
{
	char block[4096] = {0};

	while (write(STDERR_FILENO, block, sizeof(block)) > 0)
		;
	errno = ENOENT;
	log_line(LOG_INFO, "lost", NULL);
	cr_assert_eq(errno, ENOENT);
}
