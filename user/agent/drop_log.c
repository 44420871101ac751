// SPDX-License-Identifier: BSD-2-Clause
#include "agent/drop_log.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "core/clock.h"
#include "daemon/log.h"

#define NUMBER_SIZE 24

static const char *text_of(const json_t *drop, const char *name)
{
	return json_string_value(json_object_get(drop, name));
}

/* Its digits; NULL where there is none, or 0, which says nothing. */
static const char *number_of(const json_t *drop, const char *name, char text[static NUMBER_SIZE])
{
	const json_int_t value = json_integer_value(json_object_get(drop, name));

	snprintf(text, NUMBER_SIZE, "%" JSON_INTEGER_FORMAT, value);
	return value ? text : NULL;
}

static bool is_within_limit(struct drop_log *log)
{
	const uint64_t second = monotonic_ms() / 1000;

	if (second != log->second) {
		log->second = second;
		log->in_second = 0;
	}
	if (log->in_second++ < DROPS_LOGGED_PER_SECOND)
		return true;
	log->unlogged++;
	return false;
}

void drop_log(struct drop_log *log, const json_t *drop)
{
	const char *verdict = text_of(drop, "verdict");
	char source_port[NUMBER_SIZE], port[NUMBER_SIZE], repeats[NUMBER_SIZE];
	char unlogged[NUMBER_SIZE];

	if (!is_within_limit(log))
		return;
	snprintf(unlogged, sizeof(unlogged), "%" PRIu64, log->unlogged);
	log_line(LOG_INFO, verdict && !strcmp(verdict, "drop") ? "drop" : "would drop", "interface",
		 text_of(drop, "interface"), "reason", text_of(drop, "reason"), "source",
		 text_of(drop, "source"), "source_port",
		 number_of(drop, "source_port", source_port), "destination",
		 text_of(drop, "destination"), "port", number_of(drop, "port", port), "flags",
		 text_of(drop, "flags"), "repeats", number_of(drop, "repeats", repeats), "unlogged",
		 log->unlogged ? unlogged : NULL, NULL);
	log->unlogged = 0;
}
