/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The terminal as a screen: the alternate one, without a cursor, keys without an echo. The control
 * sequences are those that every terminal of today knows, and the console; there is no more to it
 * than that, so no library is needed.
 */
#ifndef BEAMFENCE_TERMINAL_H
#define BEAMFENCE_TERMINAL_H

#include <stdbool.h>

#include "core/error.h"

struct terminal_size {
	unsigned int rows;
	unsigned int columns;
};

/* Whether stdout is a terminal that can be one. */
bool terminal_is_usable(void);

/* Takes the terminal over; terminal_leave() leaves it as it was, at an exit of any kind too. */
int terminal_enter(struct error *error);
void terminal_leave(void);

struct terminal_size terminal_size(void);

/*
 * Shows @text, lines that end with a newline; lines and characters that do not fit are left out.
 */
void terminal_show(const char *text);

/* Leaves the terminal, stops as ^Z does, and takes it over again when this process goes on. */
int terminal_suspend(struct error *error);

#endif
