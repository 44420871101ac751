// SPDX-License-Identifier: BSD-2-Clause
#include "core/cmdline.h"

#include <string.h>

enum flag {
	FLAG_OTHER,
	FLAG_KERNEL,
	FLAG_EPMD_PORT,
	FLAG_DIST_LISTEN,
	FLAG_NAME,
	FLAG_PROTO_DIST,
};

/* A parameter of the kernel application. */
struct parameter {
	const char *value; /* NULL: not given */
	size_t flag;	   /* which -kernel gave it */
};

struct reading {
	enum flag flag;	 /* whose values come */
	size_t flags;	 /* so far: the number of this one */
	size_t values;	 /* of this flag, so far */
	const char *key; /* what the next value of -kernel is for, or NULL when a key comes next */
	struct parameter first, last, node_port;
	const char *epmd_port, *dist_listen;
	size_t epmd_port_flags, epmd_port_values, dist_listen_flags, names;
	const char *name;
	bool tls;
};

/* The argument at *@at, which moves past it, or NULL at the end. */
static const char *next_argument(const char **at, const char *end)
{
	const char *argument = *at;
	const char *nul = argument < end ? memchr(argument, '\0', (size_t)(end - argument)) : NULL;

	if (!nul)
		return NULL; /* cut off, if there is one: part of a number is another port */
	*at = nul + 1;
	return argument;
}

static void read_flag(struct reading *reading, const char *argument)
{
	reading->flag = FLAG_OTHER;
	reading->flags++;
	reading->values = 0;
	reading->key = NULL;
	if (!strcmp(argument, "-kernel")) {
		reading->flag = FLAG_KERNEL;
	} else if (!strcmp(argument, "-erl_epmd_port")) {
		reading->flag = FLAG_EPMD_PORT;
		reading->epmd_port_flags++;
	} else if (!strcmp(argument, "-dist_listen")) {
		reading->flag = FLAG_DIST_LISTEN;
		reading->dist_listen_flags++;
	} else if (!strcmp(argument, "-name") || !strcmp(argument, "-sname")) {
		reading->flag = FLAG_NAME;
	} else if (!strcmp(argument, "-proto_dist")) {
		reading->flag = FLAG_PROTO_DIST;
	}
}

/* Of several -kernel with a parameter the first counts, and within that the last of its values. */
static void set_parameter(struct reading *reading, struct parameter *parameter, const char *value)
{
	if (parameter->value && parameter->flag != reading->flags)
		return;
	parameter->value = value;
	parameter->flag = reading->flags;
}

static void read_kernel_value(struct reading *reading, const char *argument)
{
	const char *key = reading->key;

	reading->key = key ? NULL : argument;
	if (!key)
		return;
	if (!strcmp(key, "inet_dist_listen_min"))
		set_parameter(reading, &reading->first, argument);
	else if (!strcmp(key, "inet_dist_listen_max"))
		set_parameter(reading, &reading->last, argument);
	else if (!strcmp(key, "erl_epmd_node_listen_port"))
		set_parameter(reading, &reading->node_port, argument);
}

static void read_value(struct reading *reading, const char *argument)
{
	reading->values++;
	if (reading->flag == FLAG_KERNEL) {
		read_kernel_value(reading, argument);
	} else if (reading->flag == FLAG_EPMD_PORT) {
		reading->epmd_port = argument;
		reading->epmd_port_values++;
	} else if (reading->flag == FLAG_DIST_LISTEN && reading->dist_listen_flags == 1 &&
		   reading->values == 1) {
		reading->dist_listen = argument;
	} else if (reading->flag == FLAG_NAME) {
		reading->name = argument;
		reading->names++;
	} else if (reading->flag == FLAG_PROTO_DIST) {
		reading->tls = reading->tls || strstr(argument, "tls");
	}
}

/* Reads what init gets: all after the first "--", before which the emulator's own flags are. */
static void read_arguments(struct reading *reading, const char *at, const char *end)
{
	const char *argument;

	do {
		argument = next_argument(&at, end);
	} while (argument && strcmp(argument, "--") != 0);
	while ((argument = next_argument(&at, end)) && strcmp(argument, "-extra") != 0) {
		if (argument[0] == '-') /* "--" too: what follows it is no flag's value */
			read_flag(reading, argument);
		else
			read_value(reading, argument);
	}
}

/* A decimal number, or UINT16_MAX + 1 for all beyond; -1 where @text is none, or NULL. */
static int32_t parse_number(const char *text)
{
	int32_t value = 0;

	if (!text || !*text)
		return -1;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		value = value * 10 + (*text - '0');
		if (value > UINT16_MAX)
			value = UINT16_MAX + 1;
	}
	return value;
}

static struct cmdline_facts make_range(int32_t first, int32_t last)
{
	if (first < 1 || first > UINT16_MAX || last < first)
		return (struct cmdline_facts){0};
	/* OTP tries port after port and may well find one before it gets that far. */
	if (last > UINT16_MAX)
		last = UINT16_MAX;
	return (struct cmdline_facts){.first = (uint16_t)first, .last = (uint16_t)last};
}

static struct cmdline_facts read_range(const struct reading *reading)
{
	int32_t port, last;

	if (reading->dist_listen && !strcmp(reading->dist_listen, "false"))
		return (struct cmdline_facts){0};
	port = parse_number(reading->node_port.value);
	/* erl_epmd matches [[Port]] and disregards anything else. */
	if (port <= 0 && reading->epmd_port_flags == 1 && reading->epmd_port_values == 1)
		port = parse_number(reading->epmd_port);
	if (port > 0)
		return make_range(port, port);
	port = parse_number(reading->first.value);
	last = parse_number(reading->last.value);
	return make_range(port, last < 0 ? port : last);
}

struct cmdline_facts cmdline_parse(const char *arguments, size_t size)
{
	struct reading reading = {0};
	struct cmdline_facts facts;
	size_t length;

	read_arguments(&reading, arguments, arguments + size);
	facts = read_range(&reading);
	facts.tls = reading.tls;
	length = reading.names == 1 ? strcspn(reading.name, "@") : 0;
	if (length && length < sizeof(facts.node))
		memcpy(facts.node, reading.name, length);
	return facts;
}
