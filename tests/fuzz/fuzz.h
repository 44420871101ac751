/* SPDX-License-Identifier: BSD-2-Clause */
/* What the fuzzers share. Each is a file fuzz_NAME.c with a corpus of its own, in corpus/NAME. */
#ifndef BEAMFENCE_FUZZ_H
#define BEAMFENCE_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to be so whatever the input is. */
#define DEMAND(condition)                                                                       \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

/* What messages are made of: one line, nothing that a terminal would obey. */
static inline void demand_line(const char *text, size_t room)
{
	const size_t length = strnlen(text, room);

	DEMAND(length > 0 && length < room);
	for (size_t i = 0; i < length; i++)
		DEMAND((uint8_t)text[i] >= 0x20 && text[i] != 0x7f);
}

/* A copy that ends where the input ends, so that a byte too many is seen. Never NULL. */
static inline char *exact_copy(const uint8_t *data, size_t size)
{
	char *copy = malloc(size);

	DEMAND(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

#endif
