// SPDX-License-Identifier: BSD-2-Clause
#include "cli/check_host.h"
#include "cli/cli.h"
#include "cli/escape.h"
#include "cli/live.h"
#include "cli/print.h"
#include "core/cleanup.h"
#include "core/config.h"
#include "core/policy.h"
#include "core/snapshot.h"

static size_t count_ports(const struct policy *policy)
{
	size_t count = 0;

	for (size_t i = 0; i < PORTS / 64; i++)
		count += (size_t)__builtin_popcountll(policy->ports[i]);
	return count;
}

static int print_check(const json_t *result, FILE *out)
{
	const json_t *warnings = json_object_get(result, "warnings");
	int code = print_members(out, result,
				 "%s: ok: mode %s, interface rules: %s, clusters: %s, "
				 "protected ports: %s, peers: %s\n",
				 "file", "mode", "interface_rules", "clusters", "protected_ports",
				 "peers");

	if (!code)
		code = print_warnings(warnings, out);
	if (!code)
		code = print_warnings(json_object_get(result, "on_this_host"), out);
	return code ? code : print_live_review(result, out);
}

static json_t *list_warnings(const struct config *config)
{
	json_t *list = json_array();

	for (size_t i = 0; i < config->warning_count; i++)
		json_array_append_new(list, json_string(config->warnings[i]));
	return list;
}

static void cleanup_config(struct config **config)
{
	config_free(*config);
}

static void cleanup_policy(struct policy **policy)
{
	policy_free(*policy);
}

/* Describes the file at @path if it is fit to be used; else returns NULL with @error set. */
static json_t *check(const char *path, struct error *error)
{
	_cleanup_(cleanup_config) struct config *config = NULL;
	_cleanup_(cleanup_policy) struct policy *policy = NULL;

	if (config_load(path, &config, error) ||
	    policy_build(&(struct policy_parts){.config = config}, &policy, error) ||
	    check_host_access(path, error))
		return NULL;
	return json_pack("{s:b, s:o?, s:s, s:I, s:I, s:I, s:I, s:o, s:o?}", "ok", 1, "file",
			 json_string(path), "mode", mode_name(config->mode), "interface_rules",
			 (json_int_t)config->interface_count, "clusters",
			 (json_int_t)config->cluster_count, "protected_ports",
			 (json_int_t)count_ports(policy), "peers", (json_int_t)policy->peer_count,
			 "warnings", list_warnings(config), "on_this_host",
			 check_host_names(config));
}

/* The same for a file that is not; the line in @error may quote bytes that are not UTF-8. */
static json_t *describe_fault(const struct error *error)
{
	_cleanup_free_ char *escaped = escape(error->text);
	json_t *text = json_string(error->text);

	if (!text && escaped)
		text = json_string(escaped);
	return json_pack("{s:b, s:o?}", "ok", 0, "error", text);
}

enum status run_check(const struct cli *cli, const struct arguments *arguments, struct error *error)
{
	json_t *result = check(arguments->words[0], error);
	bool ok = result != NULL;
	enum status status;
	json_t *live;

	if (!ok && !cli->json)
		return STATUS_FAILED;
	live = ok ? live_review(cli, arguments->words[0], arguments_option(arguments, "--no-cuts"),
				error)
		  : NULL;
	if (!ok)
		result = describe_fault(error);
	else if (live)
		json_object_update_missing(result, live);
	json_decref(live);
	status = cli_show(cli, result, print_check, error);
	json_decref(result);
	return ok && !error->text[0] ? status : STATUS_FAILED;
}
