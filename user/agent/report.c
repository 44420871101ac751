// SPDX-License-Identifier: BSD-2-Clause
#include "agent/report.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "agent/events.h"
#include "agent/features.h"
#include "agent/snapshot.h"
#include "core/cleanup.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "kernel/pins.h"

/* Tells the service manager, where that is news. */
static void tell_manager(struct report *report, const struct snapshot *snapshot)
{
	char summary[SUMMARY_SIZE];

	health_summary(snapshot, summary);
	if (strcmp(summary, report->status) != 0 && !notify_status(summary))
		snprintf(report->status, sizeof(report->status), "%s", summary);
}

void report_policy(struct report *report, const struct agent *agent)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;

	if (!snapshot_take(agent, &snapshot)) {
		state_log_all(&report->log, &snapshot);
		tell_manager(report, &snapshot);
	}
	events_look_at_interfaces(agent->events);
}

void report_interfaces(struct report *report, const struct agent *agent)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;

	if (!snapshot_take(agent, &snapshot)) {
		state_log_changes(&report->log, &snapshot);
		tell_manager(report, &snapshot);
	}
	events_look_at_interfaces(agent->events);
}

void report_problems(struct report *report, const struct agent *agent)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;

	if (snapshot_take(agent, &snapshot))
		return;
	tell_manager(report, &snapshot);
	state_log_problems(&report->log, &snapshot);
}

void report_free(struct report *report)
{
	state_log_free(&report->log);
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
	char status[SUMMARY_SIZE];

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
