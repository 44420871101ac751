// SPDX-License-Identifier: BSD-2-Clause
#include "core/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/protocol.h"
#include "core/text.h"

static int read_mode(struct reader *reader, const struct key *key, const struct node *value,
		     void *target)
{
	struct config *config = target;
	int choice = read_choice(reader, key->form, value);

	if (choice < 0)
		return choice;
	config->mode = (enum mode)choice;
	return 0;
}

static int read_epmd_ports(struct reader *reader, const struct key *key, const struct node *value,
			   void *target)
{
	struct config *config = target;

	(void)key;
	return read_ports(reader, value, &config->epmd_ports);
}

static int read_top_presets(struct reader *reader, const struct key *key, const struct node *value,
			    void *target)
{
	(void)key;
	(void)target;
	return read_presets(reader, value, PRESET_TOP_LEVEL);
}

static const char *const mode_names[] = {[MODE_ENFORCE] = "enforce", [MODE_AUDIT] = "audit"};
static const struct form form_mode = {.kind = FORM_CHOICE, FORM_CHOICES(mode_names)};
static const struct key epmd_keys[] = {
	{
		.name = "ports",
		.form = &form_ports,
		.read = read_epmd_ports,
		.about = "The ports of epmd; [] if there is none.",
		.otherwise = "[4369]",
	},
};
static const struct form form_epmd = {.kind = FORM_SECTION, FORM_KEYS(epmd_keys)};

static const struct key keys[] = {
	{
		.name = "mode",
		.form = &form_mode,
		.read = read_mode,
		.about = "audit decides and counts everything, and drops nothing.",
		.otherwise = "\"enforce\"",
	},
	{
		.name = "interfaces",
		.form = &form_interfaces,
		.about = "What each interface faces. One that no list names is left alone, and "
			 "status says so; lo is never touched.",
		.missing = "interfaces is missing: it names the interfaces to fence",
	},
	{
		.name = "epmd",
		.form = &form_epmd,
		.about = "The port mapper daemon of Erlang.",
	},
	{
		.name = "clusters",
		.form = &form_clusters,
		.read = read_clusters,
		.about = "Sets of protected ports, and of the peers that may reach them on cluster "
			 "interfaces. Two tiers on one host are two clusters.",
		.otherwise = "[]",
	},
	{
		.name = "discovery",
		.form = &form_discovery,
		.about = "Which listeners are protected because they are seen.",
	},
	{
		.name = "metrics",
		.form = &form_metrics,
		.about = "Metrics for Prometheus.",
	},
	{
		.name = "control",
		.form = &form_control,
		.read = read_control,
		.about = "Who may ask the agent, and where.",
	},
	{
		.name = "presets",
		.form = &form_presets,
		.read = read_top_presets,
		.about = "Products whose default cluster ports are protected. They belong to the "
			 "only cluster, or to nobody where there is none; with several clusters, "
			 "presets stand under one of them.",
		.otherwise = "[]",
	},
	{
		.name = "events",
		.form = &form_events,
		.about = "Events beside those that the command line shows.",
	},
};
const struct form config_form = {.kind = FORM_SECTION, FORM_KEYS(keys)};

static int read_root(struct reader *reader)
{
	const struct node *root = reader->document->root;

	if (!root || root->kind == NODE_NOTHING)
		return reader_error(
			reader, 1, "the file holds no configuration; it needs at least interfaces");
	reader->key = "configuration";
	return read_section(reader, &config_form, root, reader->config);
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
