// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/complete.h"
#include "cli/escape.h"
#include "core/cleanup.h"
#include "core/protocol.h"
#include "core/text.h"
#include "core/version.h"

static const char *const global_options[] = {"--json", "--socket=", "--help", "--version", NULL};

/* Prints the one line that goes with a status other than STATUS_DONE. */
static void print_error(enum status status, const struct command *command,
			const struct error *error)
{
	_cleanup_free_ char *text = escape(error->text);
	const char *name = command ? command->name : "";

	if (status == STATUS_USAGE)
		fprintf(stderr, "beamfence: %s (see beamfence %s%s--help)\n", text ? text : "",
			name, *name ? " " : "");
	else
		fprintf(stderr, "beamfence: %s\n", text ? text : "");
}

static enum status run(const struct command *command, const struct arguments *arguments,
		       struct error *error)
{
	const char *socket = arguments_option(arguments, "--socket");
	struct cli cli = {
		.socket = socket ? socket : PROTOCOL_SOCKET_DEFAULT,
		.json = arguments_option(arguments, "--json"),
	};

	if (arguments->word_count < command->words_min) {
		error_set(error, -EINVAL, "%s needs %s", command->name, command->usage);
		return STATUS_USAGE;
	}
	if (arguments->word_count > command->words_max) {
		error_set(error, -EINVAL, "%s does not take %s", command->name,
			  QUOTE(arguments->words[command->words_max]));
		return STATUS_USAGE;
	}
	return command->run(&cli, arguments, error);
}

/* Finds the command among @words and carries it out. */
static enum status dispatch(char **words, const struct command **command, struct error *error)
{
	struct arguments arguments = {.option_count = 0};

	if (arguments_parse(&arguments, &words, global_options, NULL, true, error))
		return STATUS_USAGE;
	if (*words) {
		*command = command_find(*words);
		if (!*command) {
			error_set(error, -EINVAL, "unknown command %s", QUOTE(*words));
			return STATUS_USAGE;
		}
		words++;
		if (arguments_parse(&arguments, &words, global_options, (*command)->options, false,
				    error))
			return STATUS_USAGE;
	}
	if (arguments_option(&arguments, "--version")) {
		version_print(stdout, "beamfence");
		return STATUS_DONE;
	}
	if (arguments_option(&arguments, "--help")) {
		help_print(*command);
		return STATUS_DONE;
	}
	if (*command)
		return run(*command, &arguments, error);
	error_set(error, -EINVAL, "no command given");
	return STATUS_USAGE;
}

/* Whether stdout took all that was printed. A reader that has seen enough is no failure. */
static bool output_is_complete(struct error *error)
{
	errno = 0;
	if ((fflush(stdout) == 0 && !ferror(stdout)) || errno == EPIPE)
		return true;
	error_set(error, -EIO, "cannot write the output: %s", strerror(errno ? errno : EIO));
	return false;
}

int main(int argc, char **argv)
{
	const struct command *command = NULL;
	struct error error = {""};
	enum status status;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && strcmp(argv[1], "complete") == 0) {
		complete(&(struct completion_table){commands, command_count, global_options},
			 argv + 2, stdout);
		return STATUS_DONE;
	}
	status = dispatch(argv + (argc > 0), &command, &error);
	if (status != STATUS_DONE)
		print_error(status, command, &error);
	if (!output_is_complete(&error) && status == STATUS_DONE) {
		status = STATUS_FAILED;
		print_error(status, command, &error);
	}
	return (int)status;
}
