// SPDX-License-Identifier: BSD-2-Clause
/* What a port says to the first message of a handshake: anybody's bytes, in pieces of any size. */
#include "core/handshake.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

static void check(const struct handshake_answer *answer)
{
	const size_t length = strnlen(answer->name, sizeof(answer->name));
	uint32_t character;

	DEMAND(length < sizeof(answer->name));
	DEMAND(!length || answer->outcome == HANDSHAKE_DISTRIBUTION);
	DEMAND(!length || strchr(answer->name, '@') == strrchr(answer->name, '@'));
	for (size_t at = 0, step; at < length; at += step) {
		step = text_decode(answer->name + at, length - at, &character);
		DEMAND(step && text_is_harmless(character) && character != ' ');
	}
}

/* Reads the first @size bytes, from memory of just that size. */
static struct handshake_answer parse(const uint8_t *data, size_t size, bool ended)
{
	uint8_t *reply = (uint8_t *)exact_copy(data, size);
	struct handshake_answer answer;

	handshake_parse(reply, size, ended, &answer);
	check(&answer);
	free(reply);
	return answer;
}

static bool same(const struct handshake_answer *a, const struct handshake_answer *b)
{
	return a->outcome == b->outcome && !strcmp(a->name, b->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct handshake_answer answer, ended, later;

	for (size_t length = 0; length <= size; length++) {
		answer = parse(data, length, false);
		ended = parse(data, length, true);
		DEMAND(answer.outcome != HANDSHAKE_CLOSED);
		DEMAND(ended.outcome != HANDSHAKE_UNKNOWN);
		DEMAND((ended.outcome == HANDSHAKE_CLOSED) == !length);
		if (answer.outcome == HANDSHAKE_UNKNOWN) {
			DEMAND(length < HANDSHAKE_REPLY_MAX);
			continue;
		}
		/* Once it is known, more does not change it. */
		later = parse(data, size, false);
		DEMAND(same(&answer, &ended) && same(&answer, &later));
		break;
	}
	return 0;
}
