// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <time.h>

#include "agent/commands_internal.h"

static json_t *peer_json(const char *cluster, const struct prefix *prefix)
{
	char text[PREFIX_TEXT_SIZE];

	return json_pack("{s:s, s:s}", "cluster", cluster, "prefix", prefix_format(prefix, text));
}

int command_peers_list(struct commands *commands, const struct control_peer *peer,
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
				       json_null_or_string(runtime->comment), "expires",
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
	int code = argument_string(arguments, "cluster", NULL, cluster, error);

	if (!code)
		code = argument_string(arguments, "prefix", NULL, &text, error);
	return code ? code : prefix_parse(text, prefix, error);
}

int command_peers_add(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		      json_t **result, struct error *error)
{
	struct runtime_peer added = {.uid = peer->uid};
	const char *cluster, *comment;
	json_int_t ttl_s;
	int code;

	code = get_cluster_and_prefix(arguments, &cluster, &added.prefix, error);
	if (!code)
		code = argument_string(arguments, "comment", "", &comment, error);
	if (!code)
		code = argument_number(arguments, "ttl_s", 0, 0, 10LL * 366 * 86400, &ttl_s, error);
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

int command_peers_del(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		      json_t **result, struct error *error)
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
