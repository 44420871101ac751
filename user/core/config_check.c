// SPDX-License-Identifier: BSD-2-Clause
/* What only the whole configuration shows: things that are named twice, or that two would own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/text.h"

static int compare_lines(unsigned a, unsigned b)
{
	return (a > b) - (a < b);
}

static int compare_rules(const void *a, const void *b)
{
	const struct interface_rule *const *left = a, *const *right = b;
	int order = strcmp((*left)->pattern, (*right)->pattern);

	if (!order)
		order = (int)(*left)->vlan - (int)(*right)->vlan;
	if (!order)
		order = (int)(*left)->literal - (int)(*right)->literal;
	return order ? order : compare_lines((*left)->line, (*right)->line);
}

static int rule_twice(const struct reader *reader, const struct interface_rule *first,
		      const struct interface_rule *second)
{
	char entry[QUOTE_SIZE];

	if (second->vlan)
		snprintf(entry, sizeof(entry), "%s.%u", second->pattern, second->vlan);
	else
		snprintf(entry, sizeof(entry), "%s", second->pattern);
	if (first->zone == second->zone)
		return reader_error(reader, second->line,
				    "interfaces: %s is listed twice in %s (first on line %u)",
				    QUOTE(entry), config_zone_key(first->zone), first->line);
	return reader_error(reader, second->line,
			    "interfaces: %s is in both %s and %s (first on line %u)", QUOTE(entry),
			    config_zone_key(first->zone), config_zone_key(second->zone),
			    first->line);
}

static int check_interfaces(const struct reader *reader)
{
	const struct config *config = reader->config;
	_cleanup_free_ const struct interface_rule **rules =
		calloc(config->interface_count + 1, sizeof(const struct interface_rule *));

	if (!rules)
		return reader_out_of_memory(reader);
	for (size_t i = 0; i < config->interface_count; i++)
		rules[i] = &config->interfaces[i];
	qsort(rules, config->interface_count, sizeof(*rules), compare_rules);
	for (size_t i = 1; i < config->interface_count; i++)
		if (!strcmp(rules[i - 1]->pattern, rules[i]->pattern) &&
		    rules[i - 1]->vlan == rules[i]->vlan &&
		    rules[i - 1]->literal == rules[i]->literal)
			return rule_twice(reader, rules[i - 1], rules[i]);
	return 0;
}

static int compare_node_globs(const void *a, const void *b)
{
	const struct node_glob *left = a, *right = b;
	int order = strcmp(left->text, right->text);

	return order ? order : compare_lines(left->line, right->line);
}

/* A node that two clusters claim alike would have no cluster that an operator could foresee. */
static int check_node_globs(struct reader *reader)
{
	struct node_glob *globs = reader->node_globs;

	if (!reader->node_glob_count)
		return 0;
	qsort(globs, reader->node_glob_count, sizeof(*globs), compare_node_globs);
	for (size_t i = 1; i < reader->node_glob_count; i++) {
		if (strcmp(globs[i - 1].text, globs[i].text) != 0)
			continue;
		if (globs[i - 1].cluster == globs[i].cluster)
			return reader_error(reader, globs[i].line,
					    "nodes: %s is listed twice (first on line %u)",
					    QUOTE(globs[i].text), globs[i - 1].line);
		return reader_error(reader, globs[i].line,
				    "nodes: %s belongs to cluster \"%s\" already (line %u)",
				    QUOTE(globs[i].text),
				    reader->config->clusters[globs[i - 1].cluster].name,
				    globs[i - 1].line);
	}
	return 0;
}

#define OWNER_EPMD   (-1)
#define OWNER_EXEMPT (-2)
#define OWNER_PRESET (-3)

/* A range and whose it is: the index of a cluster, or one of the above. */
struct owned_range {
	const struct port_range *range;
	int owner;
};

static int compare_ranges(const void *a, const void *b)
{
	const struct owned_range *left = a, *right = b;
	int order = (int)left->range->first - (int)right->range->first;

	if (!order)
		order = (int)left->range->last - (int)right->range->last;
	return order ? order : compare_lines(left->range->line, right->range->line);
}

static const char *format_range(const struct port_range *range, char text[static 16])
{
	if (range->first == range->last)
		snprintf(text, 16, "%u", range->first);
	else
		snprintf(text, 16, "%u-%u", range->first, range->last);
	return text;
}

static const char *format_owner(const struct config *config, int owner, char text[static 80])
{
	if (owner == OWNER_EPMD)
		return "epmd";
	if (owner == OWNER_EXEMPT)
		return "exempt_ports";
	if (owner == OWNER_PRESET)
		return "presets";
	snprintf(text, 80, "cluster \"%s\"", config->clusters[owner].name);
	return text;
}

static int range_twice(const struct reader *reader, const struct owned_range *a,
		       const struct owned_range *b)
{
	/* The default of epmd.ports is on no line, 0, and so comes first. */
	bool a_later = a->range->line > b->range->line;
	const struct owned_range *first = a_later ? b : a, *second = a_later ? a : b;
	char second_text[16], first_text[16], second_owner[80], first_owner[80], where[32];

	if (first->range->line)
		snprintf(where, sizeof(where), "line %u", first->range->line);
	else
		snprintf(where, sizeof(where), "by default");
	format_range(first->range, first_text);
	format_range(second->range, second_text);
	if (first->owner == second->owner && !strcmp(first_text, second_text))
		return reader_error(reader, second->range->line,
				    "ports: \"%s\" is listed twice (first on line %u)", second_text,
				    first->range->line);
	return reader_error(reader, second->range->line,
			    "ports: \"%s\" of %s overlaps \"%s\" of %s (%s)", second_text,
			    format_owner(reader->config, second->owner, second_owner), first_text,
			    format_owner(reader->config, first->owner, first_owner), where);
}

static int check_ranges(const struct reader *reader, struct owned_range *ranges, size_t count)
{
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	/* Up to the first overlap, each range ends after all before it, so neighbours suffice. */
	for (size_t i = 1; i < count; i++)
		if (ranges[i].range->first <= ranges[i - 1].range->last)
			return range_twice(reader, &ranges[i - 1], &ranges[i]);
	return 0;
}

static void add_ranges(struct owned_range *ranges, size_t *count, const struct port_ranges *added,
		       int owner)
{
	for (size_t i = 0; i < added->count; i++)
		ranges[(*count)++] = (struct owned_range){&added->items[i], owner};
}

/* All protected ranges, for the caller to free(); NULL when memory ran out. */
static struct owned_range *protected_ranges(const struct config *config, size_t *count)
{
	size_t total = config->epmd_ports.count + config->preset_ports.count;
	struct owned_range *ranges;

	for (size_t i = 0; i < config->cluster_count; i++)
		total += config->clusters[i].ports.count;
	ranges = calloc(total + 1, sizeof(*ranges));
	if (!ranges)
		return NULL;
	*count = 0;
	add_ranges(ranges, count, &config->epmd_ports, OWNER_EPMD);
	add_ranges(ranges, count, &config->preset_ports, OWNER_PRESET);
	for (size_t i = 0; i < config->cluster_count; i++)
		add_ranges(ranges, count, &config->clusters[i].ports, (int)i);
	return ranges;
}

/* Exempt ports may meet configured ones, which win; among themselves they may not. */
static int check_ports(const struct reader *reader)
{
	const struct port_ranges *exempt = &reader->config->exempt_ports;
	_cleanup_free_ struct owned_range *ranges = NULL, *exempt_ranges = NULL;
	size_t count = 0, exempt_count = 0;
	int result;

	ranges = protected_ranges(reader->config, &count);
	exempt_ranges = calloc(exempt->count + 1, sizeof(*exempt_ranges));
	if (!ranges || !exempt_ranges)
		return reader_out_of_memory(reader);
	result = check_ranges(reader, ranges, count);
	if (result < 0)
		return result;
	add_ranges(exempt_ranges, &exempt_count, exempt, OWNER_EXEMPT);
	return check_ranges(reader, exempt_ranges, exempt_count);
}

/* With the presets' ports: a range may meet others of its owner, but of nobody else. */
static int check_owners(const struct reader *reader)
{
	_cleanup_free_ struct owned_range *ranges = NULL;
	const struct owned_range *widest;
	size_t count = 0;

	ranges = protected_ranges(reader->config, &count);
	if (!ranges)
		return reader_out_of_memory(reader);
	qsort(ranges, count, sizeof(*ranges), compare_ranges);
	widest = ranges; /* of those so far, the one that reaches furthest */
	for (size_t i = 1; i < count; i++) {
		if (ranges[i].range->first <= widest->range->last &&
		    ranges[i].owner != widest->owner)
			return range_twice(reader, widest, &ranges[i]);
		if (ranges[i].range->last > widest->range->last)
			widest = &ranges[i];
	}
	return 0;
}

int config_check(struct reader *reader)
{
	int result = check_interfaces(reader);

	if (!result)
		result = check_node_globs(reader);
	if (!result)
		result = check_ports(reader);
	if (!result)
		result = config_add_presets(reader);
	if (!result)
		result = check_owners(reader);
	return result;
}
