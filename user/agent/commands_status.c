// SPDX-License-Identifier: BSD-2-Clause
/* What is in force, and what is wrong with it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/commands_internal.h"
#include "agent/listeners.h"
#include "agent/problems.h"
#include "core/cleanup.h"
#include "core/clock.h"

static json_t *interfaces_json(struct agent *agent)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const bool attached = states[i].attached != ATTACHED_NOT;

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name",
					states[i].name, "zone", zone_name(states[i].zone),
					"attached", attached, "attach_mode",
					attached ? json_string(attach_mode_name(states[i].attached))
						 : json_null(),
					"problem", json_null_or_string(states[i].problem), "vlan",
					states[i].vlan ? json_integer(states[i].vlan) : json_null(),
					"on", json_null_or_string(states[i].on), "note",
					json_null_or_string(states[i].note)));
	}
	for (size_t i = 0; i < agent->plan->absent_count; i++) {
		const struct interface_rule *rule = agent->plan->absent[i];
		json_t *name = rule->vlan ? json_sprintf("%s.%u", rule->pattern, rule->vlan)
					  : json_string(rule->pattern);

		json_array_append_new(
			list, json_pack("{s:o, s:s, s:b, s:n, s:s, s:o, s:n, s:n}", "name", name,
					"zone", zone_name(rule->zone), "attached", 0, "attach_mode",
					"problem", "there is no such interface", "vlan",
					rule->vlan ? json_integer(rule->vlan) : json_null(), "on",
					"note"));
	}
	return list;
}

static json_t *warnings_json(const struct agent *agent)
{
	struct problems problems;
	json_t *list = json_array();

	agent_problems(agent, &problems);
	for (size_t i = 0; i < problems.count; i++)
		json_array_append_new(list, json_string(problems.list[i].text));
	problems_free(&problems);
	return list;
}

static json_t *lacks_json(const struct agent *agent)
{
	struct fence_lack lacks[FENCE_LACKS_MAX];
	const size_t count = fence_lacks(agent->fence, lacks);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, json_string(lacks[i].why));
	return list;
}

static json_t *cluster_names_json(const struct agent *agent)
{
	json_t *list = json_array();

	for (size_t i = 0; i < agent->config->cluster_count; i++)
		json_array_append_new(list, json_string(agent->config->clusters[i].name));
	return list;
}

static json_t *discovery_json(const struct agent *agent)
{
	return json_pack("{s:b, s:s, s:s}", "listeners", agent->config->discovery_listeners,
			 "autobound", agent->policy->protect_autobound ? "protect" : "ignore",
			 "fixed", agent->policy->protect_fixed ? "protect" : "known");
}

static json_t *trial_json(const struct agent *agent)
{
	const struct trial *trial = &agent->trial;
	const int64_t left_ms = trial->ends_ms - boottime_ms();

	if (!trial->former)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I}", "file", trial->name, "uid", (json_int_t)trial->uid,
			 "pid", (json_int_t)trial->pid, "left_s",
			 (json_int_t)(left_ms > 0 ? (left_ms + 999) / 1000 : 0));
}

static const char *config_in_force(const struct agent *agent)
{
	if (agent->trial.former)
		return "trial";
	if (agent->fallback.text[0])
		return "last-good";
	return agent_differs_from_file(agent) ? "confirmed" : "file";
}

int command_status(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		   json_t **result, struct error *error)
{
	struct agent *agent = commands->agent;
	const struct fence_features features = fence_features(agent->fence);
	json_t *unassigned = json_array();
	struct port_count counts[PORT_COUNTS];
	size_t ports = 0;

	(void)peer, (void)arguments, (void)error;
	for (size_t i = 0; i < agent->plan->unassigned_count; i++)
		json_array_append_new(unassigned, json_string(agent->plan->unassigned[i]));
	agent_count_ports(agent, counts);
	for (size_t i = 0; i < PORT_COUNTS; i++)
		ports += counts[i].count;
	*result = json_pack(
		"{s:s, s:i, s:s, s:s, s:s, s:{s:b, s:b, s:b, s:b}, s:o, s:o, s:I, "
		"s:I, s:I, s:{s:b, s:I, s:o}, s:o, s:o, s:I, s:o, s:s}",
		"version", BEAMFENCE_VERSION, "pid", (int)getpid(), "config", agent->config_path,
		"pin_dir", agent->pin_dir, "mode", mode_name(agent->policy->mode), "features",
		"frags", features.multi_buffer, "conntrack", features.conntrack, "gate",
		features.gate, "listens", features.listens, "interfaces", interfaces_json(agent),
		"unassigned", unassigned, "peers", (json_int_t)agent_count_peers(agent),
		"peers_limit", (json_int_t)PEERS_MAX, "protected_ports", (json_int_t)ports,
		"last_reload", "ok", agent->last_reload_successful, "time",
		(json_int_t)agent->last_reload_time_s, "error",
		agent->last_reload_successful ? json_null()
					      : json_string(agent->last_reload_error.text),
		"warnings", warnings_json(agent), "state_dir",
		agent->saver ? json_string(commands->state_dir) : json_null(), "runtime_peers",
		(json_int_t)agent->peers.count, "trial", trial_json(agent), "config_in_force",
		config_in_force(agent));
	json_object_set_new(*result, "clusters", cluster_names_json(agent));
	json_object_set_new(*result, "lacks", lacks_json(agent));
	json_object_set_new(*result, "discovery", discovery_json(agent));
	return 0;
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
