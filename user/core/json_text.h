/* SPDX-License-Identifier: BSD-2-Clause */
/* JSON as text: the one place that asks jansson for it. */
#ifndef BEAMFENCE_JSON_TEXT_H
#define BEAMFENCE_JSON_TEXT_H

#include <jansson.h>

/*
 * @value in one line, without a newline; @flags are those of json_dumps(), which drops a key's
 * end where memory lacks for it, and says nothing. The text is the caller's; NULL: out of memory.
 * It has room for a newline in place of its NUL.
 */
char *json_text(const json_t *value, size_t flags);

/* The text as JSON; null where it is NULL or empty. */
json_t *json_null_or_string(const char *text);

#endif
