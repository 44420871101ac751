// SPDX-License-Identifier: BSD-2-Clause
/* Mappings of known keys, and what is said about an unknown one. */
#include <errno.h>
#include <string.h>

#include "core/config_read.h"
#include "core/text.h"

#define KEY_SIZE_MAX 24 /* no longer key is compared with the known ones */
#define KEYS_MAX     16 /* of one mapping */
#define TYPOS_MAX    2	/* more make it another word */

static size_t smallest(size_t a, size_t b, size_t c)
{
	size_t least = a < b ? a : b;

	return least < c ? least : c;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn @a into @b. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t cost[KEY_SIZE_MAX + 1][KEY_SIZE_MAX + 1];
	size_t rows = strlen(a), columns = strlen(b);

	for (size_t i = 0; i <= rows; i++) {
		for (size_t j = 0; j <= columns; j++) {
			if (!i || !j) {
				cost[i][j] = i + j;
				continue;
			}
			cost[i][j] = smallest(cost[i - 1][j] + 1, cost[i][j - 1] + 1,
					      cost[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    cost[i - 2][j - 2] + 1 < cost[i][j])
				cost[i][j] = cost[i - 2][j - 2] + 1;
		}
	}
	return cost[rows][columns];
}

static const char *nearest_key(const char *text, const struct form *section)
{
	const char *nearest = NULL;
	size_t least = TYPOS_MAX + 1;

	if (strlen(text) > KEY_SIZE_MAX)
		return NULL;
	for (size_t i = 0; i < section->key_count; i++) {
		const char *name = section->keys[i].name;
		size_t distance = edit_distance(text, name);

		if (distance < least && distance * 2 < strlen(name)) {
			least = distance;
			nearest = name;
		}
	}
	return nearest;
}

static int unknown_key(const struct reader *reader, const struct form *section,
		       const struct node *name)
{
	const char *nearest = nearest_key(name->text, section);
	char accepted[KEYS_MAX * (KEY_SIZE_MAX + 2)] = "";

	if (nearest)
		return reader_error(reader, name->line, "unknown key %s: did you mean \"%s\"?",
				    QUOTE(name->text), nearest);
	for (size_t i = 0; i < section->key_count; i++) {
		strcat(accepted, i ? ", " : "");
		strcat(accepted, section->keys[i].name);
	}
	return reader_error(reader, name->line, "unknown key %s: accepted here: %s",
			    QUOTE(name->text), accepted);
}

static int find_key(const struct reader *reader, const struct form *section,
		    const struct node *name, size_t *index)
{
	if (name->kind != NODE_TEXT)
		return reader_error(reader, name->line, "a key must be one of the known words");
	for (size_t i = 0; i < section->key_count; i++) {
		if (!strcmp(name->text, section->keys[i].name)) {
			*index = i;
			return 0;
		}
	}
	return unknown_key(reader, section, name);
}

static int read_value(struct reader *reader, const struct key *key, const struct node *value,
		      void *target)
{
	static const enum node_kind kinds[] = {
		[FORM_SECTION] = NODE_MAPPING, [FORM_LIST] = NODE_LIST, [FORM_CHOICE] = NODE_TEXT,
		[FORM_SWITCH] = NODE_TEXT,     [FORM_PORT] = NODE_TEXT, [FORM_PRESET] = NODE_TEXT,
		[FORM_WORD] = NODE_TEXT,       [FORM_TEXT] = NODE_TEXT,
	};
	int result;

	reader->key = key->name;
	result = read_kind(reader, value, kinds[key->form->kind]);
	if (result < 0)
		return result;
	return key->read ? key->read(reader, key, value, target)
			 : read_section(reader, key->form, value, target);
}

/* What has to be in a section. @first_lines: of its keys, 0 where one is missing. */
static int check_section(const struct reader *reader, const struct form *section,
			 const struct node *node, const unsigned *first_lines, bool any_entry)
{
	for (size_t i = 0; i < section->key_count; i++)
		if (section->keys[i].missing && !first_lines[i])
			return reader_error(reader, node->line, "%s", section->keys[i].missing);
	if (section->empty && !any_entry)
		return reader_error(reader, node->line, "%s", section->empty);
	return 0;
}

int read_section(struct reader *reader, const struct form *section, const struct node *node,
		 void *target)
{
	unsigned first_lines[KEYS_MAX] = {0};
	bool any_entry = false;
	int result = read_kind(reader, node, NODE_MAPPING);

	if (result < 0)
		return result;
	for (const struct node *name = node->first; name; name = name->next->next) {
		size_t i = 0;

		result = find_key(reader, section, name, &i);
		if (result < 0)
			return result;
		if (first_lines[i])
			return reader_error(reader, name->line,
					    "key \"%s\" is given twice (first on line %u)",
					    section->keys[i].name, first_lines[i]);
		first_lines[i] = name->line;
		result = read_value(reader, &section->keys[i], name->next, target);
		if (result < 0)
			return result;
		any_entry |= section->keys[i].form->kind == FORM_LIST && name->next->count;
	}
	return check_section(reader, section, node, first_lines, any_entry);
}
