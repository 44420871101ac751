// SPDX-License-Identifier: BSD-2-Clause
/* Putting another configuration into force, with a look at what that cuts. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

static int print_refused(const json_t *refused, FILE *out)
{
	return print_review(refused, "would cut", out);
}

static int print_reload(const json_t *reload, FILE *out)
{
	const int code = print_members(out, reload, "reloaded %s\n", "config");

	return code ? code : print_review(reload, "cuts", out);
}

enum status run_reload(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	const char *cuts = arguments_option(arguments, "--yes") ? "allow" : "refuse";
	json_t *result = NULL;
	enum status status = cli_ask(cli, CLIENT_SLOW_TIMEOUT_MS, "reload",
				     json_pack("{s:s}", "cuts", cuts), &result, error);

	if (status == STATUS_DONE)
		status = cli_show(cli, result, print_reload, error);
	else if (result && cli_show(cli, result, print_refused, error) == STATUS_DONE)
		snprintf(error->text + strlen(error->text),
			 sizeof(error->text) - strlen(error->text),
			 ": \"beamfence reload --yes\" does it all the same");
	json_decref(result);
	return status;
}
