// SPDX-License-Identifier: BSD-2-Clause
#include "core/text.h"

#include <string.h>

size_t text_decode(const char *text, size_t length, uint32_t *character)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *bytes = (const unsigned char *)text;
	size_t size;
	uint32_t value;

	if (!length)
		return 0;
	if (bytes[0] < 0x80) {
		*character = bytes[0];
		return 1;
	}
	if (bytes[0] < 0xc2 || bytes[0] > 0xf4)
		return 0;
	size = bytes[0] < 0xe0 ? 2 : bytes[0] < 0xf0 ? 3 : 4;
	if (length < size)
		return 0;
	value = bytes[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3fu);
	}
	if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*character = value;
	return size;
}

bool text_is_harmless(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false; /* C0, DEL, C1 */
	if ((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e))
		return false; /* invisible, line ends, direction overrides */
	return !(c >= 0x2060 && c <= 0x206f) && c != 0xfeff;
}

const char *text_quote(const char *value, char out[static QUOTE_SIZE])
{
	const size_t end = QUOTE_SIZE - sizeof("...\"");
	size_t left = strnlen(value, QUOTE_SIZE), used = 0;

	out[used++] = '"';
	while (left) {
		uint32_t character = 0;
		size_t size = text_decode(value, left, &character);
		bool keep = size && text_is_harmless(character);

		if (used + (keep ? size : 1) > end) {
			memcpy(out + used, "...", 3);
			used += 3;
			break;
		}
		if (keep)
			memcpy(out + used, value, size);
		else
			out[used] = '?';
		used += keep ? size : 1;
		value += size ? size : 1;
		left -= size ? size : 1;
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}
