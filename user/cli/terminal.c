// SPDX-License-Identifier: BSD-2-Clause
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ALTERNATE_SCREEN "\033[?1049h\033[?25l"
#define FORMER_SCREEN	 "\033[?25h\033[?1049l"
#define HOME		 "\033[H"
#define CLEAR_LINE	 "\033[K"
#define CLEAR_BELOW	 "\033[J"

static struct termios former;
static bool keys, entered;

bool terminal_is_usable(void)
{
	const char *kind = getenv("TERM");

	return isatty(STDOUT_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

int terminal_enter(struct error *error)
{
	struct termios quiet;

	keys = isatty(STDIN_FILENO) && !tcgetattr(STDIN_FILENO, &former);
	if (keys) {
		quiet = former;
		quiet.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		quiet.c_cc[VMIN] = 1;
		quiet.c_cc[VTIME] = 0;
		if (tcsetattr(STDIN_FILENO, TCSADRAIN, &quiet))
			return error_set(error, -errno, "cannot set the terminal: %s",
					 strerror(errno));
	}
	if (!entered)
		atexit(terminal_leave);
	entered = true;
	fputs(ALTERNATE_SCREEN, stdout);
	fflush(stdout);
	return 0;
}

void terminal_leave(void)
{
	if (!entered)
		return;
	entered = false;
	fputs(FORMER_SCREEN, stdout);
	fflush(stdout);
	if (keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &former);
}

struct terminal_size terminal_size(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || !size.ws_row || !size.ws_col)
		return (struct terminal_size){.rows = 24, .columns = 80};
	return (struct terminal_size){.rows = size.ws_row, .columns = size.ws_col};
}

/* Writes as many characters as there are columns: no character here is wider than one. */
static void show_line(const char *line, size_t length, unsigned int columns)
{
	unsigned int used = 0;

	for (size_t i = 0; i < length; i++) {
		const bool starts = ((unsigned char)line[i] & 0xc0) != 0x80;

		if (starts && used == columns)
			break;
		used += starts;
		fputc(line[i], stdout);
	}
}

void terminal_show(const char *text)
{
	const struct terminal_size size = terminal_size();

	fputs(HOME, stdout);
	for (unsigned int row = 0; row < size.rows && *text; row++) {
		const size_t length = strcspn(text, "\n");

		fputs(row ? "\r\n" : "", stdout);
		show_line(text, length, size.columns);
		if (length < size.columns)
			fputs(CLEAR_LINE, stdout);
		text += length + (text[length] == '\n');
	}
	fputs(CLEAR_BELOW, stdout);
	fflush(stdout);
}

int terminal_suspend(struct error *error)
{
	terminal_leave();
	raise(SIGSTOP);
	return terminal_enter(error);
}
