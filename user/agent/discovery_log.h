/* SPDX-License-Identifier: BSD-2-Clause */
/* What discovery finds, in the words of the log and as events. */
#ifndef BEAMFENCE_DISCOVERY_LOG_H
#define BEAMFENCE_DISCOVERY_LOG_H

#include "agent/nodes.h"

/* What was said last, so that it is not said again at once: any local user may be the reason. */
struct said {
	uint64_t untracked, refused, missed;
	size_t doubted;
	int64_t tables_ms, missed_ms, brief_ms;
	uint64_t brief; /* listeners that came and went without a line, since brief_ms */
};

/*
 * A listener that came or went; as listener_report. At once it is an event; a line of the log is
 * for those that stay: log_standing() is to be called from time to time.
 */
void log_listener(struct said *said, const struct agent *agent, enum listener_event event,
		  const struct known_listener *listener);

/* Listeners, and nodes, that have no line yet and are there for a while. */
void log_standing(struct said *said, const struct agent *agent);

/* A listener whose node is known now. */
void emit_node(const struct agent *agent, struct known_listener *listener);

/* A port that answered; @was: the evidence of before. */
void log_settled(const struct agent *agent, enum evidence was, struct known_listener *listener);

void log_heard(struct said *said, const struct heard *heard);

/* Listeners that found no room, in any table. */
void log_tables(struct said *said, const struct fence *fence);

/* Events that the kernel kept from the watch, and what was made good. */
void log_findings(struct said *said, const struct fence *fence,
		  const struct watch_findings *findings);

#endif
