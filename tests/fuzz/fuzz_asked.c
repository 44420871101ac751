// SPDX-License-Identifier: BSD-2-Clause
/* What a dropped frame asked for: read for people from bytes that are anybody's. */
#include "core/asked.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct asked *asked)
{
	const size_t length = strnlen(asked->name, sizeof(asked->name));
	uint32_t character;

	DEMAND(length < sizeof(asked->name));
	DEMAND(!asked->protocol == !asked->request);
	for (size_t at = 0, step; at < length; at += step) {
		step = text_decode(asked->name + at, length - at, &character);
		DEMAND(step && text_is_harmless(character));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *frame = (uint8_t *)exact_copy(data, size);
	const uint8_t *payload = frame;
	struct asked asked = {0};
	size_t length = size;

	if (size && data[0] & 1) /* a whole frame; else the payload alone */
		length = asked_payload(frame, size, !(data[0] & 2), &payload);
	DEMAND(!length || (payload >= frame && payload + length <= frame + size));
	asked_epmd(payload, length, &asked);
	check(&asked);
	asked = (struct asked){0};
	asked_dist(payload, length, &asked);
	check(&asked);
	free(frame);
	return 0;
}
