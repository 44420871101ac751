// SPDX-License-Identifier: BSD-2-Clause
/* The section "events": which of them are lines of the log as well. */
#include "core/config_read.h"

static int read_journal(struct reader *reader, const struct key *key, const struct node *value,
			void *target)
{
	struct config *config = target;
	int choice = read_choice(reader, key->form, value);

	if (choice < 0)
		return choice;
	config->journal_drops = choice == 1;
	return 0;
}

static const char *const journal_names[] = {"off", "drops"};
static const struct form form_journal = {.kind = FORM_CHOICE, FORM_CHOICES(journal_names)};

static const struct key keys[] = {
	{
		.name = "journal",
		.form = &form_journal,
		.read = read_journal,
		.about = "Whether dropped frames that are events are lines of the log as well, ten "
			 "a second at most.",
		.otherwise = "\"off\"",
	},
};
const struct form form_events = {.kind = FORM_SECTION, FORM_KEYS(keys)};
