// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

enum status run_counters(const struct cli *cli, const struct arguments *arguments,
			 struct error *error)
{
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "counters", NULL,
				arguments_option(arguments, "--all") ? print_counters
								     : print_counters_moved,
				error);
}
