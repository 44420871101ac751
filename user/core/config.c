// SPDX-License-Identifier: BSD-2-Clause
#include "core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/protocol.h"
#include "core/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_mode(struct reader *reader, const struct node *value, void *target)
{
	static const char *const names[] = {[MODE_ENFORCE] = "enforce", [MODE_AUDIT] = "audit"};
	struct config *config = target;
	int choice = read_choice(reader, value, names, COUNT(names));

	if (choice < 0)
		return choice;
	config->mode = (enum mode)choice;
	return 0;
}

static int read_attach(struct reader *reader, const struct node *value, void *target)
{
	static const char *const names[] = {
		[ATTACH_AUTO] = "auto",
		[ATTACH_NATIVE] = "native",
		[ATTACH_GENERIC] = "generic",
	};
	struct config *config = target;
	int choice = read_choice(reader, value, names, COUNT(names));

	if (choice < 0)
		return choice;
	config->attach = (enum attach)choice;
	return 0;
}

static int read_zone(struct reader *reader, const struct node *value, struct config *config,
		     enum zone zone)
{
	int result = read_kind(reader, value, NODE_LIST);
	struct interface_rule *grown;

	if (result < 0 || !value->count)
		return result;
	grown = reallocarray(config->interfaces, config->interface_count + value->count,
			     sizeof(*grown));
	if (!grown)
		return reader_out_of_memory(reader);
	config->interfaces = grown;
	for (const struct node *node = value->first; node; node = node->next) {
		result = read_interface(reader, node, zone, &grown[config->interface_count]);
		if (result < 0)
			return result;
		config->interface_count++;
	}
	return 0;
}

static int read_client(struct reader *reader, const struct node *value, void *target)
{
	return read_zone(reader, value, target, ZONE_CLIENT);
}

static int read_cluster_zone(struct reader *reader, const struct node *value, void *target)
{
	return read_zone(reader, value, target, ZONE_CLUSTER);
}

static int read_trusted(struct reader *reader, const struct node *value, void *target)
{
	return read_zone(reader, value, target, ZONE_TRUSTED);
}

static int read_interfaces(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {
		{"client", read_client},
		{"cluster", read_cluster_zone},
		{"trusted", read_trusted},
		{"attach", read_attach},
	};
	struct config *config = target;
	int result = read_mapping(reader, value, keys, COUNT(keys), config);

	if (!result && !config->interface_count)
		return reader_error(reader, value->line,
				    "interfaces: no interface is named; list at least one under "
				    "client, cluster or trusted");
	return result;
}

static int read_epmd_ports(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_ports(reader, value, &config->epmd_ports);
}

static int read_epmd(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {{"ports", read_epmd_ports}};

	return read_mapping(reader, value, keys, COUNT(keys), target);
}

static int read_name(struct reader *reader, const struct node *value, void *target)
{
	struct cluster_config *cluster = target;

	return read_cluster_name(reader, value, &cluster->name);
}

static int read_cluster_ports(struct reader *reader, const struct node *value, void *target)
{
	struct cluster_config *cluster = target;

	return read_ports(reader, value, &cluster->ports);
}

static int read_cluster_nodes(struct reader *reader, const struct node *value, void *target)
{
	return read_node_globs(reader, value, target);
}

static int read_cluster_peers(struct reader *reader, const struct node *value, void *target)
{
	return read_peers(reader, value, target);
}

static int read_cluster_presets(struct reader *reader, const struct node *value, void *target)
{
	(void)target; /* the cluster after those that are counted */
	return read_presets(reader, value, (int)reader->config->cluster_count);
}

static void free_cluster(struct cluster_config *cluster)
{
	free(cluster->name);
	free(cluster->ports.items);
	for (size_t i = 0; i < cluster->node_count; i++)
		free(cluster->nodes[i]);
	free(cluster->nodes);
	free(cluster->peers);
}

static int read_cluster(struct reader *reader, const struct node *node,
			struct cluster_config *cluster)
{
	static const struct key keys[] = {
		{"name", read_name},
		{"ports", read_cluster_ports},
		{"presets", read_cluster_presets},
		{"nodes", read_cluster_nodes},
		{"peers", read_cluster_peers},
	};
	int result;

	cluster->line = node->line;
	reader->key = "clusters";
	result = read_mapping(reader, node, keys, COUNT(keys), cluster);
	if (!result && !cluster->name)
		return reader_error(reader, node->line, "clusters: a cluster without a name");
	return result;
}

static int read_clusters(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;
	int result = read_kind(reader, value, NODE_LIST);

	if (result < 0 || !value->count)
		return result;
	config->clusters = calloc(CLUSTERS_MAX, sizeof(*config->clusters));
	if (!config->clusters)
		return reader_out_of_memory(reader);
	for (const struct node *node = value->first; node; node = node->next) {
		struct cluster_config *cluster = &config->clusters[config->cluster_count];

		if (config->cluster_count == CLUSTERS_MAX)
			return reader_error(reader, node->line,
					    "clusters: more than %d clusters are listed",
					    CLUSTERS_MAX);
		result = read_cluster(reader, node, cluster);
		if (result < 0) {
			free_cluster(cluster);
			return result;
		}
		config->cluster_count++;
	}
	return 0;
}

static int read_metrics_listen(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_listen(reader, value, &config->metrics_host, &config->metrics_port);
}

static int read_metrics(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {{"listen", read_metrics_listen}};

	return read_mapping(reader, value, keys, COUNT(keys), target);
}

static int read_control_socket(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_socket_path(reader, value, &config->control_socket);
}

static int read_control_group(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_group(reader, value, &config->control_group);
}

static int read_control_readers(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_group(reader, value, &config->control_readers);
}

static int read_control(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {
		{"socket", read_control_socket},
		{"group", read_control_group},
		{"readers", read_control_readers},
	};

	const struct config *config = target;
	char path[PROTOCOL_PATH_SIZE];
	int result = read_mapping(reader, value, keys, COUNT(keys), target);

	if (!result && config->control_readers &&
	    !protocol_read_socket(config->control_socket, path))
		return reader_error(reader, value->line,
				    "readers: their socket is " PROTOCOL_READ_SOCKET " beside %s, "
				    "which is too long or the same: name another control socket",
				    QUOTE(config->control_socket));
	return result;
}

static int read_top_presets(struct reader *reader, const struct node *value, void *target)
{
	(void)target;
	return read_presets(reader, value, PRESET_TOP_LEVEL);
}

static int read_root(struct reader *reader)
{
	static const struct key keys[] = {
		{"mode", read_mode},	       {"interfaces", read_interfaces},
		{"epmd", read_epmd},	       {"clusters", read_clusters},
		{"discovery", read_discovery}, {"metrics", read_metrics},
		{"control", read_control},     {"presets", read_top_presets},
		{"events", read_events},
	};
	const struct node *root = reader->document->root;

	if (!root || root->kind == NODE_NOTHING)
		return reader_error(
			reader, 1, "the file holds no configuration; it needs at least interfaces");
	reader->key = "configuration";
	return read_mapping(reader, root, keys, COUNT(keys), reader->config);
}

static bool set_defaults(struct config *config)
{
	config->mode = MODE_ENFORCE;
	config->attach = ATTACH_AUTO;
	config->discovery_listeners = true;
	config->discovery_autobound = true;
	config->epmd_ports.items = malloc(sizeof(*config->epmd_ports.items));
	config->metrics_host = strdup("127.0.0.1");
	config->metrics_port = 9369;
	config->control_socket = strdup(PROTOCOL_SOCKET_DEFAULT);
	config->control_group = strdup("beamfence");
	if (!config->epmd_ports.items || !config->metrics_host || !config->control_socket ||
	    !config->control_group)
		return false;
	config->epmd_ports.items[0] = (struct port_range){.first = 4369, .last = 4369};
	config->epmd_ports.count = 1;
	return true;
}

static void cleanup_config(struct config **config)
{
	config_free(*config);
}

static void cleanup_document(struct document **document)
{
	document_free(*document);
}

static int read_document(const struct document *document, struct config **config,
			 struct error *error)
{
	_cleanup_(cleanup_config) struct config *loaded = calloc(1, sizeof(*loaded));
	struct reader reader = {.document = document, .config = loaded, .error = error};
	int result;

	if (!loaded || !set_defaults(loaded))
		return document_error(document->path, 0, error, -ENOMEM, "out of memory");
	result = read_root(&reader);
	if (!result)
		result = config_check(&reader);
	if (!result)
		result = config_warn(&reader);
	free(reader.node_globs);
	if (result < 0)
		return result;
	*config = TAKE_POINTER(loaded);
	return 0;
}

int config_load(const char *path, struct config **config, struct error *error)
{
	_cleanup_(cleanup_document) struct document *document = NULL;
	const int result = document_load(path, &document, error);

	return result < 0 ? result : read_document(document, config, error);
}

/* FNV-1a, folded. Another text with the same mark is one in 65,535. */
static uint16_t mark_of(const char *text, size_t size)
{
	uint32_t hash = 2166136261u;
	uint16_t mark;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	mark = (uint16_t)(hash >> 16 ^ hash);
	return mark ? mark : 1;
}

int config_read(const char *name, const char *text, size_t size, struct config **config,
		struct error *error)
{
	_cleanup_(cleanup_document) struct document *document = NULL;
	int result = document_read(name, text, size, &document, error);

	if (!result)
		result = read_document(document, config, error);
	if (!result)
		(*config)->mark = mark_of(text, size);
	return result;
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->interface_count; i++)
		free(config->interfaces[i].pattern);
	free(config->interfaces);
	free(config->epmd_ports.items);
	for (size_t i = 0; i < config->cluster_count; i++)
		free_cluster(&config->clusters[i]);
	free(config->clusters);
	free(config->exempt_ports.items);
	free(config->presets);
	free(config->preset_ports.items);
	for (size_t i = 0; i < config->warning_count; i++)
		free(config->warnings[i]);
	free(config->warnings);
	free(config->metrics_host);
	free(config->control_socket);
	free(config->control_group);
	free(config->control_readers);
	free(config);
}
