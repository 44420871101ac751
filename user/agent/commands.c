// SPDX-License-Identifier: BSD-2-Clause
#include "agent/commands.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/listeners.h"
#include "core/cleanup.h"

typedef int (*command_function)(struct commands *commands, const struct control_peer *peer,
				json_t *arguments, json_t **result, struct error *error);

static json_t *null_or_string(const char *text)
{
	return text && *text ? json_string(text) : json_null();
}

/*
 * Fetches a string argument; @fallback NULL means that it must be there. *@value is a string even
 * where this fails.
 */
static int get_string(json_t *arguments, const char *name, const char *fallback, const char **value,
		      struct error *error)
{
	json_t *argument = json_object_get(arguments, name);
	const char *text = argument ? json_string_value(argument) : fallback;

	*value = text ? text : "";
	if (!text || (argument && strlen(text) != json_string_length(argument)))
		return error_set(error, -EINVAL, "argument \"%s\" must be %sa string", name,
				 fallback ? "" : "there and ");
	return 0;
}

static int get_number(json_t *arguments, const char *name, json_int_t fallback, json_int_t minimum,
		      json_int_t maximum, json_int_t *value, struct error *error)
{
	json_t *argument = json_object_get(arguments, name);

	*value = argument ? json_integer_value(argument) : fallback;
	if ((argument && !json_is_integer(argument)) || *value < minimum || *value > maximum)
		return error_set(error, -EINVAL,
				 "argument \"%s\" must be a whole number from %lld to %lld", name,
				 (long long)minimum, (long long)maximum);
	return 0;
}

static json_t *interfaces_json(struct agent *agent)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(agent->fence, &states);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		const bool attached = states[i].attached != ATTACHED_NOT;

		json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:b, s:o, s:o, s:o}", "name", states[i].name, "zone",
				  zone_name(states[i].zone), "attached", attached, "attach_mode",
				  attached ? json_string(attach_mode_name(states[i].attached))
					   : json_null(),
				  "problem", null_or_string(states[i].problem), "vlan",
				  states[i].vlan ? json_integer(states[i].vlan) : json_null()));
	}
	for (size_t i = 0; i < agent->plan->absent_count; i++) {
		const struct interface_rule *rule = agent->plan->absent[i];
		json_t *name = rule->vlan ? json_sprintf("%s.%u", rule->pattern, rule->vlan)
					  : json_string(rule->pattern);

		json_array_append_new(
			list, json_pack("{s:o, s:s, s:b, s:n, s:s, s:o}", "name", name, "zone",
					zone_name(rule->zone), "attached", 0, "attach_mode",
					"problem", "there is no such interface", "vlan",
					rule->vlan ? json_integer(rule->vlan) : json_null()));
	}
	return list;
}

static void warn_of_listener(const struct agent *agent, const struct known_listener *listener,
			     json_t *list)
{
	const unsigned int port = listener->kernel.port;

	if (listener_is_exposed(agent, listener))
		json_array_append_new(
			list, json_sprintf("port %u: a BEAM (pid %u) listens there on every "
					   "address, and it is not protected: if it is for "
					   "clients, name it in discovery.exempt_ports",
					   port, listener->kernel.pid));
	if (listener_is_orphan(agent, listener))
		json_array_append_new(
			list, json_sprintf("port %u: node \"%s\" fits the \"nodes\" of no cluster: "
					   "no peer may reach it",
					   port, listener->node));
}

static json_t *warnings_json(const struct agent *agent)
{
	json_t *list = json_array();

	for (size_t i = 0; i < agent->plan->ambiguous_count; i++) {
		const struct interface_rule *rule = agent->plan->ambiguous[i];

		json_array_append_new(
			list,
			json_sprintf("line %u: \"%s\" (%s) also fits an interface that another "
				     "entry puts into a stricter zone: the stricter one holds",
				     rule->line, rule->pattern, zone_name(rule->zone)));
	}
	for (size_t i = 0; i < agent->listener_count; i++)
		warn_of_listener(agent, &agent->listeners[i], list);
	if (agent->metrics_error.text[0])
		json_array_append_new(list, json_string(agent->metrics_error.text));
	if (agent->control_is_stale)
		json_array_append_new(
			list,
			json_string("a change of \"control\" takes effect at the next start"));
	return list;
}

static json_t *cluster_names_json(const struct agent *agent)
{
	json_t *list = json_array();

	for (size_t i = 0; i < agent->config->cluster_count; i++)
		json_array_append_new(list, json_string(agent->config->clusters[i].name));
	return list;
}

static int command_status(struct commands *commands, const struct control_peer *peer,
			  json_t *arguments, json_t **result, struct error *error)
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
		"{s:s, s:i, s:s, s:s, s:s, s:{s:b, s:b, s:b}, s:o, s:o, s:I, s:I, s:I, "
		"s:{s:b, s:I, s:o}, s:o}",
		"version", BEAMFENCE_VERSION, "pid", (int)getpid(), "config", agent->config_path,
		"pin_dir", agent->pin_dir, "mode", mode_name(agent->policy->mode), "features",
		"frags", features.multi_buffer, "conntrack", features.conntrack, "gate",
		features.gate, "interfaces", interfaces_json(agent), "unassigned", unassigned,
		"peers", (json_int_t)agent_count_peers(agent), "peers_limit", (json_int_t)PEERS_MAX,
		"protected_ports", (json_int_t)ports, "last_reload", "ok",
		agent->last_reload_successful, "time", (json_int_t)agent->last_reload_time_s,
		"error",
		agent->last_reload_successful ? json_null()
					      : json_string(agent->last_reload_error.text),
		"warnings", warnings_json(agent));
	json_object_set_new(*result, "clusters", cluster_names_json(agent));
	return 0;
}

/* One port: what is known of its listener, if there is one, and null for what is not. */
static json_t *port_json(const struct agent *agent, uint16_t port, const char *source,
			 uint8_t cluster, const struct known_listener *listener)
{
	const bool epmd = !strcmp(source, "epmd-listener") || cluster == CLUSTER_ANY;
	json_t *row = json_pack("{s:i, s:s, s:s, s:o, s:n, s:n, s:n, s:n, s:n}", "port", (int)port,
				"kind", epmd ? "epmd" : "dist", "source", source, "cluster",
				null_or_string(agent_cluster_name(agent, cluster)), "node", "pid",
				"process", "address", "since");
	char text[PREFIX_TEXT_SIZE];

	if (!listener)
		return row;
	json_object_set_new(row, "node", null_or_string(listener->node));
	json_object_set_new(row, "pid", json_integer(listener->kernel.pid));
	json_object_set_new(row, "process", null_or_string(listener->process));
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

static int command_ports(struct commands *commands, const struct control_peer *peer,
			 json_t *arguments, json_t **result, struct error *error)
{
	const struct agent *agent = commands->agent;
	const struct policy *policy = agent->policy;

	(void)peer, (void)arguments, (void)error;
	*result = json_array();
	for (unsigned int number = 0; number < PORTS; number++) {
		const uint16_t port = (uint16_t)number;
		const bool configured = policy->ports[port / 64] >> (port % 64) & 1;
		const struct known_listener *listener;
		const char *source;

		if (!configured && !fence_protects(agent->fence, port))
			continue;
		listener = listener_on(agent, port);
		source = configured ? "config" : listener ? listener_source(agent, listener) : NULL;
		if (source)
			json_array_append_new(*result, port_json(agent, port, source,
								 fence_cluster(agent->fence, port),
								 listener));
	}
	return 0;
}

static json_t *peer_json(const char *cluster, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	return json_pack("{s:s, s:s}", "cluster", cluster, "prefix", prefix_format(prefix, text));
}

static int command_peers_list(struct commands *commands, const struct control_peer *peer,
			      json_t *arguments, json_t **result, struct error *error)
{
	const struct agent *agent = commands->agent;

	(void)peer, (void)arguments, (void)error;
	*result = json_array();
	for (size_t c = 0; c < agent->config->cluster_count; c++) {
		const struct cluster_config *cluster = &agent->config->clusters[c];

		for (size_t i = 0; i < cluster->peer_count; i++) {
			json_t *row = peer_json(cluster->name, &cluster->peers[i]);

			json_object_update_new(row,
					       json_pack("{s:s, s:n, s:n, s:n}", "source", "config",
							 "comment", "expires", "added_by"));
			json_array_append_new(*result, row);
		}
	}
	for (size_t i = 0; i < agent->runtime_peer_count; i++) {
		const struct runtime_peer *runtime = &agent->runtime_peers[i];
		json_t *row = peer_json(runtime->cluster, &runtime->prefix);

		json_object_update_new(
			row, json_pack("{s:s, s:o, s:o, s:I}", "source", "runtime", "comment",
				       null_or_string(runtime->comment), "expires",
				       runtime->expires_s ? json_integer(runtime->expires_s)
							  : json_null(),
				       "added_by", (json_int_t)runtime->uid));
		json_array_append_new(*result, row);
	}
	return 0;
}

static int get_cluster_and_prefix(json_t *arguments, const char **cluster, struct prefix *prefix,
				  struct error *error)
{
	const char *text;
	int code = get_string(arguments, "cluster", NULL, cluster, error);

	if (!code)
		code = get_string(arguments, "prefix", NULL, &text, error);
	return code ? code : prefix_parse(text, prefix, error);
}

static int command_peers_add(struct commands *commands, const struct control_peer *peer,
			     json_t *arguments, json_t **result, struct error *error)
{
	struct runtime_peer added = {.uid = peer->uid};
	const char *cluster, *comment;
	json_int_t ttl_s;
	int code;

	code = get_cluster_and_prefix(arguments, &cluster, &added.prefix, error);
	if (!code)
		code = get_string(arguments, "comment", "", &comment, error);
	if (!code)
		code = get_number(arguments, "ttl_s", 0, 0, 10LL * 366 * 86400, &ttl_s, error);
	if (code)
		return code;
	if (strlen(comment) >= sizeof(added.comment))
		return error_set(error, -EINVAL, "a comment has at most %zu bytes",
				 sizeof(added.comment) - 1);
	if (strlen(cluster) >= sizeof(added.cluster))
		return error_set(error, -ENOENT, "no cluster has so long a name");
	strcpy(added.cluster, cluster);
	strcpy(added.comment, comment);
	added.expires_s = ttl_s ? time(NULL) + ttl_s : 0;
	code = agent_add_peer(commands->agent, &added, error);
	if (code)
		return code;
	commands->peers_changed(commands->context);
	*result = peer_json(cluster, &added.prefix);
	return 0;
}

static int command_peers_del(struct commands *commands, const struct control_peer *peer,
			     json_t *arguments, json_t **result, struct error *error)
{
	struct prefix prefix;
	const char *cluster;
	int code;

	(void)peer;
	code = get_cluster_and_prefix(arguments, &cluster, &prefix, error);
	if (!code)
		code = agent_delete_peer(commands->agent, cluster, &prefix, error);
	if (!code)
		*result = peer_json(cluster, &prefix);
	return code;
}

static int command_counters(struct commands *commands, const struct control_peer *peer,
			    json_t *arguments, json_t **result, struct error *error)
{
	_cleanup_free_ struct counter *counters = NULL;
	size_t count;
	int code;

	(void)peer, (void)arguments;
	code = fence_counters(commands->agent->fence, &counters, &count, error);
	if (code)
		return code;
	*result = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(*result, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}",
							 "interface", counters[i].interface, "zone",
							 zone_name(counters[i].zone), "verdict",
							 verdict_name(counters[i].verdict),
							 "reason", reason_name(counters[i].reason),
							 "packets", (json_int_t)counters[i].packets,
							 "bytes", (json_int_t)counters[i].bytes));
	return 0;
}

static int get_address(json_t *arguments, const char *name, struct prefix *address,
		       struct error *error)
{
	const char *text;
	const int code = get_string(arguments, name, NULL, &text, error);

	return code ? code : address_parse(text, address, error);
}

/* TCP flags by their letters, in the order of the header's bits: FIN, SYN, RST, PSH, ... */
static int parse_flags(const char *text, uint8_t *flags, struct error *error)
{
	static const char letters[] = "FSRPAUEC";

	*flags = 0;
	for (const char *c = text; *c; c++) {
		const char *letter = strchr(letters, *c);

		if (!letter)
			return error_set(error, -EINVAL,
					 "TCP flags are letters of \"%s\", not \"%s\"", letters,
					 text);
		*flags |= (uint8_t)(1u << (letter - letters));
	}
	return 0;
}

static int get_question(json_t *arguments, struct fence_question *question, struct error *error)
{
	json_int_t vlan, dport, sport;
	const char *flags;
	int code = get_string(arguments, "in", NULL, &question->interface, error);

	if (!code)
		code = get_number(arguments, "vlan", 0, 0, VLAN_IDS - 2, &vlan, error);
	if (!code)
		code = get_address(arguments, "src", &question->source, error);
	if (!code)
		code = get_address(arguments, "dst", &question->destination, error);
	if (!code)
		code = get_number(arguments, "dport", -1, 0, PORTS - 1, &dport, error);
	if (!code)
		code = get_number(arguments, "sport", 54321, 0, PORTS - 1, &sport, error);
	if (!code)
		code = get_string(arguments, "flags", "S", &flags, error);
	if (!code)
		code = parse_flags(flags, &question->tcp_flags, error);
	if (code)
		return code;
	question->vlan = (uint16_t)vlan;
	question->destination_port = (uint16_t)dport;
	question->source_port = (uint16_t)sport;
	return 0;
}

static int command_explain(struct commands *commands, const struct control_peer *peer,
			   json_t *arguments, json_t **result, struct error *error)
{
	struct fence_question question = {};
	struct fence_answer answer;
	int code;

	(void)peer;
	code = get_question(arguments, &question, error);
	if (!code)
		code = fence_explain(commands->agent->fence, &question, &answer, error);
	if (code)
		return code;
	*result = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "verdict",
			    verdict_name(answer.verdict), "decision",
			    reason_is_drop(answer.reason) ? "drop" : "pass", "reason",
			    reason_name(answer.reason), "zone", zone_name(answer.zone), "cluster",
			    null_or_string(agent_cluster_name(commands->agent, answer.cluster)),
			    "mode", mode_name(answer.mode), "interface", question.interface, "text",
			    reason_text(answer.reason));
	return 0;
}

static int command_reload(struct commands *commands, const struct control_peer *peer,
			  json_t *arguments, json_t **result, struct error *error)
{
	int code;

	(void)peer, (void)arguments;
	code = agent_reload(commands->agent, error);
	commands->reloaded(commands->context, code, error);
	if (!code)
		*result = json_pack("{s:s}", "config", commands->agent->config_path);
	return code;
}

static int command_detach(struct commands *commands, const struct control_peer *peer,
			  json_t *arguments, json_t **result, struct error *error)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(commands->agent->fence, &states);
	json_t *names = json_array();
	int code;

	(void)peer, (void)arguments;
	for (size_t i = 0; i < count; i++)
		if (states[i].attached != ATTACHED_NOT)
			json_array_append_new(names, json_string(states[i].name));
	*result = json_pack("{s:o}", "detached", names);
	code = fence_detach(commands->agent->fence, error);
	if (code < 0)
		return code;
	commands->detached(commands->context);
	return 0;
}

static const struct {
	const char *name;
	command_function function;
} table[] = {
	{"status", command_status},	    {"ports", command_ports},
	{"peers.list", command_peers_list}, {"peers.add", command_peers_add},
	{"peers.del", command_peers_del},   {"counters", command_counters},
	{"explain", command_explain},	    {"reload", command_reload},
	{"detach", command_detach},
};

int commands_handle(void *context, const struct control_peer *peer, const char *command,
		    json_t *arguments, json_t **result, struct error *error)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(command, table[i].name))
			return table[i].function(context, peer, arguments, result, error);
	return error_set(error, -ENOSYS, "there is no command \"%.64s\"", command);
}
