// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "core/address.h"

/* The value of the option @name, without which there is no frame; NULL with @error set. */
static const char *needed(const struct arguments *arguments, const char *name, struct error *error)
{
	const char *value = arguments_option(arguments, name);

	if (!value)
		error_set(error, -EINVAL, "explain needs %s", name);
	return value;
}

static int set_number(json_t *frame, const char *name, long number)
{
	return json_object_set_new(frame, name, json_integer(number));
}

/* Each of these adds to the protocol's arguments, and returns 0 or -EINVAL with @error set. */

static int set_interface(json_t *frame, const struct arguments *arguments, struct error *error)
{
	const char *interface = needed(arguments, "--in", error);
	const char *vlan = arguments_option(arguments, "--vlan");
	long number = 0, suffix = 0;
	char name[16];

	if (!interface || parse_interface(interface, name, &suffix, error) ||
	    (vlan && parse_number(vlan, "VLAN", 1, 4094, &number, error)))
		return -EINVAL;
	if (suffix && number && suffix != number)
		return error_set(error, -EINVAL, "--in names VLAN %ld and --vlan %ld", suffix,
				 number);
	if (json_object_set_new(frame, "in", json_string(name)))
		return error_set(error, -EINVAL, "the name of the interface is not UTF-8 text");
	return suffix || number ? set_number(frame, "vlan", suffix ? suffix : number) : 0;
}

static int set_addresses(json_t *frame, const struct arguments *arguments, struct error *error)
{
	const char *source = needed(arguments, "--src", error);
	const char *destination = source ? needed(arguments, "--dst", error) : NULL;
	struct prefix from, to;

	if (!destination || address_parse(source, &from, error) ||
	    address_parse(destination, &to, error))
		return -EINVAL;
	if (prefix_is_ipv4(&from) != prefix_is_ipv4(&to))
		return error_set(error, -EINVAL, "--src and --dst are of different families");
	return json_object_set_new(frame, "src", json_string(source)) |
	       json_object_set_new(frame, "dst", json_string(destination));
}

static int set_segment(json_t *frame, const struct arguments *arguments, struct error *error)
{
	const char *port = needed(arguments, "--dport", error);
	const char *source_port = arguments_option(arguments, "--sport");
	const char *flags = arguments_option(arguments, "--flags");
	long number;

	if (!port || parse_number(port, "port", 1, 65535, &number, error) ||
	    set_number(frame, "dport", number))
		return -EINVAL;
	if (source_port && (parse_number(source_port, "port", 1, 65535, &number, error) ||
			    set_number(frame, "sport", number)))
		return -EINVAL;
	if (!flags)
		flags = "S";
	if (parse_flags(flags, error))
		return -EINVAL;
	return json_object_set_new(frame, "flags", json_string(flags));
}

enum status run_explain(const struct cli *cli, const struct arguments *arguments,
			struct error *error)
{
	json_t *frame = json_object();

	if (set_interface(frame, arguments, error) || set_addresses(frame, arguments, error) ||
	    set_segment(frame, arguments, error)) {
		json_decref(frame);
		return STATUS_USAGE;
	}
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "explain", frame, print_explanation, error);
}
