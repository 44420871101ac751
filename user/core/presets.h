/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of products that cluster over the Erlang distribution: the ports of each. */
#ifndef BEAMFENCE_PRESETS_H
#define BEAMFENCE_PRESETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PRESET_RANGES_MAX  3
#define PRESET_CLIENTS_MAX 16
#define PRESET_TOOLS_MAX   5
#define PRESET_NODE_SIZE   256 /* bytes of a node's name without its host, at most */

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
	const char *node; /* what its nodes are called by default, without the host; or NULL */
	/*
	 * What its command line tools call themselves: nodes too, which the product's nodes may
	 * have to reach. '#': letters and digits; '%': the name of the node that the tool is for.
	 */
	const char *tools[PRESET_TOOLS_MAX];
	bool dynamic; /* by default the distribution's port changes at each start */
};

/* All that there are. */
const struct preset *presets_list(size_t *count);

/* The preset of that name, or NULL. */
const struct preset *preset_find(const char *name);

/*
 * Whether @name is what a tool of the product calls itself. Writes the name of the node that it is
 * for: the product's usual one where the tool's name does not tell, "" where there is none.
 */
bool preset_is_tool(const struct preset *preset, const char *name, char node[PRESET_NODE_SIZE]);

#endif
