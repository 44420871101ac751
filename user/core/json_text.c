// SPDX-License-Identifier: BSD-2-Clause
#include "core/json_text.h"

#include <stdlib.h>

char *json_text(const json_t *value, size_t flags)
{
	const size_t size = json_dumpb(value, NULL, 0, flags);
	char *text = size ? malloc(size + 1) : NULL;

	if (!text)
		return NULL;
	if (json_dumpb(value, text, size, flags) != size) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

json_t *json_null_or_string(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}
