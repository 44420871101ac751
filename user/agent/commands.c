// SPDX-License-Identifier: BSD-2-Clause
#include "agent/commands.h"

#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"
#include "core/protocol.h"
#include "kernel/leftovers.h"

static int command_reload(struct commands *commands, const struct control_peer *peer,
			  json_t *arguments, json_t **result, struct error *error)
{
	struct review review = {};
	int code = argument_cuts(arguments, &review, error);

	(void)peer;
	if (code)
		return code;
	code = agent_reload(commands->agent, &review, error);
	commands->reloaded(commands->context, &review, code, error);
	if (!code || code == -ECANCELED) {
		*result = json_pack("{s:s, s:b}", "config", commands->agent->config_path,
				    "reloaded", !code);
		review_tell(&review, *result);
	}
	review_free(&review);
	return code;
}

static void add_line(void *lines, const char *line)
{
	json_array_append_new(lines, json_string(line));
}

static int command_detach(struct commands *commands, const struct control_peer *peer,
			  json_t *arguments, json_t **result, struct error *error)
{
	const struct interface_state *states;
	const size_t count = fence_interfaces(commands->agent->fence, &states);
	json_t *names = json_array(), *left = json_array();
	int code;

	(void)peer, (void)arguments;
	for (size_t i = 0; i < count; i++)
		if (states[i].attached != ATTACHED_NOT)
			json_array_append_new(names, json_string(states[i].name));
	leftovers_find(commands->agent->pin_dir, add_line, left);
	*result = json_pack("{s:o, s:o}", "detached", names, "left_behind", left);
	code = fence_detach(commands->agent->fence, error);
	if (code < 0)
		return code;
	commands->detached(commands->context);
	return 0;
}

static const struct command {
	const char *name;
	command_function *function;
} table[] = {
	{"status", command_status},
	{"ports", command_ports},
	{"counters", command_counters},
	{"metrics", command_metrics},
	{"explain", command_explain},
	{"peers.list", command_peers_list},
	{"peers.add", command_peers_add},
	{"peers.del", command_peers_del},
	{"reload", command_reload},
	{"check", command_check},
	{"try", command_try},
	{"confirm", command_confirm},
	{"revert", command_revert},
	{"detach", command_detach},
	{"events", command_events},
	{"sources", command_sources},
	{"capture", command_capture},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(name, table[i].name))
			return &table[i];
	return NULL;
}

int commands_handle(void *context, const struct control_peer *peer, const char *name,
		    json_t *arguments, json_t **result, struct error *error)
{
	const struct command *command = find_command(name);
	struct commands *commands = context;
	const bool changes = !protocol_only_looks(name);
	int code;

	if (!command)
		return error_set(error, -ENOSYS, "there is no command \"%.64s\"", name);
	if (changes && peer->read_only)
		code = error_set(error, -EPERM, "this socket is for looking only: \"%s\" needs %s",
				 name, commands->agent->config->control_socket);
	else
		code = command->function(commands, peer, arguments, result, error);
	if (changes)
		commands->changed(commands->context, peer, name, arguments, code, error);
	return code;
}
