// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "kernel/detach.h"
#include "kernel/leftovers.h"
#include "kernel/pins.h"

static int print_pins_removed(const json_t *result, FILE *out)
{
	const int code = print_members(out, result, "no agent answers: removed %s pins below %s\n",
				       "pins_removed", "pin_dir");

	return code ?: print_left_behind(result, out);
}

static void add_line(void *lines, const char *line)
{
	json_array_append_new(lines, json_string(line));
}

static enum status detach_without_agent(const struct cli *cli, const char *pin_dir,
					struct error *error)
{
	json_t *result, *left = json_array();
	enum status status;
	int removed;

	leftovers_find(pin_dir, add_line, left);
	removed = detach_pins(pin_dir, error);
	if (removed < 0) {
		json_decref(left);
		return STATUS_FAILED;
	}
	result = json_pack("{s:[], s:i, s:s, s:o}", "detached", "pins_removed", removed, "pin_dir",
			   pin_dir, "left_behind", left);
	status = cli_show(cli, result, print_pins_removed, error);
	json_decref(result);
	return status;
}

enum status run_detach(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	const char *pin_dir = arguments_option(arguments, "--pin-dir");
	json_t *result = NULL;
	enum status status;
	int code;

	code = client_request(cli->socket, CLIENT_SLOW_TIMEOUT_MS, "detach", NULL, &result, error);
	/* Only where nobody is at home: an agent that hangs would put everything back. */
	if (code == -ENOENT || code == -ECONNREFUSED)
		return detach_without_agent(cli, pin_dir ? pin_dir : PIN_DIR_DEFAULT, error);
	if (code)
		return code == -ETIMEDOUT || code == -ECONNRESET ? STATUS_NO_AGENT : STATUS_FAILED;
	status = cli_show(cli, result, print_detach, error);
	json_decref(result);
	return status;
}
