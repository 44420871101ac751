// SPDX-License-Identifier: BSD-2-Clause
/* The section "discovery": which listeners are protected because they are seen. */
#include "core/config_read.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_listeners(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_bool(reader, value, &config->discovery_listeners);
}

/* Reads "protect", or the word for what is done @otherwise. */
static int read_protect(struct reader *reader, const struct node *value, const char *otherwise,
			bool *protect)
{
	const char *const names[] = {otherwise, "protect"};
	int choice = read_choice(reader, value, names, COUNT(names));

	if (choice < 0)
		return choice;
	*protect = choice == 1;
	return 0;
}

static int read_autobound(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_protect(reader, value, "ignore", &config->discovery_autobound);
}

static int read_fixed(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;
	int result = read_protect(reader, value, "known", &config->discovery_fixed);

	if (!result && config->discovery_fixed)
		reader->fixed_line = value->line;
	return result;
}

static int read_exempt_ports(struct reader *reader, const struct node *value, void *target)
{
	struct config *config = target;

	return read_ports(reader, value, &config->exempt_ports);
}

int read_discovery(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {
		{"listeners", read_listeners},
		{"autobound", read_autobound},
		{"fixed", read_fixed},
		{"exempt_ports", read_exempt_ports},
	};

	return read_mapping(reader, value, keys, COUNT(keys), target);
}
