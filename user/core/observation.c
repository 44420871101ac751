// SPDX-License-Identifier: BSD-2-Clause
#include "core/observation.h"

#define MENDS_PAUSE 12 /* mends in vain, until the next fresh program is tried */

bool observation_is_due(const struct observation *observation, int64_t now_ms)
{
	return !observation->begun || now_ms - observation->looked_ms >= OBSERVATION_PAUSE_MS;
}

bool observation_is_in_doubt(const struct observation *observation)
{
	return observation->looks && observation->lately && !observation->barren;
}

static void remember(struct observation *observation, const struct reading *reading)
{
	observation->begun = reading->up;
	observation->received = reading->received;
	observation->counted = reading->counted;
	observation->looked_ms = reading->now_ms;
}

static enum mend next_mend(struct observation *observation, const struct reading *reading)
{
	const unsigned int tried = observation->mends++;

	if (reading->may_switch && (tried || reading->risky))
		return MEND_GENERIC;
	return tried % MENDS_PAUSE == 0 ? MEND_FRESH : MEND_NOTHING;
}

enum mend observation_look(struct observation *observation, const struct reading *reading)
{
	const bool counted = observation->begun && reading->counted != observation->counted;
	/* A driver's counts may begin anew when it is reset. */
	const bool comparable = observation->begun && reading->up &&
				reading->received >= observation->received;
	const uint64_t gained = comparable ? reading->received - observation->received : 0;

	remember(observation, reading);
	if (counted || reading->new_mtu)
		observation->mends = 0;
	if (counted)
		observation->not_run = observation->barren = false;
	if (counted || !comparable) {
		observation->uncounted = observation->looks = 0;
		return MEND_NOTHING;
	}
	observation->uncounted += gained;
	observation->looks += gained > 0;
	observation->lately = gained > 0;
	if (observation->uncounted < OBSERVATION_FRAMES || observation->looks < OBSERVATION_LOOKS)
		return MEND_NOTHING;
	observation->uncounted = observation->looks = 0;
	if (reading->generic) {
		observation->barren |= observation->not_run;
		observation->not_run = false;
	}
	if (reading->generic || observation->barren)
		return MEND_NOTHING;
	observation->not_run = true;
	return next_mend(observation, reading);
}
