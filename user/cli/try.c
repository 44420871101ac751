// SPDX-License-Identifier: BSD-2-Clause
/* Configurations on trial. */
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "core/cleanup.h"
#include "core/document.h"
#include "core/protocol.h"

#define SECONDS_MAX 86400

/* Makes the protocol's arguments of what FILE holds; NULL with @error set when it cannot be sent.
 */
static json_t *try_arguments(const char *path, int64_t seconds, struct error *error)
{
	_cleanup_free_ char *content = NULL;
	size_t size = 0;
	json_t *text, *arguments;

	if (document_read_file(path, &content, &size, error))
		return NULL;
	if (size >= PROTOCOL_LONG_LINE_MAX) {
		document_error(path, 0, error, -E2BIG,
			       "has %zu bytes, and at most %u can be tried: install it and reload",
			       size, PROTOCOL_LONG_LINE_MAX);
		return NULL;
	}
	text = json_stringn(content, size);
	arguments = text ? json_pack("{s:o, s:s, s:I}", "config", text, "name", path, "for_s",
				     (json_int_t)seconds)
			 : NULL;
	if (!arguments)
		document_error(path, 0, error, -EINVAL, "its name or its content is not UTF-8");
	return arguments;
}

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
	trial = try_arguments(arguments->words[0], seconds, error);
	if (!trial)
		return STATUS_FAILED;
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
