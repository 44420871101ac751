// SPDX-License-Identifier: BSD-2-Clause
/* What is in force, and what is wrong with it. */
#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"
#include "agent/listeners.h"
#include "agent/snapshot.h"
#include "core/cleanup.h"
#include "core/status.h"

int command_status(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		   json_t **result, struct error *error)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;
	const int code = snapshot_take(commands->agent, &snapshot);

	(void)peer, (void)arguments;
	*result = code ? NULL : status_json(&snapshot);
	return *result ? 0 : error_set(error, -ENOMEM, "out of memory");
}

/* One port: what is known of its listener, if there is one, and null for what is not. */
static json_t *port_json(const struct agent *agent, uint16_t port, const char *source,
			 uint8_t cluster, const struct known_listener *listener)
{
	const bool epmd = !strcmp(source, "epmd-listener") || cluster == CLUSTER_ANY;
	json_t *row = json_pack("{s:i, s:s, s:s, s:o, s:n, s:n, s:n, s:n, s:n}", "port", (int)port,
				"kind", epmd ? "epmd" : "dist", "source", source, "cluster",
				json_null_or_string(agent_cluster_name(agent, cluster)), "node",
				"pid", "process", "address", "since");
	char text[PREFIX_TEXT_SIZE];

	if (!listener)
		return row;
	json_object_set_new(row, "node", json_null_or_string(listener->node));
	json_object_set_new(row, "pid", json_integer(listener->kernel.pid));
	json_object_set_new(row, "process", json_null_or_string(listener->process));
	json_object_set_new(row, "address", json_string(listener_address(listener, text)));
	if (listener->since_s)
		json_object_set_new(row, "since", json_integer(listener->since_s));
	return row;
}

/* The listener on a port that says most: one whose node is known, else any. */
static const struct known_listener *listener_on(const struct agent *agent, uint16_t port)
{
	const struct known_listener *found = NULL;

	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].kernel.port == port && (!found || !found->node))
			found = &agent->listeners[i];
	return found;
}

static void add_configured(const struct agent *agent, json_t *list)
{
	const struct policy *policy = agent->policy;

	for (unsigned int number = 0; number < PORTS; number++) {
		const uint16_t port = (uint16_t)number;

		if (policy->ports[port / 64] >> (port % 64) & 1)
			json_array_append_new(
				list, port_json(agent, port, "config",
						fence_configured_cluster(agent->fence, port),
						listener_on(agent, port)));
	}
}

/* By port and process; of one process's the one that says most comes first. */
static int compare_listeners(const void *a, const void *b)
{
	const struct known_listener *left = *(const struct known_listener *const *)a;
	const struct known_listener *right = *(const struct known_listener *const *)b;

	if (left->kernel.port != right->kernel.port)
		return left->kernel.port - right->kernel.port;
	if (left->kernel.pid != right->kernel.pid)
		return left->kernel.pid < right->kernel.pid ? -1 : 1;
	return !left->node - !right->node;
}

/* What one process listens on at one port is one row: for IPv4 and IPv6, say. */
static bool is_same(const struct known_listener *one, const struct known_listener *other)
{
	return one->kernel.pid == other->kernel.pid && one->kernel.port == other->kernel.port;
}

static int add_discovered(const struct agent *agent, json_t *list)
{
	_cleanup_free_ const struct known_listener **rows = calloc(agent->listener_count + 1,
								   sizeof(*rows));
	size_t count = 0;

	if (!rows)
		return -ENOMEM;
	for (size_t i = 0; i < agent->listener_count; i++)
		rows[count++] = &agent->listeners[i];
	qsort(rows, count, sizeof(*rows), compare_listeners);
	for (size_t i = 0; i < count; i++) {
		const char *source = listener_source(agent, rows[i]);

		if (source && strcmp(source, "config") != 0 &&
		    !(i && is_same(rows[i - 1], rows[i])))
			json_array_append_new(
				list,
				port_json(agent, rows[i]->kernel.port, source,
					  fence_cluster(agent->fence, &rows[i]->kernel), rows[i]));
	}
	return 0;
}

int command_ports(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		  json_t **result, struct error *error)
{
	json_t *list = json_array();

	(void)peer, (void)arguments;
	add_configured(commands->agent, list);
	if (add_discovered(commands->agent, list)) {
		json_decref(list);
		return error_set(error, -ENOMEM, "out of memory");
	}
	*result = list;
	return 0;
}

/* The same page as the endpoint's, for hosts where no port may be opened. */
int command_metrics(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		    json_t **result, struct error *error)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int code;

	(void)peer, (void)arguments;
	if (!out)
		return error_set(error, -ENOMEM, "out of memory");
	code = agent_write_metrics(commands->agent, out);
	if ((fclose(out) == EOF || !text) && !code) /* glibc leaves no text, and says nothing */
		code = -ENOMEM;
	if (code)
		return error_set(error, code, "cannot gather the metrics: %s", strerror(-code));
	*result = json_stringn(text, size);
	return 0;
}
