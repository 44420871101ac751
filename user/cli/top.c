// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/interrupt.h"
#include "cli/terminal.h"
#include "cli/top_screen.h"
#include "core/cleanup.h"
#include "core/clock.h"

#define PERIOD_MS 1000
#define ONCE_ROWS 1000

static double now_s(void)
{
	return (double)monotonic_ns() / 1e9;
}

static enum status look(const struct cli *cli, struct sample *sample, struct error *error)
{
	enum status status;

	*sample = (struct sample){.time_s = now_s()};
	status = cli_ask(cli, CLIENT_TIMEOUT_MS, "counters", NULL, &sample->counters, error);
	if (status == STATUS_DONE)
		status = cli_ask(cli, CLIENT_TIMEOUT_MS, "sources", NULL, &sample->sources, error);
	if (status == STATUS_DONE)
		status = cli_ask(cli, CLIENT_TIMEOUT_MS, "status", NULL, &sample->status, error);
	return status;
}

/* As text in memory; NULL: out of memory. */
static char *draw(const struct sample *before, const struct sample *now, unsigned int rows)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int code;

	if (!out)
		return NULL;
	code = top_print(before, now, rows, out);
	if (fclose(out) || code) {
		free(text);
		return NULL;
	}
	return text;
}

/*
 * Waits until the next look is due. Returns false when it is time to go; what happened to the
 * terminal meanwhile is dealt with, and what is shown with it.
 */
static bool wait_and_listen(double until_s, const char *shown, struct error *error)
{
	for (;;) {
		const double left_ms = (until_s - now_s()) * 1000;
		unsigned int ready;
		char key;

		if (left_ms <= 0)
			return true;
		ready = interrupt_wait(isatty(STDIN_FILENO) ? STDIN_FILENO : -1, -1,
				       (int)left_ms + 1);
		if (interrupted())
			return false;
		if (interrupt_suspended() && terminal_suspend(error))
			return false;
		if (interrupt_resized())
			terminal_show(shown);
		if (ready && (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q'))
			return false;
	}
}

static enum status show(const struct cli *cli, struct sample *before, struct error *error)
{
	struct sample now = {};
	enum status status = STATUS_DONE;
	_cleanup_free_ char *text = strdup("beamfence top: one moment\n");

	while (text && wait_and_listen(before->time_s + PERIOD_MS / 1000.0, text, error)) {
		status = look(cli, &now, error);
		if (status != STATUS_DONE)
			break;
		free(text);
		text = draw(before, &now, terminal_size().rows);
		sample_clear(before);
		*before = now;
		now = (struct sample){};
		terminal_show(text ? text : "");
	}
	sample_clear(&now);
	return status;
}

static enum status show_once(const struct cli *cli, const struct sample *before,
			     struct error *error)
{
	const struct timespec pause = {.tv_sec = PERIOD_MS / 1000};
	_cleanup_free_ char *text = NULL;
	struct sample now = {};
	enum status status;

	nanosleep(&pause, NULL);
	status = look(cli, &now, error);
	if (status == STATUS_DONE)
		text = draw(before, &now, ONCE_ROWS);
	if (text)
		fputs(text, stdout);
	sample_clear(&now);
	return status;
}

enum status run_top(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	const bool once = arguments_option(arguments, "--once");
	struct sample before;
	enum status status;

	if (cli->json) {
		error_set(error, -EINVAL,
			  "top is for people: \"counters\" and \"events\" have --json");
		return STATUS_USAGE;
	}
	if (!once && !terminal_is_usable()) {
		error_set(error, -ENOTTY,
			  "stdout is no terminal that top could draw on: try top --once");
		return STATUS_USAGE;
	}
	status = look(cli, &before, error);
	if (status == STATUS_DONE && once) {
		status = show_once(cli, &before, error);
	} else if (status == STATUS_DONE) {
		interrupt_catch(true);
		status = terminal_enter(error) ? STATUS_FAILED : show(cli, &before, error);
		terminal_leave();
	}
	sample_clear(&before);
	return status;
}
