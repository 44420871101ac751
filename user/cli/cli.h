/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands share. A command is a row of the table in commands.c and a function here. */
#ifndef BEAMFENCE_CLI_H
#define BEAMFENCE_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "cli/arguments.h"
#include "core/error.h"

/* Exit status: part of the outward contract. */
enum status { STATUS_DONE, STATUS_FAILED, STATUS_USAGE, STATUS_NO_AGENT };

struct cli {
	const char *socket; /* path */
	bool json;
};

/*
 * Carries a command out, and prints what it has to say on stdout. Where the outcome is not
 * STATUS_DONE, @error holds the line for stderr.
 */
typedef enum status (*command_function)(const struct cli *cli, const struct arguments *arguments,
					struct error *error);

/* Prints a result as text. Returns 0 or -ENOMEM. */
typedef int (*result_printer)(const json_t *result, FILE *out);

/* The exit status for an error of client_request() and its kin. */
enum status cli_status(int code);

/* Asks the agent. Takes @arguments (which may be NULL) over; gives the caller *@result. */
enum status cli_ask(const struct cli *cli, unsigned timeout_ms, const char *command,
		    json_t *arguments, json_t **result, struct error *error);

/* Prints @result as JSON or, with @print, as text. */
enum status cli_show(const struct cli *cli, const json_t *result, result_printer print,
		     struct error *error);

/* Both: asks the agent, and shows what it answers. */
enum status cli_ask_and_show(const struct cli *cli, unsigned timeout_ms, const char *command,
			     json_t *arguments, result_printer print, struct error *error);

enum status run_capture(const struct cli *cli, const struct arguments *arguments,
			struct error *error);
enum status run_check(const struct cli *cli, const struct arguments *arguments,
		      struct error *error);
enum status run_confirm(const struct cli *cli, const struct arguments *arguments,
			struct error *error);
enum status run_counters(const struct cli *cli, const struct arguments *arguments,
			 struct error *error);
enum status run_detach(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_events(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_explain(const struct cli *cli, const struct arguments *arguments,
			struct error *error);
enum status run_help(const struct cli *cli, const struct arguments *arguments, struct error *error);
enum status run_metrics(const struct cli *cli, const struct arguments *arguments,
			struct error *error);
enum status run_peers(const struct cli *cli, const struct arguments *arguments,
		      struct error *error);
enum status run_ports(const struct cli *cli, const struct arguments *arguments,
		      struct error *error);
enum status run_reload(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_revert(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_schema(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_status(const struct cli *cli, const struct arguments *arguments,
		       struct error *error);
enum status run_top(const struct cli *cli, const struct arguments *arguments, struct error *error);
enum status run_try(const struct cli *cli, const struct arguments *arguments, struct error *error);

#endif
