/* SPDX-License-Identifier: BSD-2-Clause */
/* Drops as lines of the log, for those who ask for it (events.journal). */
#ifndef BEAMFENCE_DROP_LOG_H
#define BEAMFENCE_DROP_LOG_H

#include <jansson.h>
#include <stdint.h>

#define DROPS_LOGGED_PER_SECOND 10

struct drop_log {
	uint64_t second;
	unsigned int in_second;
	uint64_t unlogged; /* since the last line, which the next one says */
};

/* Logs the event "drop" @drop, unless there were too many in this second. */
void drop_log(struct drop_log *log, const json_t *drop);

#endif
