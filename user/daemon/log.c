// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/log.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/journal.h"

static bool to_journal;
static int log_threshold = LOG_INFO;
static const char *log_identifier = "beamfenced";

#define PRIORITY_LENGTH 3 /* of "<6>", which starts a line for the journal */

/* The line as it grows, or an entry of the journal; one byte is kept for the newline. */
struct line {
	char text[2 * LOG_LINE_MAX];
	size_t size; /* that may be used */
	size_t length;
	bool full;
};

/* Appends all of @text, or nothing from here on, so that a cut never halves an escape. */
static void line_add(struct line *line, const char *text)
{
	size_t length = strlen(text);

	if (length > line->size - 1 - line->length)
		line->full = true;
	if (line->full)
		return;
	memcpy(line->text + line->length, text, length);
	line->length += length;
}

static void line_add_escaped(struct line *line, const char *text, bool quoted)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		char piece[8] = {(char)c};

		if (c == '\n')
			strcpy(piece, "\\n");
		else if (c == '\t')
			strcpy(piece, "\\t");
		else if (c < 0x20 || c >= 0x7f)
			snprintf(piece, sizeof(piece), "\\x%02x", c);
		else if (quoted && (c == '"' || c == '\\'))
			snprintf(piece, sizeof(piece), "\\%c", c);
		line_add(line, piece);
	}
}

static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (; *value; value++)
		if (*value <= ' ' || *value >= 0x7f || strchr("\"\\=", *value))
			return true;
	return false;
}

static void line_add_pair(struct line *line, const char *key, const char *value)
{
	bool quoted = needs_quotes(value);
	const char *quote = quoted ? "\"" : "";

	line_add(line, " ");
	line_add(line, key);
	line_add(line, "=");
	line_add(line, quote);
	line_add_escaped(line, value, quoted);
	line_add(line, quote);
}

static const char *level_name(int level)
{
	switch (level) {
	case LOG_ALERT:
		return "alert";
	case LOG_CRIT:
		return "critical";
	case LOG_WARNING:
		return "warning";
	case LOG_NOTICE:
		return "notice";
	case LOG_INFO:
		return "info";
	case LOG_DEBUG:
		return "debug";
	default:
		return "error";
	}
}

static void line_begin(struct line *line, int level)
{
	char start[48];
	struct tm utc;
	time_t now;

	if (to_journal) {
		snprintf(start, sizeof(start), "<%d>", level);
		line_add(line, start);
		return;
	}
	now = time(NULL);
	if (gmtime_r(&now, &utc) && strftime(start, sizeof(start), "%Y-%m-%dT%H:%M:%SZ ", &utc))
		line_add(line, start);
	line_add(line, level_name(level));
	line_add(line, " ");
}

/* A field of a journal's entry: its name is the key in capitals. */
static void entry_add(struct line *entry, const char *prefix, const char *key, const char *value)
{
	line_add(entry, prefix);
	for (; *key; key++) {
		const unsigned char c = (unsigned char)*key;
		const char name[] = {isalnum(c) ? (char)toupper(c) : '_', '\0'};

		line_add(entry, name);
	}
	line_add(entry, "=");
	line_add_escaped(entry, value, false);
	line_add(entry, "\n");
}

/* Sends the line to the journal, with its pairs as fields. Whether that took it. */
static bool send_entry(int level, const struct line *line, va_list pairs)
{
	struct line entry = {.size = sizeof(entry.text)};
	const char priority[] = {(char)('0' + level), '\0'};
	const char *key, *value;

	entry_add(&entry, "", "SYSLOG_IDENTIFIER", log_identifier);
	entry_add(&entry, "", "PRIORITY", priority);
	line_add(&entry, "MESSAGE=");
	line_add(&entry, line->text + PRIORITY_LENGTH);
	line_add(&entry, "\n");
	while ((key = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		if (value)
			entry_add(&entry, "BEAMFENCE_", key, value);
	}
	return !entry.full && journal_send(entry.text, entry.length) == 0;
}

void log_identify(const char *name)
{
	log_identifier = name;
}

void log_open(int threshold)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[64];
	struct stat st;

	log_threshold = threshold;
	to_journal = false;
	journal_close();
	if (!stream || fstat(STDERR_FILENO, &st))
		return;
	/* systemd.exec(5): device and inode of the stream, in decimal. */
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	to_journal = strcmp(stream, own) == 0;
	if (to_journal)
		journal_open(JOURNAL_SOCKET); /* without it, lines on stderr are what there is */
}

/* Never waits for whoever reads it: an agent that does so no longer fences what is new. */
static void write_line(const char *text, size_t length)
{
	struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (send(STDERR_FILENO, text, length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	    errno != ENOTSOCK)
		return;
	/* A pipe that can be written to takes PIPE_BUF bytes at once (pipe(7)). */
	while (poll(&ready, 1, 0) == 1 && ready.revents & POLLOUT &&
	       write(STDERR_FILENO, text, length) < 0 && errno == EINTR)
		;
}

void log_line(int level, const char *message, ...)
{
	struct line line = {.size = LOG_LINE_MAX};
	int saved_errno = errno;
	const char *key, *value;
	va_list pairs;

	if (level > log_threshold)
		return;
	line_begin(&line, level);
	line_add_escaped(&line, message, false);
	va_start(pairs, message);
	while ((key = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		if (value)
			line_add_pair(&line, key, value);
	}
	va_end(pairs);
	va_start(pairs, message);
	if (!to_journal || !send_entry(level, &line, pairs)) {
		line.text[line.length++] = '\n';
		write_line(line.text, line.length);
	}
	va_end(pairs);
	errno = saved_errno;
}
