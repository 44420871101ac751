// SPDX-License-Identifier: BSD-2-Clause
#include "core/epmd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"

#define PORT_SIZE	4   /* epmd's own port, before the lines */
#define NAME_CHARACTERS 255 /* MAXALIVELEN in epmd's sources */

static const char name_word[] = "name ";
static const char port_word[] = " at port ";

/* 1..65535 in decimal, as "%d" prints it; 0 for anything else. */
static uint16_t parse_port(const char *text, size_t size)
{
	unsigned int value = 0;

	if (!size || size > 5 || text[0] == '0')
		return 0;
	for (size_t i = 0; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return 0;
		value = value * 10 + (unsigned int)(text[i] - '0');
	}
	return value <= UINT16_MAX ? (uint16_t)value : 0;
}

bool epmd_name_is_acceptable(const char *name, size_t size)
{
	size_t characters = 0;

	while (size) {
		uint32_t character;
		size_t taken = text_decode(name, size, &character);

		if (!taken || character == ' ' || !text_is_harmless(character) ||
		    ++characters > NAME_CHARACTERS)
			return false;
		name += taken;
		size -= taken;
	}
	return characters > 0;
}

/* Reads one line, without its newline. @name stays part of the line. Returns whether it is one. */
static bool parse_line(const char *line, size_t size, const char **name, size_t *name_size,
		       uint16_t *port)
{
	const size_t start = sizeof(name_word) - 1, length = sizeof(port_word) - 1;
	const char *end;

	if (size < start || memcmp(line, name_word, start) != 0)
		return false;
	*name = line + start;
	/* No name has a space, so none can hold this: a second one makes what follows no port. */
	end = memmem(*name, size - start, port_word, length);
	if (!end)
		return false;
	*name_size = (size_t)(end - *name);
	*port = parse_port(end + length, size - start - *name_size - length);
	return *port && epmd_name_is_acceptable(*name, *name_size);
}

/* Adds the registration of one line, or counts it as refused. -ENOMEM. */
static int add_line(struct epmd_nodes *nodes, const char *line, size_t size)
{
	struct epmd_node *node;
	const char *name;
	size_t name_size;
	uint16_t port;

	if (!parse_line(line, size, &name, &name_size, &port) || nodes->count == EPMD_NODES_MAX) {
		nodes->refused++;
		return 0;
	}
	node = &nodes->items[nodes->count];
	node->name = strndup(name, name_size);
	if (!node->name)
		return -ENOMEM;
	node->port = port;
	nodes->count++;
	return 0;
}

/* The lines of the reply, as far as they can be kept. */
static size_t count_lines(const char *text, const char *end)
{
	size_t lines = 0;

	while (lines < EPMD_NODES_MAX && (text = memchr(text, '\n', (size_t)(end - text)))) {
		lines++;
		text++;
	}
	return lines;
}

/* Adds what the lines up to @end tell. -ENOMEM. */
static int add_lines(struct epmd_nodes *nodes, const char *line, const char *end)
{
	int code = 0;

	while (!code && line < end) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));

		if (!newline) {
			nodes->refused++; /* cut off: its port may be, too */
			break;
		}
		code = add_line(nodes, line, (size_t)(newline - line));
		line = newline + 1;
	}
	return code;
}

int epmd_parse_names(const char *reply, size_t size, struct epmd_nodes *nodes, struct error *error)
{
	static const char no_memory[] = "cannot read the names from epmd: out of memory";
	const char *end = reply + size;

	*nodes = (struct epmd_nodes){0};
	if (size < PORT_SIZE)
		return error_set(error, -EPROTO, "epmd sent %zu bytes, which is no list of names",
				 size);
	reply += PORT_SIZE;
	nodes->items = calloc(count_lines(reply, end) + 1, sizeof(*nodes->items));
	if (!nodes->items)
		return error_set(error, -ENOMEM, no_memory);
	if (add_lines(nodes, reply, end)) {
		epmd_nodes_free(nodes);
		return error_set(error, -ENOMEM, no_memory);
	}
	return 0;
}

void epmd_nodes_free(struct epmd_nodes *nodes)
{
	for (size_t i = 0; i < nodes->count; i++)
		free(nodes->items[i].name);
	free(nodes->items);
	*nodes = (struct epmd_nodes){0};
}
