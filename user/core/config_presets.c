// SPDX-License-Identifier: BSD-2-Clause
/* Presets: from the names in the file to ranges of ports. */
#include <stdlib.h>
#include <string.h>

#include "core/config_read.h"
#include "core/text.h"

#define PRESET_NAMES_SIZE 160

static const struct form form_preset = {.kind = FORM_PRESET};
const struct form form_presets = {.kind = FORM_LIST, .entry = &form_preset};

static int unknown_preset(const struct reader *reader, const struct node *node)
{
	char accepted[PRESET_NAMES_SIZE] = "";
	const struct preset *presets;
	size_t count;

	presets = presets_list(&count);
	for (size_t i = 0; i < count; i++) {
		strcat(accepted, i ? ", " : "");
		strcat(accepted, presets[i].name);
	}
	return reader_error(reader, node->line, "presets: there is none called %s; there are: %s",
			    QUOTE(node->text), accepted);
}

static int read_preset(struct reader *reader, const struct node *node, int cluster,
		       struct preset_use *use)
{
	const struct config *config = reader->config;
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	*use = (struct preset_use){preset_find(node->text), cluster, node->line};
	if (!use->preset)
		return unknown_preset(reader, node);
	for (size_t i = 0; i < config->preset_count; i++)
		if (config->presets[i].preset == use->preset &&
		    config->presets[i].cluster == cluster)
			return reader_error(reader, node->line,
					    "presets: %s is listed twice (first on line %u)",
					    QUOTE(node->text), config->presets[i].line);
	return 0;
}

int read_presets(struct reader *reader, const struct node *node, int cluster)
{
	struct config *config = reader->config;
	struct preset_use *grown;

	if (!node->count)
		return 0;
	grown = reallocarray(config->presets, config->preset_count + node->count, sizeof(*grown));
	if (!grown)
		return reader_out_of_memory(reader);
	config->presets = grown;
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		int result = read_preset(reader, entry, cluster, &grown[config->preset_count]);

		if (result < 0)
			return result;
		config->preset_count++;
	}
	return 0;
}

/* Finds out whose a preset of the whole configuration is: the only cluster's, if there is one. */
static int settle_cluster(const struct reader *reader, struct preset_use *use)
{
	const struct config *config = reader->config;

	if (use->cluster != PRESET_TOP_LEVEL || !config->cluster_count)
		return 0;
	if (config->cluster_count > 1)
		return reader_error(reader, use->line,
				    "presets: which of the %zu clusters are the ports of \"%s\" "
				    "for? List it under that cluster",
				    config->cluster_count, use->preset->name);
	use->cluster = 0;
	return 0;
}

static int add_ranges(const struct reader *reader, const struct preset_use *use)
{
	struct config *config = reader->config;
	struct port_ranges *ranges = use->cluster == PRESET_TOP_LEVEL
					     ? &config->preset_ports
					     : &config->clusters[use->cluster].ports;
	struct port_range *grown;

	grown = reallocarray(ranges->items, ranges->count + PRESET_RANGES_MAX, sizeof(*grown));
	if (!grown)
		return reader_out_of_memory(reader);
	ranges->items = grown;
	for (size_t i = 0; i < PRESET_RANGES_MAX && use->preset->cluster[i].first; i++)
		grown[ranges->count++] = (struct port_range){
			.first = use->preset->cluster[i].first,
			.last = use->preset->cluster[i].last,
			.line = use->line,
		};
	return 0;
}

int config_add_presets(struct reader *reader)
{
	struct config *config = reader->config;
	int result = 0;

	for (size_t i = 0; i < config->preset_count && !result; i++) {
		result = settle_cluster(reader, &config->presets[i]);
		if (!result)
			result = add_ranges(reader, &config->presets[i]);
	}
	return result;
}

bool config_is_client_port(const struct config *config, uint16_t port)
{
	for (size_t i = 0; i < config->preset_count; i++)
		for (size_t c = 0; c < PRESET_CLIENTS_MAX; c++)
			if (config->presets[i].preset->clients[c] == port)
				return true;
	return false;
}
