// SPDX-License-Identifier: BSD-2-Clause
/* The section "discovery": which listeners are protected because they are seen. */
#include "core/config_read.h"

static int read_listeners(struct reader *reader, const struct key *key, const struct node *value,
			  void *target)
{
	struct config *config = target;

	(void)key;
	return read_bool(reader, value, &config->discovery_listeners);
}

/* Of two words, the second: "protect". */
static int read_protect(struct reader *reader, const struct key *key, const struct node *value,
			bool *protect)
{
	int choice = read_choice(reader, key->form, value);

	if (choice < 0)
		return choice;
	*protect = choice == 1;
	return 0;
}

static int read_autobound(struct reader *reader, const struct key *key, const struct node *value,
			  void *target)
{
	struct config *config = target;

	return read_protect(reader, key, value, &config->discovery_autobound);
}

static int read_fixed(struct reader *reader, const struct key *key, const struct node *value,
		      void *target)
{
	struct config *config = target;
	int result = read_protect(reader, key, value, &config->discovery_fixed);

	if (!result && config->discovery_fixed)
		reader->fixed_line = value->line;
	return result;
}

static int read_exempt_ports(struct reader *reader, const struct key *key, const struct node *value,
			     void *target)
{
	struct config *config = target;

	(void)key;
	return read_ports(reader, value, &config->exempt_ports);
}

static const char *const autobound_names[] = {"ignore", "protect"};
static const char *const fixed_names[] = {"known", "protect"};
static const struct form form_autobound = {.kind = FORM_CHOICE, FORM_CHOICES(autobound_names)};
static const struct form form_fixed = {.kind = FORM_CHOICE, FORM_CHOICES(fixed_names)};

static const struct key keys[] = {
	{
		.name = "listeners",
		.form = &form_switch,
		.read = read_listeners,
		.about = "Whether ports that BEAM nodes open are found and protected, from the "
			 "moment they listen.",
		.otherwise = "true",
	},
	{
		.name = "autobound",
		.form = &form_autobound,
		.read = read_autobound,
		.about = "What is done about a node's listener on a port that the kernel chose.",
		.otherwise = "\"protect\"",
	},
	{
		.name = "fixed",
		.form = &form_fixed,
		.read = read_fixed,
		.about = "What is done about a node's listener on a port that the node chose: "
			 "known protects it once it is known for the distribution's; protect "
			 "closes it at once, whatever it is for, unless it is exempt.",
		.otherwise = "\"known\"",
	},
	{
		.name = "exempt_ports",
		.form = &form_ports,
		.read = read_exempt_ports,
		.about = "Discovered ports never to protect, beside the client ports of presets. "
			 "Ports that the configuration lists stay protected.",
		.otherwise = "[]",
	},
};
const struct form form_discovery = {.kind = FORM_SECTION, FORM_KEYS(keys)};
