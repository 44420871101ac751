// SPDX-License-Identifier: BSD-2-Clause
/* Whose a port is that the configuration protects. */
#include "core/config.h"

static const struct port_range *range_with(const struct port_ranges *ranges, uint16_t port)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (ranges->items[i].first <= port && port <= ranges->items[i].last)
			return &ranges->items[i];
	return NULL;
}

static bool has_range(const struct preset *preset, const struct port_range *range)
{
	for (size_t i = 0; i < PRESET_RANGES_MAX && preset->cluster[i].first; i++)
		if (preset->cluster[i].first == range->first &&
		    preset->cluster[i].last == range->last)
			return true;
	return false;
}

/* A range that came of a preset has the preset's line. */
static const struct preset *preset_of(const struct config *config, const struct port_range *range)
{
	for (size_t i = 0; i < config->preset_count; i++)
		if (config->presets[i].line == range->line &&
		    has_range(config->presets[i].preset, range))
			return config->presets[i].preset;
	return NULL;
}

bool config_port_owner(const struct config *config, uint16_t port, struct port_owner *owner)
{
	*owner = (struct port_owner){.range = range_with(&config->epmd_ports, port)};
	if (owner->range) {
		owner->epmd = true;
		return true;
	}
	owner->range = range_with(&config->preset_ports, port);
	for (size_t i = 0; i < config->cluster_count && !owner->range; i++) {
		owner->range = range_with(&config->clusters[i].ports, port);
		owner->cluster = owner->range ? config->clusters[i].name : NULL;
	}
	if (owner->range)
		owner->preset = preset_of(config, owner->range);
	return owner->range;
}
