/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside on its way to a terminal. */
#ifndef BEAMFENCE_ESCAPE_H
#define BEAMFENCE_ESCAPE_H

#include <stddef.h>

/*
 * Returns a copy of @text in which every character that could steer a terminal or reorder the
 * line, every backslash, and every byte that is not UTF-8 is written as \xNN, a byte each. The
 * caller frees it. NULL: out of memory.
 */
char *escape(const char *text);

/* The columns that @text, which escape() made, takes up: its characters. */
size_t escape_width(const char *text);

#endif
