// SPDX-License-Identifier: BSD-2-Clause
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"

enum status run_ports(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	(void)arguments;
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "ports", NULL, print_ports, error);
}
