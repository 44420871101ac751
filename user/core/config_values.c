// SPDX-License-Identifier: BSD-2-Clause
/* Single values of the configuration: each reader says what it accepts when it refuses. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/text.h"

#define LISTEN_UNIX "unix:"

int reader_out_of_memory(const struct reader *reader)
{
	return document_error(reader->document->path, 0, reader->error, -ENOMEM, "out of memory");
}

int read_kind(struct reader *reader, const struct node *node, enum node_kind kind)
{
	static const char *const expected[] = {
		[NODE_TEXT] = "a single value",
		[NODE_LIST] = "a list",
		[NODE_MAPPING] = "keys and values",
	};
	const char *key = reader->key;

	if (node->kind == kind)
		return 0;
	if (node->kind == NODE_TEXT)
		return reader_error(reader, node->line, "%s: expected %s, found %s", key,
				    expected[kind], QUOTE(node->text));
	if (node->kind != NODE_NOTHING)
		return reader_error(reader, node->line, "%s: expected %s, found %s", key,
				    expected[kind], expected[node->kind]);
	return reader_error(reader, node->line, "%s: expected %s, found nothing%s", key,
			    expected[kind], kind == NODE_LIST ? "; write [] for none" : "");
}

int read_choice(struct reader *reader, const struct form *form, const struct node *node)
{
	const size_t count = form->choice_count;
	char accepted[64] = "";

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(node->text, form->choices[i]))
			return (int)i;
		if (i)
			strcat(accepted, i + 1 == count ? " or " : ", ");
		strcat(accepted, form->choices[i]);
	}
	return reader_error(reader, node->line, "%s: %s is not accepted, write %s", reader->key,
			    QUOTE(node->text), accepted);
}

static const char *const switch_names[] = {"false", "true"};
const struct form form_switch = {.kind = FORM_SWITCH, FORM_CHOICES(switch_names)};

int read_bool(struct reader *reader, const struct node *node, bool *value)
{
	int choice = read_choice(reader, &form_switch, node);

	if (choice < 0)
		return choice;
	*value = choice == 1;
	return 0;
}

/* Puts a copy of @text into *@place, and frees what a default may have left there. */
static int replace_text(const struct reader *reader, char **place, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return reader_out_of_memory(reader);
	free(*place);
	*place = copy;
	return 0;
}

unsigned read_number(const char **text, unsigned max)
{
	const char *digit = *text;
	unsigned value = 0;

	if (*digit == '0')
		return 0;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		value = value * 10 + (unsigned)(*digit - '0');
		if (value > max)
			return 0;
	}
	*text = digit;
	return value;
}

static int read_range(struct reader *reader, const struct node *node, struct port_range *range)
{
	const char *rest = node->text;
	unsigned first, last;
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	first = read_number(&rest, PORTS - 1);
	last = first;
	if (first && *rest == '-') {
		rest++;
		last = read_number(&rest, PORTS - 1);
	}
	if (!first || !last || *rest)
		return reader_error(reader, node->line,
				    "%s: %s is not a port (1-65535) or a range such as 9100-9155",
				    reader->key, QUOTE(node->text));
	if (last < first)
		return reader_error(reader, node->line,
				    "%s: the range %s is reversed: did you mean \"%u-%u\"?",
				    reader->key, QUOTE(node->text), last, first);
	range->first = (uint16_t)first;
	range->last = (uint16_t)last;
	range->line = node->line;
	return 0;
}

static const struct form form_port = {.kind = FORM_PORT};
const struct form form_ports = {.kind = FORM_LIST, .entry = &form_port};

int read_ports(struct reader *reader, const struct node *node, struct port_ranges *ranges)
{
	_cleanup_free_ struct port_range *items = calloc(node->count + 1, sizeof(*items));
	size_t count = 0;

	if (!items)
		return reader_out_of_memory(reader);
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		int result = read_range(reader, entry, &items[count++]);

		if (result < 0)
			return result;
	}
	free(ranges->items);
	ranges->items = TAKE_POINTER(items);
	ranges->count = count;
	return 0;
}

/* Splits "HOST:PORT" or "[IPv6]:PORT"; returns the host as a new string, or NULL if it is none. */
static char *split_listen(const char *text, unsigned *port)
{
	_cleanup_free_ char *host = NULL;
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';
	struct prefix address;

	if (!colon)
		return NULL;
	host = brackets ? strndup(text + 1, (size_t)(colon - text) - 2)
			: strndup(text, (size_t)(colon - text));
	colon++;
	*port = read_number(&colon, PORTS - 1);
	if (!host || !*port || *colon || address_parse(host, &address, NULL) < 0 ||
	    prefix_is_ipv4(&address) == brackets)
		return NULL;
	return TAKE_POINTER(host);
}

static int check_socket_path(const struct reader *reader, const struct node *node, const char *path)
{
	const size_t size = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (path[0] != '/' || path[strlen(path) - 1] == '/')
		return reader_error(reader, node->line, "%s: %s is not the absolute path of a file",
				    reader->key, QUOTE(path));
	if (strlen(path) >= size)
		return reader_error(reader, node->line,
				    "%s: %s has %zu bytes, a socket's path at most %zu",
				    reader->key, QUOTE(path), strlen(path), size - 1);
	return 0;
}

int read_listen(struct reader *reader, const struct node *node, char **host, uint16_t *port)
{
	char *parsed = NULL;
	unsigned number = 0;

	if (!strncmp(node->text, LISTEN_UNIX, strlen(LISTEN_UNIX))) {
		int result = check_socket_path(reader, node, node->text + strlen(LISTEN_UNIX));

		if (result < 0)
			return result;
		parsed = strdup(node->text + strlen(LISTEN_UNIX));
		if (!parsed)
			return reader_out_of_memory(reader);
	} else if (strcmp(node->text, "off") != 0) {
		parsed = split_listen(node->text, &number);
		if (!parsed)
			return reader_error(
				reader, node->line,
				"%s: %s is not accepted, write an address and port such as "
				"127.0.0.1:9369 or [::1]:9369, unix:/run/beamfence/metrics.sock, "
				"or off",
				reader->key, QUOTE(node->text));
	}
	free(*host);
	*host = parsed;
	*port = (uint16_t)number;
	return 0;
}

int read_socket_path(struct reader *reader, const struct node *node, char **path)
{
	int result = check_socket_path(reader, node, node->text);

	return result < 0 ? result : replace_text(reader, path, node->text);
}

/* Whether a character is in a set such as "a-z0-9_-". */
static bool is_in_set(char c, const char *set)
{
	for (; *set; set++) {
		if (set[1] == '-' && set[2]) {
			if (*set <= c && c <= set[2])
				return true;
			set += 2;
		} else if (*set == c) {
			return true;
		}
	}
	return false;
}

static bool is_word(const char *text, const struct form *form)
{
	if (!is_in_set(*text, form->first))
		return false;
	for (const char *c = text + 1; *c; c++)
		if (!is_in_set(*c, form->following))
			return false;
	return strlen(text) <= form->max;
}

int read_word(struct reader *reader, const struct form *form, const struct node *node, char **word)
{
	if (!is_word(node->text, form))
		return reader_error(reader, node->line, "%s: %s is not %s (%s; at most %u)",
				    reader->key, QUOTE(node->text), form->noun, form->letters,
				    form->max);
	return replace_text(reader, word, node->text);
}
