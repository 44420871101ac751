/* SPDX-License-Identifier: BSD-2-Clause */
/* Text: compared, read as UTF-8, and, where it came from outside, quoted without harm. */
#ifndef BEAMFENCE_TEXT_H
#define BEAMFENCE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define QUOTE_SIZE 96

/* Whether two texts are the same; NULL is the same as NULL only. */
static inline bool text_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/*
 * Reads one UTF-8 character (RFC 3629, so neither overlong forms nor surrogates) of the @length
 * bytes at @text. Returns the bytes that it takes, 1..4, or 0 when they are not UTF-8.
 */
size_t text_decode(const char *text, size_t length, uint32_t *character);

/* Whether a character neither controls the terminal, nor is invisible, nor reorders the line. */
bool text_is_harmless(uint32_t character);

/*
 * Writes @value in double quotes and returns @out. What would not fit is cut ("..."), between
 * characters; what is not UTF-8, controls the terminal or reorders the line becomes '?'.
 */
const char *text_quote(const char *value, char out[static QUOTE_SIZE]);

/* The same into a buffer that lives as long as the enclosing block. */
#define QUOTE(value) text_quote((value), (char[QUOTE_SIZE]){0})

#endif
