/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's log: one line on stderr for each event, written with a single write(2), after time
 * and level ("2026-11-22T10:00:00Z info attached interface=eth0"). Where stderr is the journal, the
 * line goes there as an entry whose pairs are fields as well (BEAMFENCE_INTERFACE=eth0); or, where
 * that is refused, to stderr after its priority ("<6>attached interface=eth0"). Only what runs the
 * event loop logs; what it calls returns errors.
 */
#ifndef BEAMFENCE_LOG_H
#define BEAMFENCE_LOG_H

#include <syslog.h>

#define LOG_LINE_MAX 2048 /* bytes of a line, newline included; what does not fit is cut */

/*
 * Looks whether stderr is the journal, and drops lines of less importance than @threshold from
 * now on. Without this call: not the journal, LOG_INFO.
 */
void log_open(int threshold);

/* Whose lines these are, for the journal: "beamfenced" without this call. @name is not copied. */
void log_identify(const char *name);

/*
 * Logs @message at @level (LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO or
 * LOG_DEBUG), followed by pairs of strings, key then value, ended by NULL:
 *     log_line(LOG_INFO, "attached", "interface", name, "mode", "native", NULL);
 * A value that is NULL leaves its pair out. Values are quoted where they need it; whatever is not
 * printable ASCII is escaped, in the message too. A line that stderr does not take at once is lost:
 * the agent never waits for its log. Keeps errno.
 */
void log_line(int level, const char *message, ...) __attribute__((sentinel));

#endif
