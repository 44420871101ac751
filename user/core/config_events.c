// SPDX-License-Identifier: BSD-2-Clause
/* The section "events": which of them are lines of the log as well. */
#include "core/config_read.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int read_journal(struct reader *reader, const struct node *value, void *target)
{
	static const char *const names[] = {"off", "drops"};
	struct config *config = target;
	int choice = read_choice(reader, value, names, COUNT(names));

	if (choice < 0)
		return choice;
	config->journal_drops = choice == 1;
	return 0;
}

int read_events(struct reader *reader, const struct node *value, void *target)
{
	static const struct key keys[] = {{"journal", read_journal}};

	return read_mapping(reader, value, keys, COUNT(keys), target);
}
