// SPDX-License-Identifier: BSD-2-Clause
/* Presets: from the names in the file to ranges of ports, and warnings of what they would close. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_read.h"
#include "core/text.h"

#define PRESET_NAMES_SIZE 160

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
	int result = read_kind(reader, node, NODE_LIST);

	if (result < 0 || !node->count)
		return result;
	grown = reallocarray(config->presets, config->preset_count + node->count, sizeof(*grown));
	if (!grown)
		return reader_out_of_memory(reader);
	config->presets = grown;
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		result = read_preset(reader, entry, cluster, &grown[config->preset_count]);
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

__attribute__((format(printf, 2, 3))) static int warn(const struct reader *reader,
						      const char *format, ...)
{
	struct config *config = reader->config;
	char **grown = reallocarray(config->warnings, config->warning_count + 1, sizeof(*grown));
	va_list arguments;
	int length;

	if (!grown)
		return reader_out_of_memory(reader);
	config->warnings = grown;
	va_start(arguments, format);
	length = vasprintf(&grown[config->warning_count], format, arguments);
	va_end(arguments);
	if (length < 0)
		return reader_out_of_memory(reader);
	config->warning_count++;
	return 0;
}

/* The range of @ranges with @port in it, or NULL. */
static const struct port_range *range_with(const struct port_ranges *ranges, uint16_t port)
{
	for (size_t i = 0; i < ranges->count; i++)
		if (ranges->items[i].first <= port && port <= ranges->items[i].last)
			return &ranges->items[i];
	return NULL;
}

static const struct port_range *closing_range(const struct config *config, uint16_t port)
{
	const struct port_range *range = range_with(&config->epmd_ports, port);

	if (!range)
		range = range_with(&config->preset_ports, port);
	for (size_t i = 0; i < config->cluster_count && !range; i++)
		range = range_with(&config->clusters[i].ports, port);
	return range;
}

static int warn_of_preset(const struct reader *reader, const struct preset *preset, unsigned line)
{
	const struct config *config = reader->config;
	int result = 0;

	for (size_t i = 0; i < PRESET_CLIENTS_MAX && preset->clients[i] && !result; i++) {
		const uint16_t port = preset->clients[i];
		const struct port_range *range = closing_range(config, port);

		if (range)
			result = warn(reader,
				      "line %u: port %u, which clients of %s use, lies in the "
				      "protected %u-%u: no client reaches it",
				      range->line, port, preset->name, range->first, range->last);
	}
	if (!result && preset->dynamic && !config->discovery_listeners)
		result = warn(reader,
			      "line %u: the distribution's port of %s changes at each start, and "
			      "discovery.listeners is false: only listed ports are protected",
			      line, preset->name);
	return result;
}

int config_warn(const struct reader *reader)
{
	const struct config *config = reader->config;
	int result = 0;

	for (size_t i = 0; i < config->preset_count && !result; i++) {
		const struct preset_use *use = &config->presets[i];
		bool seen = false; /* under another cluster, say */

		for (size_t j = 0; j < i; j++)
			seen |= config->presets[j].preset == use->preset;
		if (!seen)
			result = warn_of_preset(reader, use->preset, use->line);
	}
	return result;
}
