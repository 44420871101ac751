/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of products that cluster over the Erlang distribution: the ports of each. */
#ifndef BEAMFENCE_PRESETS_H
#define BEAMFENCE_PRESETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRESET_RANGES_MAX  3
#define PRESET_CLIENTS_MAX 16

struct preset_range {
	uint16_t first; /* 0: no more ranges */
	uint16_t last;
};

struct preset {
	const char *name;
	/* What its nodes listen on for each other by default, but for epmd's port. */
	struct preset_range cluster[PRESET_RANGES_MAX];
	/* What its clients connect to by default; 0: no more. */
	uint16_t clients[PRESET_CLIENTS_MAX];
	bool dynamic; /* by default the distribution's port changes at each start */
};

/* All that there are. */
const struct preset *presets_list(size_t *count);

/* The preset of that name, or NULL. */
const struct preset *preset_find(const char *name);

#endif
