// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "cli/command.h"
#include "core/protocol.h"
#include "core/text.h"

static const char footer[] =
	"\nOptions of all commands:\n"
	"  --json         print the result as JSON\n"
	"  --socket PATH  the agent's control socket (default: " PROTOCOL_SOCKET_DEFAULT ")\n"
	"\nExit status:\n"
	"  0 done   1 refused or failed   2 wrong usage   3 the agent does not answer\n";

static void print_usage(void)
{
	printf("Usage: beamfence [--json] [--socket PATH] COMMAND\n"
	       "Keeps EPMD and the Erlang distribution off client-facing interfaces.\n\n"
	       "Commands:\n");
	for (size_t i = 0; i < command_count; i++)
		printf("  %-10s %s\n", commands[i].name, commands[i].summary);
	printf("\n\"beamfence help COMMAND\" tells more; --version prints the version.\n%s",
	       footer);
}

static void print_help(const struct command *command)
{
	printf("Usage: beamfence [--json] [--socket PATH] %s%s%s\n\n%s.\n%s%s", command->name,
	       *command->usage ? " " : "", command->usage, command->summary, command->help, footer);
}

void help_print(const struct command *command)
{
	command ? print_help(command) : print_usage();
}

enum status run_help(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	const char *name = arguments->word_count ? arguments->words[0] : NULL;
	const struct command *command = name ? command_find(name) : NULL;

	(void)cli;
	if (name && !command) {
		error_set(error, -EINVAL, "unknown command %s", QUOTE(name));
		return STATUS_USAGE;
	}
	help_print(command);
	return STATUS_DONE;
}
