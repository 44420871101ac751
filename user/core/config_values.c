// SPDX-License-Identifier: BSD-2-Clause
/* Single values of the configuration: each reader says what it accepts when it refuses. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/text.h"

#define CLUSTER_NAME_MAX (CLUSTER_NAME_SIZE - 1)
#define GROUP_NAME_MAX	 32
#define LISTEN_UNIX	 "unix:"

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

int read_choice(struct reader *reader, const struct node *node, const char *const *names,
		size_t count)
{
	char accepted[64] = "";
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(node->text, names[i]))
			return (int)i;
		if (i)
			strcat(accepted, i + 1 == count ? " or " : ", ");
		strcat(accepted, names[i]);
	}
	return reader_error(reader, node->line, "%s: %s is not accepted, write %s", reader->key,
			    QUOTE(node->text), accepted);
}

int read_bool(struct reader *reader, const struct node *node, bool *value)
{
	static const char *const names[] = {"false", "true"};
	int choice = read_choice(reader, node, names, 2);

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

int read_ports(struct reader *reader, const struct node *node, struct port_ranges *ranges)
{
	_cleanup_free_ struct port_range *items = NULL;
	size_t count = 0;
	int result = read_kind(reader, node, NODE_LIST);

	if (result < 0)
		return result;
	items = calloc(node->count + 1, sizeof(*items));
	if (!items)
		return reader_out_of_memory(reader);
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		result = read_range(reader, entry, &items[count++]);
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
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	if (!strncmp(node->text, LISTEN_UNIX, strlen(LISTEN_UNIX))) {
		result = check_socket_path(reader, node, node->text + strlen(LISTEN_UNIX));
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
	int result = read_kind(reader, node, NODE_TEXT);

	if (!result)
		result = check_socket_path(reader, node, node->text);
	return result < 0 ? result : replace_text(reader, path, node->text);
}

int read_group(struct reader *reader, const struct node *node, char **group)
{
	static const char following[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	const char *text = node->text;
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	if (!(islower((unsigned char)text[0]) || text[0] == '_') || text[strspn(text, following)] ||
	    strlen(text) > GROUP_NAME_MAX)
		return reader_error(reader, node->line,
				    "%s: %s is not a group's name (lower-case letters, digits, "
				    "'_', '-'; at most %d)",
				    reader->key, QUOTE(text), GROUP_NAME_MAX);
	return replace_text(reader, group, text);
}

int read_cluster_name(struct reader *reader, const struct node *node, char **name)
{
	const struct config *config = reader->config;
	const char *text = node->text;
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	for (const char *c = text; *c; c++)
		if (!strchr("_-.", *c) && (*c & 0x80 || !isalnum((unsigned char)*c)))
			text = "";
	if (!*text || strlen(text) > CLUSTER_NAME_MAX)
		return reader_error(reader, node->line,
				    "%s: %s is not a cluster's name (letters, digits, '_', '-', "
				    "'.'; at most %d)",
				    reader->key, QUOTE(node->text), CLUSTER_NAME_MAX);
	for (size_t i = 0; i < config->cluster_count; i++)
		if (!strcmp(config->clusters[i].name, text))
			return reader_error(reader, node->line,
					    "%s: two clusters are named %s (the first on line %u)",
					    reader->key, QUOTE(text), config->clusters[i].line);
	return replace_text(reader, name, text);
}
