// SPDX-License-Identifier: BSD-2-Clause
#include "cli/event_filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "core/text.h"

const char *const event_kinds[] = {"drop",  "listener", "node",	 "interface", "reload",
				   "trial", "peer",	"agent", NULL};

/* Whether @name, @length bytes of it, is one of the kinds. */
static bool is_kind(const char *name, size_t length)
{
	for (const char *const *kind = event_kinds; *kind; kind++)
		if (strlen(*kind) == length && !memcmp(*kind, name, length))
			return true;
	return false;
}

static int check_types(const char *types, struct error *error)
{
	for (const char *name = types; name; name = strchr(name, ',')) {
		name += *name == ',' && name > types;
		if (!is_kind(name, strcspn(name, ",")))
			return error_set(error, -EINVAL,
					 "type %s is not some of drop, listener, node, interface, "
					 "reload, trial, peer, agent, separated by commas",
					 QUOTE(types));
	}
	return 0;
}

/* A moment in UTC: "2026-11-28", with or without a time of day and Z. */
static bool read_moment(const char *text, double *since)
{
	static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
					      "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d"};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm utc = {};
		const char *end = strptime(text, formats[i], &utc);

		if (!end || strcmp(end + (*end == 'Z'), "") != 0)
			continue;
		*since = (double)timegm(&utc);
		return true;
	}
	return false;
}

static int read_since(const char *text, double *since, struct error *error)
{
	int64_t seconds;

	if (read_moment(text, since))
		return 0;
	if (parse_time(text, "time", &seconds, NULL))
		return error_set(error, -EINVAL,
				 "time %s is not like 30s, 15m, 1h or 7d, and no moment like "
				 "2026-11-28T08:00:00Z",
				 QUOTE(text));
	*since = (double)(time(NULL) - seconds);
	return 0;
}

int event_filter_read(const struct arguments *arguments, struct event_filter *filter,
		      struct error *error)
{
	const char *since = arguments_option(arguments, "--since");
	int code;

	*filter = (struct event_filter){
		.types = arguments_option(arguments, "--type"),
		.interface = arguments_option(arguments, "--interface"),
	};
	code = check_types(filter->types, error);
	return code || !since ? code : read_since(since, &filter->since, error);
}

bool event_filter_is_any(const struct event_filter *filter)
{
	return filter->types || filter->interface || filter->since > 0;
}

static bool is_listed(const char *types, const char *kind)
{
	const size_t length = strlen(kind);

	for (const char *name = types; name; name = strchr(name, ',')) {
		name += *name == ',';
		if (strcspn(name, ",") == length && !memcmp(name, kind, length))
			return true;
	}
	return false;
}

bool event_filter_fits(const struct event_filter *filter, const json_t *event)
{
	const char *kind = json_string_value(json_object_get(event, "event"));
	const char *interface = json_string_value(json_object_get(event, "interface"));

	if (kind && !strcmp(kind, "lost"))
		return true; /* what it was is not known */
	if (filter->types && (!kind || !is_listed(filter->types, kind)))
		return false;
	if (filter->interface && (!interface || fnmatch(filter->interface, interface, 0) != 0))
		return false;
	return json_number_value(json_object_get(event, "time")) >= filter->since;
}

void event_filter_list(const struct event_filter *filter, json_t *list, size_t limit)
{
	for (size_t i = json_array_size(list); i > 0; i--)
		if (!event_filter_fits(filter, json_array_get(list, i - 1)))
			json_array_remove(list, i - 1);
	while (json_array_size(list) > limit)
		json_array_remove(list, 0);
}
