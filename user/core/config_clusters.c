// SPDX-License-Identifier: BSD-2-Clause
/* The list "clusters": sets of protected ports, and of the peers that may reach them. */
#include <stdlib.h>

#include "core/config_read.h"
#include "core/text.h"

static int read_name(struct reader *reader, const struct key *key, const struct node *value,
		     void *target)
{
	const struct config *config = reader->config;
	struct cluster_config *cluster = target;
	int result = read_word(reader, key->form, value, &cluster->name);

	for (size_t i = 0; !result && i < config->cluster_count; i++)
		if (text_same(config->clusters[i].name, cluster->name))
			return reader_error(reader, value->line,
					    "%s: two clusters are named %s (the first on line %u)",
					    key->name, QUOTE(cluster->name),
					    config->clusters[i].line);
	return result;
}

static int read_cluster_ports(struct reader *reader, const struct key *key,
			      const struct node *value, void *target)
{
	struct cluster_config *cluster = target;

	(void)key;
	return read_ports(reader, value, &cluster->ports);
}

static int read_cluster_presets(struct reader *reader, const struct key *key,
				const struct node *value, void *target)
{
	(void)key;
	(void)target; /* the cluster after those that are counted */
	return read_presets(reader, value, (int)reader->config->cluster_count);
}

static const struct form form_name = {
	.kind = FORM_WORD,
	.first = "A-Za-z0-9_.-",
	.following = "A-Za-z0-9_.-",
	.noun = "a cluster's name",
	.letters = "letters, digits, '_', '-', '.'",
	.max = CLUSTER_NAME_SIZE - 1,
	.numeric = true,
};
static const struct key keys[] = {
	{
		.name = "name",
		.form = &form_name,
		.read = read_name,
		.about = "The name of the cluster.",
		.missing = "clusters: a cluster without a name",
	},
	{
		.name = "ports",
		.form = &form_ports,
		.read = read_cluster_ports,
		.about = "Ports and ranges that its nodes listen on, such as 9100-9155. May be "
			 "left out where discovery finds them.",
		.otherwise = "[]",
	},
	{
		.name = "presets",
		.form = &form_presets,
		.read = read_cluster_presets,
		.about = "Products whose default cluster ports are this cluster's as well.",
		.otherwise = "[]",
	},
	{
		.name = "nodes",
		.form = &form_node_globs,
		.read = read_node_globs,
		.about = "Globs over the names that its nodes register with epmd, such as app@*: "
			 "a listener that is discovered joins the cluster whose glob fits.",
		.otherwise = "[]",
	},
	{
		.name = "peers",
		.form = &form_peers,
		.read = read_peers,
		.about = "Addresses and prefixes of all its other nodes, such as 10.0.1.0/24 or "
			 "fd00:1::/64. A partial list splits the cluster.",
		.otherwise = "[]",
	},
};
static const struct form form_cluster = {.kind = FORM_SECTION, FORM_KEYS(keys)};
const struct form form_clusters = {.kind = FORM_LIST, .entry = &form_cluster, .max = CLUSTERS_MAX};

void free_cluster(struct cluster_config *cluster)
{
	free(cluster->name);
	free(cluster->ports.items);
	for (size_t i = 0; i < cluster->node_count; i++)
		free(cluster->nodes[i]);
	free(cluster->nodes);
	free(cluster->peers);
}

int read_clusters(struct reader *reader, const struct key *key, const struct node *value,
		  void *target)
{
	struct config *config = target;

	if (!value->count)
		return 0;
	config->clusters = calloc(key->form->max, sizeof(*config->clusters));
	if (!config->clusters)
		return reader_out_of_memory(reader);
	for (const struct node *node = value->first; node; node = node->next) {
		struct cluster_config *cluster = &config->clusters[config->cluster_count];
		int result;

		if (config->cluster_count == key->form->max)
			return reader_error(reader, node->line,
					    "clusters: more than %u clusters are listed",
					    key->form->max);
		cluster->line = node->line;
		reader->key = key->name;
		result = read_section(reader, key->form->entry, node, cluster);
		if (result < 0) {
			free_cluster(cluster);
			return result;
		}
		config->cluster_count++;
	}
	return 0;
}
