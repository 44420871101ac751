// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/print.h"
#include "core/address.h"
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

	if (parse_ttl(text, &ttl_s, error))
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
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "peers.add", peer, print_peer_added, error);
}

static enum status delete_peer(const struct cli *cli, const struct arguments *arguments,
			       struct error *error)
{
	json_t *peer = peer_arguments(arguments->words[1], arguments->words[2], error);

	if (!peer)
		return STATUS_USAGE;
	return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "peers.del", peer, print_peer_deleted,
				error);
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
		return cli_ask_and_show(cli, CLIENT_TIMEOUT_MS, "peers.list", NULL, print_peers,
					error);
	error_set(error, -EINVAL, "peers takes list, add CLUSTER PREFIX or del CLUSTER PREFIX");
	return STATUS_USAGE;
}
