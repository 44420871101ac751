// SPDX-License-Identifier: BSD-2-Clause
#include "cli/escape.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

char *escape(const char *text)
{
	size_t left = strlen(text);
	char *result = malloc(left * strlen("\\xNN") + 1), *out = result;

	if (!result)
		return NULL;
	while (left) {
		uint32_t character = 0;
		size_t size = text_decode(text, left, &character);

		if (size && character != '\\' && text_is_harmless(character)) {
			memcpy(out, text, size);
			out += size;
		} else {
			size = size ? size : 1;
			for (size_t i = 0; i < size; i++)
				out += sprintf(out, "\\x%02x", (unsigned char)text[i]);
		}
		text += size;
		left -= size;
	}
	*out = '\0';
	return result;
}

size_t escape_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
