// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/commands_internal.h"
#include "agent/moment.h"
#include "core/clock.h"

#define TTL_MAX_S (10LL * 366 * 86400)

static json_t *peer_json(const char *cluster, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	return json_pack("{s:s, s:s}", "cluster", cluster, "prefix", prefix_format(prefix, text));
}

/* What is known of a runtime peer beyond its cluster and prefix. */
static json_t *origin_json(const struct agent *agent, const struct runtime_peer *peer,
			   const struct moment *now)
{
	const bool in_force = policy_cluster_index(agent->config, peer->cluster) >= 0;
	const int64_t left_ms = peer->ends_ms - now->boot_ms;

	return json_pack(
		"{s:s, s:o, s:I, s:o, s:o, s:I, s:I, s:b}", "source", "runtime", "comment",
		json_null_or_string(peer->comment), "added", (json_int_t)peer->added_s, "expires",
		peer->ttl_s ? json_integer(peer_expires_s(peer, now)) : json_null(), "left_s",
		peer->ttl_s ? json_integer(left_ms > 0 ? (left_ms + 999) / 1000 : 0) : json_null(),
		"added_by", (json_int_t)peer->uid, "added_by_pid", (json_int_t)peer->pid,
		"in_force", in_force);
}

int command_peers_list(struct commands *commands, const struct control_peer *peer,
		       json_t *arguments, json_t **result, struct error *error)
{
	const struct agent *agent = commands->agent;
	struct moment now;

	(void)peer, (void)arguments, (void)error;
	moment_now(&now);
	*result = json_array();
	for (size_t c = 0; c < agent->config->cluster_count; c++) {
		const struct cluster_config *cluster = &agent->config->clusters[c];

		for (size_t i = 0; i < cluster->peer_count; i++) {
			json_t *row = peer_json(cluster->name, &cluster->peers[i]);

			json_object_update_new(
				row, json_pack("{s:s, s:n, s:n, s:n, s:n, s:n, s:n, s:b}", "source",
					       "config", "comment", "added", "expires", "left_s",
					       "added_by", "added_by_pid", "in_force", 1));
			json_array_append_new(*result, row);
		}
	}
	for (size_t i = 0; i < agent->peers.count; i++) {
		const struct runtime_peer *runtime = &agent->peers.peers[i];
		json_t *row = peer_json(runtime->cluster, &runtime->prefix);

		json_object_update_new(row, origin_json(agent, runtime, &now));
		json_array_append_new(*result, row);
	}
	return 0;
}

static int get_cluster_and_prefix(json_t *arguments, const char **cluster, struct prefix *prefix,
				  struct error *error)
{
	const char *text;
	int code = argument_string(arguments, "cluster", NULL, cluster, error);

	if (!code)
		code = argument_string(arguments, "prefix", NULL, &text, error);
	return code ? code : prefix_parse(text, prefix, error);
}

/* A change that is in force, whose reply waits until the disk has it. */
struct pending {
	struct commands *commands;
	json_t *result;
};

/* What an operator asked for is done; that it may not last is a warning, not a failure. */
static void add_outcome(json_t *result, const struct error *problem)
{
	json_object_set_new(result, "kept", json_boolean(!problem));
	json_object_set_new(result, "warning",
			    problem ? json_sprintf("in force, but a start of the agent will not "
						   "know of it: %s",
						   problem->text)
				    : json_null());
}

static void on_kept(void *context, uint64_t request, int code, const struct error *error)
{
	struct pending *pending = context;

	add_outcome(pending->result, code ? error : NULL);
	control_reply(pending->commands->control, request, 0, pending->result, NULL);
	free(pending);
}

/* Has the list written, and the reply sent after that. Takes @done, the result, over. */
static int keep(struct commands *commands, const struct control_peer *peer, json_t *done,
		json_t **result)
{
	struct pending *pending = malloc(sizeof(*pending));
	struct error problem = commands->agent->saver_error;

	if (commands->agent->saver) {
		if (pending) {
			*pending = (struct pending){commands, done};
			if (!saver_save(commands->agent->saver, &commands->agent->peers, on_kept,
					pending, peer->client))
				return CONTROL_LATER;
		}
		error_set(&problem, -ENOMEM, "out of memory");
	}
	free(pending);
	add_outcome(done, &problem);
	*result = done;
	return 0;
}

static int get_peer(json_t *arguments, struct runtime_peer *added, struct error *error)
{
	const char *cluster, *comment;
	json_int_t ttl_s;
	int code = get_cluster_and_prefix(arguments, &cluster, &added->prefix, error);

	if (!code)
		code = argument_string(arguments, "comment", "", &comment, error);
	if (!code)
		code = argument_number(arguments, "ttl_s", 0, 0, TTL_MAX_S, &ttl_s, error);
	if (code)
		return code;
	if (strlen(comment) >= sizeof(added->comment))
		return error_set(error, -EINVAL, "a comment has at most %zu bytes",
				 sizeof(added->comment) - 1);
	if (strlen(cluster) >= sizeof(added->cluster))
		return error_set(error, -ENOENT, "no cluster has so long a name");
	strcpy(added->cluster, cluster);
	strcpy(added->comment, comment);
	added->ttl_s = ttl_s;
	return 0;
}

int command_peers_add(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		      json_t **result, struct error *error)
{
	struct runtime_peer added = {.uid = peer->uid, .pid = peer->pid};
	int code = get_peer(arguments, &added, error);

	if (code)
		return code;
	added.added_s = time(NULL);
	if (added.ttl_s)
		added.ends_ms = boottime_ms() + added.ttl_s * 1000;
	code = agent_add_peer(commands->agent, &added, error);
	if (code)
		return code;
	if (added.ttl_s)
		commands->peers_changed(commands->context);
	return keep(commands, peer, peer_json(added.cluster, &added.prefix), result);
}

int command_peers_del(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		      json_t **result, struct error *error)
{
	struct prefix prefix;
	const char *cluster;
	int code = get_cluster_and_prefix(arguments, &cluster, &prefix, error);

	if (!code)
		code = agent_delete_peer(commands->agent, cluster, &prefix, error);
	return code ? code : keep(commands, peer, peer_json(cluster, &prefix), result);
}
