// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <pwd.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/escape.h"
#include "cli/print.h"
#include "core/address.h"
#include "core/cleanup.h"
#include "core/policy.h"

/* Makes the protocol's arguments of CLUSTER PREFIX; NULL with @error set when they are wrong. */
static json_t *peer_arguments(const char *cluster, const char *text, struct error *error)
{
	char normal[PREFIX_TEXT_SIZE];
	struct prefix prefix;
	json_t *arguments;

	if (prefix_parse(text, &prefix, error))
		return NULL;
	arguments = json_pack("{s:s, s:s}", "cluster", cluster, "prefix",
			      prefix_format(&prefix, normal));
	if (!arguments)
		error_set(error, -EINVAL, "the name of the cluster is not UTF-8 text");
	return arguments;
}

static int add_ttl(json_t *arguments, const char *text, struct error *error)
{
	int64_t ttl_s;

	if (parse_time(text, "time to live", &ttl_s, error))
		return -EINVAL;
	return json_object_set_new(arguments, "ttl_s", json_integer(ttl_s));
}

static int add_comment(json_t *arguments, const char *text, struct error *error)
{
	const size_t limit = sizeof(((struct runtime_peer *)NULL)->comment) - 1;

	if (strlen(text) > limit)
		return error_set(error, -EINVAL, "the comment is longer than %zu bytes", limit);
	if (json_object_set_new(arguments, "comment", json_string(text)))
		return error_set(error, -EINVAL, "the comment is not UTF-8 text");
	return 0;
}

/* Says on stderr that what was done may not last. */
static void warn(const json_t *result)
{
	const char *warning = json_string_value(json_object_get(result, "warning"));
	_cleanup_free_ char *escaped = warning ? escape(warning) : NULL;

	if (escaped)
		fprintf(stderr, "beamfence: warning: %s\n", escaped);
}

/* Asks for a change; takes @peer over. */
static enum status change(const struct cli *cli, const char *command, json_t *peer,
			  result_printer print, struct error *error)
{
	json_t *result = NULL;
	enum status status = cli_ask(cli, CLIENT_TIMEOUT_MS, command, peer, &result, error);

	if (status == STATUS_DONE)
		status = cli_show(cli, result, print, error);
	if (status == STATUS_DONE)
		warn(result);
	json_decref(result);
	return status;
}

/* The name of a user as this host knows it; null where there is none. */
static json_t *name_of(json_int_t uid)
{
	const struct passwd *user = getpwuid((uid_t)uid);
	json_t *name = user ? json_string(user->pw_name) : NULL;

	return name ? name : json_null();
}

/* Adds the names of those who added peers: looked up here, where it may take its time. */
static void add_names(json_t *peers)
{
	json_int_t known = -1;
	json_t *name = NULL;

	for (size_t i = 0; i < json_array_size(peers); i++) {
		json_t *peer = json_array_get(peers, i);
		const json_t *uid = json_object_get(peer, "added_by");

		if (!json_is_integer(uid))
			continue;
		if (!name || json_integer_value(uid) != known) {
			json_decref(name);
			known = json_integer_value(uid);
			name = name_of(known);
		}
		json_object_set(peer, "added_by_name", name);
	}
	json_decref(name);
}

static enum status list_peers(const struct cli *cli, struct error *error)
{
	json_t *result = NULL;
	enum status status = cli_ask(cli, CLIENT_TIMEOUT_MS, "peers.list", NULL, &result, error);

	if (status == STATUS_DONE) {
		add_names(result);
		status = cli_show(cli, result, print_peers, error);
	}
	json_decref(result);
	return status;
}

static enum status add_peer(const struct cli *cli, const struct arguments *arguments,
			    struct error *error)
{
	const char *ttl = arguments_option(arguments, "--ttl");
	const char *comment = arguments_option(arguments, "--comment");
	json_t *peer = peer_arguments(arguments->words[1], arguments->words[2], error);

	if (!peer || (ttl && add_ttl(peer, ttl, error)) ||
	    (comment && add_comment(peer, comment, error))) {
		json_decref(peer);
		return STATUS_USAGE;
	}
	return change(cli, "peers.add", peer, print_peer_added, error);
}

static enum status delete_peer(const struct cli *cli, const struct arguments *arguments,
			       struct error *error)
{
	json_t *peer = peer_arguments(arguments->words[1], arguments->words[2], error);

	if (!peer)
		return STATUS_USAGE;
	return change(cli, "peers.del", peer, print_peer_deleted, error);
}

enum status run_peers(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	const char *action = arguments->word_count ? arguments->words[0] : "list";
	bool add = strcmp(action, "add") == 0;

	if (!add &&
	    (arguments_option(arguments, "--ttl") || arguments_option(arguments, "--comment"))) {
		error_set(error, -EINVAL, "--ttl and --comment go with peers add only");
		return STATUS_USAGE;
	}
	if (add && arguments->word_count == 3)
		return add_peer(cli, arguments, error);
	if (strcmp(action, "del") == 0 && arguments->word_count == 3)
		return delete_peer(cli, arguments, error);
	if (strcmp(action, "list") == 0 && arguments->word_count <= 1)
		return list_peers(cli, error);
	error_set(error, -EINVAL, "peers takes list, add CLUSTER PREFIX or del CLUSTER PREFIX");
	return STATUS_USAGE;
}
