// SPDX-License-Identifier: BSD-2-Clause
/* The status: by the agent or, where none answers, by what is pinned. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "core/text.h"
#include "kernel/in_force.h"
#include "kernel/pins.h"

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static json_t *interfaces_json(const struct in_force *in_force)
{
	json_t *list = json_array();

	for (size_t i = 0; i < in_force->interface_count; i++) {
		const struct interface_state *state = &in_force->interfaces[i];
		const bool attached = state->attached != ATTACHED_NOT;

		json_array_append_new(
			list, json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:n, s:n}", "name",
					state->name, "zone",
					in_force->is_known ? json_string(zone_name(state->zone))
							   : json_null(),
					"attached", attached, "attach_mode",
					attached ? json_string(attach_mode_name(state->attached))
						 : json_null(),
					"problem", text_or_null(state->problem), "vlan",
					state->vlan ? json_integer(state->vlan) : json_null(), "on",
					"note"));
	}
	return list;
}

/* As far as it is known, what the agent would say. */
static json_t *in_force_json(const struct in_force *in_force, const char *pin_dir)
{
	json_t *status = json_pack(
		"{s:b, s:s, s:o, s:o, s:{s:b, s:b}, s:o}", "agent", 0, "pin_dir", pin_dir, "since",
		in_force->since_s ? json_integer(in_force->since_s) : json_null(), "mode",
		in_force->is_known ? json_string(mode_name(in_force->mode)) : json_null(),
		"features", "gate", in_force->gated, "watch", in_force->watched, "interfaces",
		interfaces_json(in_force));

	json_object_set_new(status, "protected_ports",
			    in_force->is_known ? json_integer((json_int_t)in_force->protected_ports)
					       : json_null());
	return status;
}

static enum status show_in_force(const struct cli *cli, const char *pin_dir, struct error *error)
{
	const struct error reason = *error; /* for stderr, whatever is found */
	struct in_force in_force;
	json_t *status;
	struct error why = {""};
	const int code = in_force_read(pin_dir, &in_force, &why);

	if (code == -ENOENT)
		error_set(error, code, "%s; nothing is pinned below %s: NOTHING IS FENCED",
			  reason.text, pin_dir);
	else if (code == -EACCES || code == -EPERM)
		error_set(error, code, "%s; root may see what is in force without it", reason.text);
	else if (code)
		error_set(error, code, "%s; %s", reason.text, why.text);
	if (code)
		return STATUS_NO_AGENT;
	status = in_force_json(&in_force, pin_dir);
	in_force_free(&in_force);
	cli_show(cli, status, print_in_force, error);
	json_decref(status);
	return STATUS_NO_AGENT;
}

enum status run_status(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	const char *pin_dir = arguments_option(arguments, "--pin-dir");
	const enum status status = cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "status", NULL,
						    print_status, error);

	return status == STATUS_NO_AGENT
		       ? show_in_force(cli, pin_dir ? pin_dir : PIN_DIR_DEFAULT, error)
		       : status;
}
