/* SPDX-License-Identifier: BSD-2-Clause */
/* What discovery finds, in the words of the log and as events. */
#ifndef BEAMFENCE_DISCOVERY_LOG_H
#define BEAMFENCE_DISCOVERY_LOG_H

#include "agent/nodes.h"

/* What was said last, so that it is not said again at once: any local user may be the reason. */
struct said {
	uint64_t untracked, refused, missed;
	size_t doubted, stray;
	int64_t tables_ms, missed_ms;
};

/* A listener that came or went; as listener_report. */
void log_listener(const struct agent *agent, enum listener_event event,
		  const struct known_listener *listener);

/* A listener whose node is known now. */
void log_node(const struct agent *agent, struct known_listener *listener);

/* A port that answered; @was: the evidence of before. */
void log_settled(const struct agent *agent, enum evidence was, struct known_listener *listener);

void log_heard(struct said *said, const struct heard *heard);

/* Listeners that found no room, in any table. */
void log_tables(struct said *said, const struct fence *fence);

/* Events that the kernel kept from the watch, and what was made good. */
void log_findings(struct said *said, const struct fence *fence,
		  const struct watch_findings *findings);

#endif
