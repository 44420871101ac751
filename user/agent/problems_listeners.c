// SPDX-License-Identifier: BSD-2-Clause
/* Listeners that an operator should hear about: closed or open without anybody having said so. */
#include <stdlib.h>
#include <string.h>

#include "agent/listeners.h"
#include "agent/problems_find.h"
#include "core/cleanup.h"

#define SUBJECT_SIZE	48
#define PORTS_SHOWN_MAX 8
#define SERVICE_MANAGER 1 /* its process: who gets the socket in the end is not known yet */

static void find_followed(const struct agent *agent, const struct known_listener *listener,
			  struct problems *problems)
{
	const unsigned int port = listener->kernel.port;
	char subject[SUBJECT_SIZE], address[PREFIX_TEXT_SIZE];

	snprintf(subject, sizeof(subject), "%u", port);
	if (listener_is_exposed(agent, listener))
		problems_add(problems, PROBLEM_EXPOSED_LISTENER, subject,
			     "port %u: a BEAM (pid %u) listens there on %s, and it is not "
			     "protected: if it is for clients, name it in discovery.exempt_ports",
			     port, listener->kernel.pid,
			     listener_is_wildcard(listener) ? "every address"
							    : listener_address(listener, address));
	if (listener_is_orphan(agent, listener) && listener_stays(listener))
		problems_add(problems, PROBLEM_NODE_OF_NO_CLUSTER, subject,
			     "port %u: node \"%s\" (%s, pid %u) fits the \"nodes\" of no cluster: "
			     "no peer may reach it until one of them names it",
			     port, listener->node, listener->process, listener->kernel.pid);
}

/* What a process or a host calls itself, made printable. Returns @text. */
static const char *printable(const char *name, size_t size, char *text)
{
	const size_t length = strnlen(name, size - 1);

	for (size_t i = 0; i < length; i++)
		text[i] = name[i] <= ' ' || name[i] >= 0x7f || name[i] == '"' ? '?' : name[i];
	text[length] = '\0';
	return text;
}

/* The line that protects a port, as one who has to change it reads it. */
static void describe_owner(const struct port_owner *owner, char *text, size_t size)
{
	int length = snprintf(text, size, "line %u of the configuration (", owner->range->line);

	if (owner->preset)
		length += snprintf(text + length, size - (size_t)length,
				   "preset \"%s\": ", owner->preset->name);
	length += owner->range->first == owner->range->last
			  ? snprintf(text + length, size - (size_t)length, "%u",
				     owner->range->first)
			  : snprintf(text + length, size - (size_t)length, "%u-%u",
				     owner->range->first, owner->range->last);
	if (owner->cluster)
		length += snprintf(text + length, size - (size_t)length, ", cluster \"%s\"",
				   owner->cluster);
	snprintf(text + length, size - (size_t)length, ")");
}

/*
 * A service that a preset or range closes, which is nobody's node. A port that the file lists by
 * itself is meant.
 */
static void find_closed(const struct agent *agent, const struct bystander *row,
			struct problems *problems)
{
	char subject[SUBJECT_SIZE], process[PROCESS_NAME_SIZE], line[256];
	struct port_owner owner;

	if (!config_port_owner(agent->config, row->port, &owner) ||
	    (!owner.preset && owner.range->first == owner.range->last) ||
	    (owner.epmd && (row->pid == SERVICE_MANAGER || !strcmp(row->process, "systemd"))))
		return;
	describe_owner(&owner, line, sizeof(line));
	snprintf(subject, sizeof(subject), "%u", row->port);
	problems_add(problems, PROBLEM_CLOSED_SERVICE, subject,
		     "port %u: \"%s\" (pid %u) listens there and is no BEAM: clients %s reach it, "
		     "by %s: list narrower ports there if it is for them",
		     row->port, printable(row->process, sizeof(row->process), process), row->pid,
		     agent->policy->mode == MODE_AUDIT ? "would not" : "do not", line);
}

static int compare_ports(const void *a, const void *b)
{
	return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* "4369, 25672": the ports that the process of a row listens on in its namespace. */
static void list_ports(const struct bystander *rows, size_t count, const struct bystander *row,
		       char *text, size_t size)
{
	uint16_t ports[PORTS_SHOWN_MAX];
	size_t used = 0, length = 0;
	bool more = false;

	for (size_t i = 0; i < count; i++) {
		bool known = rows[i].pid != row->pid || rows[i].namespace != row->namespace;

		for (size_t j = 0; j < used; j++)
			known = known || ports[j] == rows[i].port;
		more = more || (!known && used == PORTS_SHOWN_MAX);
		if (!known && used < PORTS_SHOWN_MAX)
			ports[used++] = rows[i].port;
	}
	qsort(ports, used, sizeof(*ports), compare_ports);
	for (size_t i = 0; i < used; i++)
		length += (size_t)snprintf(text + length, size - length, "%s%u", i ? ", " : "",
					   ports[i]);
	if (more)
		snprintf(text + length, size - length, ", ...");
}

/* A BEAM or epmd of a container: one line for each process. */
static void find_elsewhere(const struct bystander *rows, size_t count, size_t at,
			   struct problems *problems)
{
	const struct bystander *row = &rows[at];
	char subject[SUBJECT_SIZE], process[PROCESS_NAME_SIZE], host[HOST_NAME_SIZE], ports[80];

	for (size_t i = 0; i < at; i++)
		if (rows[i].pid == row->pid && rows[i].namespace == row->namespace)
			return;
	printable(row->process, sizeof(row->process), process);
	list_ports(rows, count, row, ports, sizeof(ports));
	snprintf(subject, sizeof(subject), "%s[%u]", process, row->pid);
	problems_add(problems, PROBLEM_OTHER_NAMESPACE, subject,
		     "\"%s\" (pid %u) listens on %s and is not watched: in another network "
		     "namespace (%u, host name \"%s\"); containers are not fenced yet",
		     process, row->pid, ports, row->namespace,
		     printable(row->host, sizeof(row->host), host));
}

static bool is_system(uint32_t account)
{
	return account < SYSTEM_ACCOUNTS;
}

/* Those of the system's accounts, or those of others. */
static void find_of(const struct agent *agent, const struct bystander *rows, size_t count,
		    bool system, struct problems *problems)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		if (is_system(agent->listeners[i].kernel.account) == system)
			find_followed(agent, &agent->listeners[i], problems);
	for (size_t i = 0; i < count; i++) {
		if (is_system(rows[i].account) != system)
			continue;
		if (rows[i].namespace)
			find_elsewhere(rows, count, i, problems);
		else
			find_closed(agent, &rows[i], problems);
	}
}

/* The system's come first: only so many of a kind are listed, and users may have any number. */
void find_listeners(const struct agent *agent, struct problems *problems)
{
	const struct bystander *rows;
	size_t left_out;
	const size_t count = fence_bystanders(agent->fence, &rows, &left_out);

	find_of(agent, rows, count, true, problems);
	find_of(agent, rows, count, false, problems);
	if (left_out)
		problems_add(
			problems, PROBLEM_OTHER_NAMESPACE, "",
			"%zu more listeners of BEAMs in other network namespaces, or of others "
			"on protected ports, are not told of: their users have too many",
			left_out);
}
