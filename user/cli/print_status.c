// SPDX-License-Identifier: BSD-2-Clause
#include <stdlib.h>
#include <string.h>

#include "cli/print.h"
#include "cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The name of an interface with its VLAN, whether or not the name says it already. */
static void add_interface_name(struct table *table, const json_t *interface)
{
	const char *name = json_string_value(json_object_get(interface, "name"));
	const json_t *vlan = json_object_get(interface, "vlan");
	char suffix[32], full[64];
	size_t length;

	if (!name || json_integer_value(vlan) == 0) {
		table_add(table, name);
		return;
	}
	snprintf(suffix, sizeof(suffix), ".%" JSON_INTEGER_FORMAT, json_integer_value(vlan));
	length = strlen(name);
	if (length > strlen(suffix) && strcmp(name + length - strlen(suffix), suffix) == 0)
		suffix[0] = '\0';
	snprintf(full, sizeof(full), "%.31s%s", name, suffix);
	table_add(table, full);
}

static int print_interfaces(const json_t *interfaces, FILE *out)
{
	static const struct column columns[] = {
		{"INTERFACE", false}, {"ZONE", false}, {"ATTACHED", false},
		{"MODE", false},      {"ON", false},   {"PROBLEM", false},
	};
	struct table table = {.columns = columns, .column_count = COUNT(columns)};

	for (size_t i = 0; i < json_array_size(interfaces); i++) {
		const json_t *interface = json_array_get(interfaces, i);

		add_interface_name(&table, interface);
		table_add_json(&table, json_object_get(interface, "zone"));
		table_add_json(&table, json_object_get(interface, "attached"));
		table_add_json(&table, json_object_get(interface, "attach_mode"));
		table_add_json(&table, json_object_get(interface, "on"));
		table_add_json(&table, json_object_get(interface, "problem"));
	}
	return table_finish(&table, out);
}

/* Why an interface is not what it could be, which is no problem. */
static int print_notes(const json_t *interfaces, FILE *out)
{
	int code = 0;

	for (size_t i = 0; i < json_array_size(interfaces) && !code; i++)
		if (json_is_string(json_object_get(json_array_get(interfaces, i), "note")))
			code = print_members(out, json_array_get(interfaces, i), "note: %s: %s\n",
					     "name", "note");
	return code;
}

static int print_lacks(const json_t *lacks, FILE *out)
{
	int code = 0;

	for (size_t i = 0; i < json_array_size(lacks) && !code; i++) {
		json_t *lack = json_pack("{s:O}", "text", json_array_get(lacks, i));

		code = print_members(out, lack, "no %s\n", "text");
		json_decref(lack);
	}
	return code;
}

/* What is protected for being seen, and what that leaves open. Older agents do not tell. */
static int print_discovery(const json_t *discovery, FILE *out)
{
	const char *fixed = json_string_value(json_object_get(discovery, "fixed"));
	int code;

	if (!json_is_object(discovery))
		return 0;
	if (!json_is_true(json_object_get(discovery, "listeners"))) {
		fputs("discovery: off: only ports that the configuration lists are protected\n",
		      out);
		return 0;
	}
	code = print_members(out, discovery, "discovery: autobound ports %s, fixed ports %s",
			     "autobound", "fixed");
	if (fixed && !strcmp(fixed, "known"))
		fputs(" (a port that a node chose itself is open for milliseconds at its very "
		      "first "
		      "start; discovery.fixed: protect closes it)",
		      out);
	fputc('\n', out);
	return code;
}

static int print_last_reload(const json_t *reload, FILE *out)
{
	const json_t *when = json_object_get(reload, "time");
	char time[PRINT_TIME_SIZE];

	if (!json_is_object(reload))
		return 0;
	fprintf(out, "last reload: %s",
		json_is_true(json_object_get(reload, "ok")) ? "ok" : "FAILED");
	if (*print_time(when, time))
		fprintf(out, " at %s", time);
	if (json_is_string(json_object_get(reload, "error")))
		return print_members(out, reload, ": %s\n", "error");
	fputc('\n', out);
	return 0;
}

static int print_trial(const json_t *trial, FILE *out)
{
	if (!json_is_object(trial))
		return 0;
	return print_members(out, trial,
			     "ON TRIAL: %s, by uid %s, pid %s: goes back by itself in %s s unless "
			     "\"beamfence confirm\" is said\n",
			     "file", "uid", "pid", "left_s");
}

static int print_unassigned(const json_t *status, FILE *out)
{
	if (!json_array_size(json_object_get(status, "unassigned")))
		return 0;
	return print_members(out, status, "\nin no zone, left alone: %s\n", "unassigned");
}

int print_warnings(const json_t *warnings, FILE *out)
{
	int code = 0;

	for (size_t i = 0; i < json_array_size(warnings) && !code; i++) {
		json_t *warning = json_pack("{s:O}", "text", json_array_get(warnings, i));

		code = print_members(out, warning, "warning: %s\n", "text");
		json_decref(warning);
	}
	return code;
}

int print_status(const json_t *status, FILE *out)
{
	int code;

	code = print_members(out, status,
			     "beamfenced %s, pid %s, mode %s\n"
			     "configuration: %s\n"
			     "pins: %s\n"
			     "peers: %s of at most %s\n"
			     "protected ports: %s\n",
			     "version", "pid", "mode", "config", "pin_dir", "peers", "peers_limit",
			     "protected_ports");
	if (!code)
		code = print_members(out, json_object_get(status, "features"),
				     "features: frags %s, conntrack %s, gate %s, listens %s\n",
				     "frags", "conntrack", "gate", "listens");
	if (!code)
		code = print_lacks(json_object_get(status, "lacks"), out);
	if (!code)
		code = print_discovery(json_object_get(status, "discovery"), out);
	if (!code)
		code = print_last_reload(json_object_get(status, "last_reload"), out);
	if (!code)
		code = print_trial(json_object_get(status, "trial"), out);
	fputc('\n', out);
	if (!code)
		code = print_interfaces(json_object_get(status, "interfaces"), out);
	if (!code)
		code = print_notes(json_object_get(status, "interfaces"), out);
	if (!code)
		code = print_unassigned(status, out);
	if (!code)
		code = print_warnings(json_object_get(status, "warnings"), out);
	return code;
}

int print_in_force(const json_t *status, FILE *out)
{
	const bool watched =
		json_is_true(json_object_get(json_object_get(status, "features"), "watch"));
	const bool fenced = json_array_size(json_object_get(status, "interfaces"));
	char since[PRINT_TIME_SIZE];
	int code;

	fputs(fenced ? "no agent answers, and the filter is in force all the same"
		     : "no agent answers, and pins are left, but no interface has the filter",
	      out);
	if (*print_time(json_object_get(status, "since"), since))
		fprintf(out, ", since %s", since);
	code = print_members(out, status, "\nmode %s\npins: %s\nprotected ports: %s\n", "mode",
			     "pin_dir", "protected_ports");
	if (json_is_null(json_object_get(status, "mode")))
		fputs("another version of beamfence made the pins: this one cannot read more of "
		      "them\n",
		      out);
	fputc('\n', out);
	if (!code)
		code = print_interfaces(json_object_get(status, "interfaces"), out);
	fprintf(out,
		"\nWithout an agent %s, and new interfaces get no filter.\n"
		"\"systemctl start beamfenced\" brings the agent back, \"beamfence detach\" takes "
		"the filter away.\n",
		watched ? "nodes that start are protected, but their peers may not reach them"
			: "nodes that start are not protected");
	return code;
}
