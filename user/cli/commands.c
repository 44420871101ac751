// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "core/protocol.h"
#include "kernel/detach.h"
#include "kernel/leftovers.h"
#include "kernel/pins.h"

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

static bool only_looks(const char *command)
{
	static const char *const names[] = {"status",	  "ports",  "counters", "explain",
					    "peers.list", "events", "sources",	"metrics"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(command, names[i]))
			return true;
	return false;
}

/* Asks on the control socket, and where that is not for this user on the one for readers. */
static int ask(const struct cli *cli, unsigned timeout_ms, const char *command, json_t *arguments,
	       json_t **result, struct error *error)
{
	int code = client_request(cli->socket, timeout_ms, command, arguments, result, error);
	char path[PROTOCOL_PATH_SIZE];
	struct error second;

	if (code != -EACCES || !only_looks(command) || !protocol_read_socket(cli->socket, path))
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

enum status run_ports(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	(void)arguments;
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "ports", NULL, print_ports, error);
}

enum status run_counters(const struct cli *cli, const struct arguments *arguments,
			 struct error *error)
{
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "counters", NULL,
				arguments_option(arguments, "--all") ? print_counters
								     : print_counters_moved,
				error);
}

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
