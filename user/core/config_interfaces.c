// SPDX-License-Identifier: BSD-2-Clause
/* The section "interfaces": what each interface faces, and how the filter is attached. */
#include <stdlib.h>
#include <string.h>

#include "core/config_read.h"

const char *config_zone_key(enum zone zone)
{
	static const char *const keys[ZONE_COUNT] = {
		[ZONE_NONE] = "none",
		[ZONE_CLIENT] = "client",
		[ZONE_CLUSTER] = "cluster",
		[ZONE_TRUSTED] = "trusted",
	};

	return keys[zone];
}

static enum zone zone_of_key(const char *key)
{
	enum zone zone = ZONE_CLIENT;

	while (zone < ZONE_TRUSTED && strcmp(key, config_zone_key(zone)) != 0)
		zone++;
	return zone;
}

static int read_zone(struct reader *reader, const struct key *key, const struct node *value,
		     void *target)
{
	struct config *config = target;
	struct interface_rule *grown;

	if (!value->count)
		return 0;
	grown = reallocarray(config->interfaces, config->interface_count + value->count,
			     sizeof(*grown));
	if (!grown)
		return reader_out_of_memory(reader);
	config->interfaces = grown;
	for (const struct node *node = value->first; node; node = node->next) {
		int result = read_interface(reader, node, zone_of_key(key->name),
					    &grown[config->interface_count]);

		if (result < 0)
			return result;
		config->interface_count++;
	}
	return 0;
}

static int read_attach(struct reader *reader, const struct key *key, const struct node *value,
		       void *target)
{
	struct config *config = target;
	int choice = read_choice(reader, key->form, value);

	if (choice < 0)
		return choice;
	config->attach = (enum attach)choice;
	return 0;
}

static const char *const attach_names[] = {
	[ATTACH_AUTO] = "auto",
	[ATTACH_NATIVE] = "native",
	[ATTACH_GENERIC] = "generic",
};
static const struct form form_attach = {.kind = FORM_CHOICE, FORM_CHOICES(attach_names)};

/*
 * A name of the kernel's, maybe with a VLAN, or anything with a character of globs:
 * read_interface() knows more of it.
 */
#define PATTERN_INTERFACE                                                              \
	"^(?!(lo|\\.|\\.\\.)$)([^*?\\[/: \\t\\n\\v\\f\\r]{1,15}(\\.[1-9][0-9]{0,3})?|" \
	"[^/ \\t\\n\\v\\f\\r]*[*?\\[][^/ \\t\\n\\v\\f\\r]*)$"
static const struct form form_interface = {
	.kind = FORM_TEXT, .pattern = PATTERN_INTERFACE, .max = 68, .numeric = true};
static const struct form form_zone = {.kind = FORM_LIST, .entry = &form_interface};

static const struct key keys[] = {
	{
		.name = "client",
		.form = &form_zone,
		.read = read_zone,
		.about = "Interfaces from which nobody reaches a protected port: names, globs, or "
			 "VLANs such as eth0.120. An exact name goes before a glob, and a glob "
			 "before \"*\".",
	},
	{
		.name = "cluster",
		.form = &form_zone,
		.read = read_zone,
		.about = "Interfaces from which only the peers of its cluster reach a protected "
			 "port.",
	},
	{
		.name = "trusted",
		.form = &form_zone,
		.read = read_zone,
		.about = "Interfaces from which everything passes.",
	},
	{
		.name = "attach",
		.form = &form_attach,
		.read = read_attach,
		.about = "Where the filter runs: in the driver where it can, else in the generic "
			 "path (auto); native and generic insist.",
		.otherwise = "\"auto\"",
	},
};
const struct form form_interfaces = {
	.kind = FORM_SECTION,
	FORM_KEYS(keys),
	.empty = "interfaces: no interface is named; list at least one under client, cluster or "
		 "trusted",
};
