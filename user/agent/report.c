// SPDX-License-Identifier: BSD-2-Clause
#include "agent/report.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "agent/events.h"
#include "agent/features.h"
#include "core/cleanup.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "kernel/detach.h"

void report_outcome(struct outcome *outcome, const struct agent *agent)
{
	const size_t dormant = agent_count_dormant(agent);
	char count[24], summary[AGENT_SUMMARY_SIZE];

	outcome_log(outcome, agent);
	notify_status(agent_summary(agent, summary));
	events_look_at_interfaces(agent->events);
	if (dormant) {
		snprintf(count, sizeof(count), "%zu", dormant);
		log_line(LOG_WARNING,
			 "runtime peers of clusters that the configuration does not "
			 "have are kept, but not in force",
			 "count", count, NULL);
	}
}

void report_reload(const struct agent *agent, const struct review *review)
{
	char added[24], removed[24], cut[24];

	snprintf(added, sizeof(added), "%zu", review->diff.added);
	snprintf(removed, sizeof(removed), "%zu", review->diff.removed);
	snprintf(cut, sizeof(cut), "%zu", review->connections);
	log_line(review->connections ? LOG_WARNING : LOG_NOTICE, "reloaded", "config",
		 agent->config_path, "added", added, "removed", removed, "cut_connections", cut,
		 NULL);
}

void report_start(const struct agent *agent)
{
	static const char *const starts[] = {
		[FENCE_FRESH] = "fresh",
		[FENCE_ADOPTED] = "adopted what an earlier agent left in force",
		[FENCE_REPLACED] = "replaced what an earlier, different agent left in force",
	};
	const struct fence_features features = fence_features(agent->fence);

	log_line(LOG_NOTICE, "started", "version", BEAMFENCE_VERSION, "start",
		 starts[fence_start(agent->fence)], "mode", mode_name(agent->policy->mode), "frags",
		 features.multi_buffer ? "yes" : "no", "conntrack",
		 features.conntrack ? "yes" : "no", "gate", features.gate ? "yes" : "no", "listens",
		 features.listens ? "yes" : "no", NULL);
	features_log(agent);
	event_emit(agent->events, "agent", "{s:s, s:s, s:s, s:s}", "what", "started", "version",
		   BEAMFENCE_VERSION, "start", starts[fence_start(agent->fence)], "mode",
		   mode_name(agent->policy->mode));
}

static bool has_links(const char *pin_dir)
{
	_cleanup_(cleanup_closedir) DIR *dir = opendir(pin_dir);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, PIN_LINK_PREFIX, strlen(PIN_LINK_PREFIX)))
			return true;
	return false;
}

void report_no_config(const char *pin_dir, const struct error *error)
{
	const char *message = has_links(pin_dir)
				      ? "no configuration can be used: what an earlier agent left "
					"in force stays, and nobody keeps it true"
				      : "no configuration can be used: NOTHING IS FENCED";
	char status[AGENT_SUMMARY_SIZE];

	log_line(LOG_ALERT, message, "error", error->text, NULL);
	snprintf(status, sizeof(status), "%s: %s", message, error->text);
	notify_status(status);
}

static const char *text_of(const json_t *arguments, const char *name)
{
	return json_string_value(json_object_get(arguments, name));
}

/* Writes a number's digits and returns @text; NULL where there is none. */
static const char *number_of(const json_t *arguments, const char *name, char text[static 24])
{
	const json_t *value = json_object_get(arguments, name);

	if (!json_is_integer(value))
		return NULL;
	snprintf(text, 24, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	return text;
}

void report_change(const struct control_peer *peer, const char *command, const json_t *arguments,
		   int code, const struct error *error)
{
	char uid[24], pid[24], ttl_s[24], for_s[24];

	snprintf(uid, sizeof(uid), "%u", peer->uid);
	snprintf(pid, sizeof(pid), "%d", peer->pid);
	log_line(LOG_NOTICE, code < 0 ? "command refused" : "command", "command", command, "uid",
		 uid, "pid", pid, "cluster", text_of(arguments, "cluster"), "prefix",
		 text_of(arguments, "prefix"), "ttl_s", number_of(arguments, "ttl_s", ttl_s),
		 "comment", text_of(arguments, "comment"), "file", text_of(arguments, "name"),
		 "for_s", number_of(arguments, "for_s", for_s), "error",
		 code < 0 ? error->text : NULL, NULL);
}
