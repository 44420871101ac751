/* SPDX-License-Identifier: BSD-2-Clause */
/* The seed of a test that draws at random: another at each run, printed, and given back by $SEED.
 */
#ifndef BEAMFENCE_TEST_SEED_H
#define BEAMFENCE_TEST_SEED_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline unsigned int test_seed(void)
{
	const char *given = getenv("SEED");
	const unsigned int seed = given ? (unsigned int)strtoul(given, NULL, 0)
					: (unsigned int)time(NULL);

	fprintf(stderr, "SEED=%u\n", seed);
	return seed;
}

#endif
