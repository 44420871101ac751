// SPDX-License-Identifier: BSD-2-Clause
/* Configurations on trial. */
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/live.h"
#include "cli/print.h"

#define SECONDS_MAX 86400

enum status run_try(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	const char *time = arguments_option(arguments, "--for");
	int64_t seconds = 60;
	json_t *trial;

	if (time && parse_time(time, "time", &seconds, error))
		return STATUS_USAGE;
	if (seconds > SECONDS_MAX) {
		error_set(error, -EINVAL, "a trial lasts at most 1d");
		return STATUS_USAGE;
	}
	trial = configuration_arguments(arguments->words[0], error);
	if (!trial)
		return STATUS_FAILED;
	json_object_set_new(trial, "for_s", json_integer((json_int_t)seconds));
	return cli_ask_and_show(cli, CLIENT_SLOW_TIMEOUT_MS, "try", trial, print_try, error);
}

enum status run_confirm(const struct cli *cli, const struct arguments *arguments,
			struct error *error)
{
	(void)arguments;
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "confirm", NULL, print_confirm, error);
}

enum status run_revert(const struct cli *cli, const struct arguments *arguments,
		       struct error *error)
{
	(void)arguments;
	return cli_ask_and_show(cli, CLIENT_SLOW_TIMEOUT_MS, "revert", NULL, print_revert, error);
}
