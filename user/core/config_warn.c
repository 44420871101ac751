// SPDX-License-Identifier: BSD-2-Clause
/* What is valid in a configuration, and hardly meant. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/config_read.h"
#include "core/text.h"

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

static int warn_of_preset(const struct reader *reader, const struct preset *preset, unsigned line)
{
	const struct config *config = reader->config;
	int result = 0;

	for (size_t i = 0; i < PRESET_CLIENTS_MAX && preset->clients[i] && !result; i++) {
		const uint16_t port = preset->clients[i];
		struct port_owner owner;

		if (config_port_owner(config, port, &owner))
			result = warn(reader,
				      "line %u: port %u, which clients of %s use, lies in the "
				      "protected %u-%u: no client reaches it",
				      owner.range->line, port, preset->name, owner.range->first,
				      owner.range->last);
	}
	if (!result && preset->dynamic && !config->discovery_listeners)
		result = warn(reader,
			      "line %u: the distribution's port of %s changes at each start, and "
			      "discovery.listeners is false: only listed ports are protected",
			      line, preset->name);
	return result;
}

static int warn_of_discovery(const struct reader *reader)
{
	if (!reader->fixed_line || reader->config->discovery_listeners)
		return 0;
	return warn(reader,
		    "line %u: discovery.fixed is protect, and discovery.listeners is false: no "
		    "listener is found, and only listed ports are protected",
		    reader->fixed_line);
}

/* It may be a VLAN, mistyped, or what the device is called. */
static int warn_of_name(const struct reader *reader, const struct interface_rule *rule)
{
	const char *dot = strrchr(rule->pattern, '.');

	if (!rule->like_vlan)
		return 0;
	return warn(reader,
		    "line %u: %s is taken for the name of an interface, not for a VLAN (1-4094) on "
		    "another; write \"%.*s[.]%s\" if that is meant",
		    rule->line, QUOTE(rule->pattern), (int)(dot - rule->pattern), rule->pattern,
		    dot + 1);
}

int config_warn(const struct reader *reader)
{
	const struct config *config = reader->config;
	int result = warn_of_discovery(reader);

	for (size_t i = 0; i < config->interface_count && !result; i++)
		result = warn_of_name(reader, &config->interfaces[i]);

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
