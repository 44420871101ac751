// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "core/protocol.h"

enum status cli_status(int code)
{
	switch (code) {
	case 0:
		return STATUS_DONE;
	case -ENOENT:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ETIMEDOUT:
		return STATUS_NO_AGENT;
	default:
		return STATUS_FAILED;
	}
}

/* Asks on the control socket, and where that is not for this user on the one for readers. */
static int ask(const struct cli *cli, unsigned timeout_ms, const char *command, json_t *arguments,
	       json_t **result, struct error *error)
{
	int code = client_request(cli->socket, timeout_ms, command, arguments, result, error);
	char path[PROTOCOL_PATH_SIZE];
	struct error second;

	if (code != -EACCES || !protocol_only_looks(command) ||
	    !protocol_read_socket(cli->socket, path))
		return code;
	code = client_request(path, timeout_ms, command, arguments, result, &second);
	if (code == -EACCES || code == -ENOENT || code == -ECONNREFUSED)
		return -EACCES; /* the first error stands */
	*error = second;
	return code;
}

enum status cli_ask(const struct cli *cli, unsigned timeout_ms, const char *command,
		    json_t *arguments, json_t **result, struct error *error)
{
	int code = ask(cli, timeout_ms, command, arguments, result, error);

	json_decref(arguments);
	return cli_status(code);
}

enum status cli_show(const struct cli *cli, const json_t *result, result_printer print,
		     struct error *error)
{
	int code;

	if (cli->json) {
		/* ASCII alone, so that not even this can steer a terminal. */
		code = json_dumpf(result, stdout,
				  JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
		fputc('\n', stdout);
	} else {
		code = print(result, stdout);
	}
	/* What stdout does not take is seen, once, when all is printed. */
	if (!code || ferror(stdout))
		return STATUS_DONE;
	error_set(error, code, "out of memory");
	return STATUS_FAILED;
}

enum status cli_ask_and_show(const struct cli *cli, unsigned timeout_ms, const char *command,
			     json_t *arguments, result_printer print, struct error *error)
{
	json_t *result = NULL;
	enum status status;

	status = cli_ask(cli, timeout_ms, command, arguments, &result, error);
	if (status == STATUS_DONE)
		status = cli_show(cli, result, print, error);
	json_decref(result);
	return status;
}
