// SPDX-License-Identifier: BSD-2-Clause
#include "core/config_diff.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/policy.h"
#include "core/snapshot.h"

/* All that a configuration says, but for its peers: they may be a million. */
struct facts {
	char **list;
	size_t count, room;
	bool failed;
};

__attribute__((format(printf, 2, 3))) static void add_fact(struct facts *facts, const char *format,
							   ...)
{
	va_list values;

	if (facts->count == facts->room) {
		const size_t room = facts->room ? 2 * facts->room : 32;
		char **list = reallocarray(facts->list, room, sizeof(*list));

		facts->failed |= !list;
		if (!list)
			return;
		facts->list = list;
		facts->room = room;
	}
	va_start(values, format);
	if (vasprintf(&facts->list[facts->count], format, values) < 0)
		facts->failed = true;
	else
		facts->count++;
	va_end(values);
}

static void free_facts(struct facts *facts)
{
	for (size_t i = 0; i < facts->count; i++)
		free(facts->list[i]);
	free(facts->list);
}

static void add_ports(struct facts *facts, const char *what, const struct port_ranges *ranges,
		      const char *whose)
{
	for (size_t i = 0; i < ranges->count; i++) {
		const struct port_range *range = &ranges->items[i];

		if (range->first == range->last)
			add_fact(facts, "%s %u%s", what, range->first, whose);
		else
			add_fact(facts, "%s %u-%u%s", what, range->first, range->last, whose);
	}
}

static void add_cluster(struct facts *facts, const struct cluster_config *cluster)
{
	char whose[CLUSTER_NAME_SIZE + 8];

	snprintf(whose, sizeof(whose), " of %s", cluster->name);
	add_fact(facts, "cluster %s", cluster->name);
	add_ports(facts, "port", &cluster->ports, whose);
	for (size_t i = 0; i < cluster->node_count; i++)
		add_fact(facts, "nodes %s%s", cluster->nodes[i], whose);
}

static void add_preset(struct facts *facts, const struct config *config,
		       const struct preset_use *use)
{
	if (use->cluster == PRESET_TOP_LEVEL)
		add_fact(facts, "preset %s", use->preset->name);
	else
		add_fact(facts, "preset %s of %s", use->preset->name,
			 config->clusters[use->cluster].name);
}

static void add_discovery(struct facts *facts, const struct config *config)
{
	add_fact(facts, "discovery.listeners %s", config->discovery_listeners ? "true" : "false");
	add_fact(facts, "discovery.autobound %s",
		 config->discovery_autobound ? "protect" : "ignore");
	add_fact(facts, "discovery.fixed %s", config->discovery_fixed ? "protect" : "known");
	add_ports(facts, "exempt port", &config->exempt_ports, "");
	add_fact(facts, "events.journal %s", config->journal_drops ? "drops" : "off");
}

static void add_endpoints(struct facts *facts, const struct config *config)
{
	if (!config->metrics_host)
		add_fact(facts, "metrics.listen off");
	else if (config->metrics_host[0] == '/')
		add_fact(facts, "metrics.listen unix:%s", config->metrics_host);
	else
		add_fact(facts,
			 strchr(config->metrics_host, ':') ? "metrics.listen [%s]:%u"
							   : "metrics.listen %s:%u",
			 config->metrics_host, config->metrics_port);
	add_fact(facts, "control.socket %s", config->control_socket);
	add_fact(facts, "control.group %s", config->control_group);
	if (config->control_readers)
		add_fact(facts, "control.readers %s", config->control_readers);
}

static int compare_facts(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_facts(struct facts *facts, const struct config *config)
{
	static const char *const ways[] = {
		[ATTACH_AUTO] = "auto", [ATTACH_NATIVE] = "native", [ATTACH_GENERIC] = "generic"};

	add_fact(facts, "mode %s", mode_name(config->mode));
	add_fact(facts, "interfaces.attach %s", ways[config->attach]);
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];

		add_fact(facts, rule->vlan ? "%s interface %s%s.%u" : "%s interface %s%s",
			 zone_name(rule->zone), rule->literal ? "the very " : "", rule->pattern,
			 rule->vlan);
	}
	add_ports(facts, "epmd port", &config->epmd_ports, "");
	for (size_t i = 0; i < config->cluster_count; i++)
		add_cluster(facts, &config->clusters[i]);
	add_ports(facts, "port", &config->preset_ports, " of no cluster");
	for (size_t i = 0; i < config->preset_count; i++)
		add_preset(facts, config, &config->presets[i]);
	add_discovery(facts, config);
	add_endpoints(facts, config);
	if (facts->count)
		qsort(facts->list, facts->count, sizeof(*facts->list), compare_facts);
}

static int note(struct config_diff *diff, bool added, const char *text, const char *whose)
{
	(*(added ? &diff->added : &diff->removed))++;
	if (diff->line_count == CONFIG_DIFF_LINES_MAX)
		return 0;
	if (asprintf(&diff->lines[diff->line_count], "%c %s%s", added ? '+' : '-', text, whose) < 0)
		return -ENOMEM;
	diff->line_count++;
	return 0;
}

static int compare_lists(const struct facts *former, const struct facts *next,
			 struct config_diff *diff)
{
	size_t i = 0, j = 0;
	int code = former->failed || next->failed ? -ENOMEM : 0;

	while (!code && (i < former->count || j < next->count)) {
		const int order = i == former->count ? 1
				  : j == next->count ? -1
						     : strcmp(former->list[i], next->list[j]);

		if (order < 0)
			code = note(diff, false, former->list[i], "");
		else if (order > 0)
			code = note(diff, true, next->list[j], "");
		i += order <= 0;
		j += order >= 0;
	}
	return code;
}

static int note_peer(struct config_diff *diff, bool added, const struct prefix *prefix,
		     const char *cluster)
{
	char whose[CLUSTER_NAME_SIZE + 8], text[PREFIX_TEXT_SIZE + 8], address[PREFIX_TEXT_SIZE];

	snprintf(whose, sizeof(whose), " of %s", cluster);
	snprintf(text, sizeof(text), "peer %s", prefix_format(prefix, address));
	return note(diff, added, text, whose);
}

/* The peers of one cluster, which are in order; @former or @next is NULL where it lacks that. */
static int compare_peers(const struct cluster_config *former, const struct cluster_config *next,
			 struct config_diff *diff)
{
	const char *name = (former ? former : next)->name;
	const size_t former_count = former ? former->peer_count : 0;
	const size_t next_count = next ? next->peer_count : 0;
	size_t i = 0, j = 0;
	int code = 0;

	while (!code && (i < former_count || j < next_count)) {
		const int order = i == former_count ? 1
				  : j == next_count
					  ? -1
					  : prefix_compare(&former->peers[i], &next->peers[j]);

		if (order < 0)
			code = note_peer(diff, false, &former->peers[i], name);
		else if (order > 0)
			code = note_peer(diff, true, &next->peers[j], name);
		i += order <= 0;
		j += order >= 0;
	}
	return code;
}

static const struct cluster_config *find_cluster(const struct config *config, const char *name)
{
	const int index = policy_cluster_index(config, name);

	return index < 0 ? NULL : &config->clusters[index];
}

static int compare_clusters(const struct config *former, const struct config *next,
			    struct config_diff *diff)
{
	int code = 0;

	for (size_t i = 0; i < former->cluster_count && !code; i++) {
		const struct cluster_config *cluster = &former->clusters[i];

		code = compare_peers(cluster, find_cluster(next, cluster->name), diff);
	}
	for (size_t i = 0; i < next->cluster_count && !code; i++) {
		const struct cluster_config *cluster = &next->clusters[i];

		if (!find_cluster(former, cluster->name))
			code = compare_peers(NULL, cluster, diff);
	}
	return code;
}

int config_compare(const struct config *former, const struct config *next, struct config_diff *diff)
{
	struct facts before = {}, after = {};
	int code;

	*diff = (struct config_diff){.lines = calloc(CONFIG_DIFF_LINES_MAX, sizeof(*diff->lines))};
	if (!diff->lines)
		return -ENOMEM;
	list_facts(&before, former);
	list_facts(&after, next);
	code = compare_lists(&before, &after, diff);
	free_facts(&before);
	free_facts(&after);
	return code ? code : compare_clusters(former, next, diff);
}

void config_diff_free(struct config_diff *diff)
{
	for (size_t i = 0; i < diff->line_count; i++)
		free(diff->lines[i]);
	free(diff->lines);
	*diff = (struct config_diff){};
}
