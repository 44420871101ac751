// SPDX-License-Identifier: BSD-2-Clause
#include "core/members.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

/* "app@*" fits the name "app": epmd knows no host part, since all its nodes are of this host. */
static bool glob_fits(const char *glob, const char *node)
{
	_cleanup_free_ char *name = strndup(glob, strcspn(glob, "@"));

	return name && !fnmatch(name, node, 0);
}

static uint8_t cluster_by_globs(const struct config *config, const char *node)
{
	for (size_t c = 0; c < config->cluster_count; c++)
		for (size_t i = 0; i < config->clusters[c].node_count; i++)
			if (glob_fits(config->clusters[c].nodes[i], node))
				return (uint8_t)c;
	return CLUSTER_NOBODY;
}

static uint8_t cluster_by_preset(const struct config *config, const struct preset *preset)
{
	uint8_t found = CLUSTER_NOBODY;

	for (size_t i = 0; i < config->preset_count; i++)
		if (config->presets[i].preset == preset && config->presets[i].cluster >= 0 &&
		    config->presets[i].cluster < found)
			found = (uint8_t)config->presets[i].cluster;
	return found;
}

/* Several products' tools may give themselves such a name: the first cluster in the file has it. */
static uint8_t cluster_of_tool(const struct config *config, const char *name)
{
	uint8_t named = CLUSTER_NOBODY, listed = CLUSTER_NOBODY;
	const struct preset *presets;
	size_t count;

	presets = presets_list(&count);
	for (size_t i = 0; i < count; i++) {
		char node[PRESET_NODE_SIZE];
		uint8_t cluster;

		if (!preset_is_tool(&presets[i], name, node))
			continue;
		cluster = node[0] ? cluster_by_globs(config, node) : CLUSTER_NOBODY;
		named = cluster < named ? cluster : named;
		cluster = cluster_by_preset(config, &presets[i]);
		listed = cluster < listed ? cluster : listed;
	}
	return named != CLUSTER_NOBODY ? named : listed;
}

uint8_t members_cluster(const struct config *config, const char *node)
{
	const uint8_t cluster = cluster_by_globs(config, node);

	return cluster != CLUSTER_NOBODY ? cluster : cluster_of_tool(config, node);
}
