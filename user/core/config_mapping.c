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

static const char *nearest_key(const char *text, const struct key *keys, size_t count)
{
	const char *nearest = NULL;
	size_t least = TYPOS_MAX + 1;

	if (strlen(text) > KEY_SIZE_MAX)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		size_t distance = edit_distance(text, keys[i].name);

		if (distance < least && distance * 2 < strlen(keys[i].name)) {
			least = distance;
			nearest = keys[i].name;
		}
	}
	return nearest;
}

static int unknown_key(const struct reader *reader, const struct node *name, const struct key *keys,
		       size_t count)
{
	const char *nearest = nearest_key(name->text, keys, count);
	char accepted[KEYS_MAX * (KEY_SIZE_MAX + 2)] = "";

	if (nearest)
		return reader_error(reader, name->line, "unknown key %s: did you mean \"%s\"?",
				    QUOTE(name->text), nearest);
	for (size_t i = 0; i < count; i++) {
		strcat(accepted, i ? ", " : "");
		strcat(accepted, keys[i].name);
	}
	return reader_error(reader, name->line, "unknown key %s: accepted here: %s",
			    QUOTE(name->text), accepted);
}

static int find_key(const struct reader *reader, const struct node *name, const struct key *keys,
		    size_t count, size_t *index)
{
	if (name->kind != NODE_TEXT)
		return reader_error(reader, name->line, "a key must be one of the known words");
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(name->text, keys[i].name)) {
			*index = i;
			return 0;
		}
	}
	return unknown_key(reader, name, keys, count);
}

int read_mapping(struct reader *reader, const struct node *node, const struct key *keys,
		 size_t key_count, void *target)
{
	unsigned first_lines[KEYS_MAX] = {0};
	int result = read_kind(reader, node, NODE_MAPPING);

	if (result < 0)
		return result;
	for (const struct node *name = node->first; name; name = name->next->next) {
		size_t i = 0;

		result = find_key(reader, name, keys, key_count, &i);
		if (result < 0)
			return result;
		if (first_lines[i])
			return reader_error(reader, name->line,
					    "key \"%s\" is given twice (first on line %u)",
					    keys[i].name, first_lines[i]);
		first_lines[i] = name->line;
		reader->key = keys[i].name;
		result = keys[i].read(reader, name->next, target);
		if (result < 0)
			return result;
	}
	return 0;
}
