// SPDX-License-Identifier: BSD-2-Clause
#include "agent/commands.h"

#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"

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

static const struct command {
	const char *name;
	command_function *function;
	bool changes; /* something: not for those who may only look */
} table[] = {
	{"status", command_status, false},
	{"ports", command_ports, false},
	{"counters", command_counters, false},
	{"metrics", command_metrics, false},
	{"explain", command_explain, false},
	{"peers.list", command_peers_list, false},
	{"peers.add", command_peers_add, true},
	{"peers.del", command_peers_del, true},
	{"reload", command_reload, true},
	{"check", command_check, true}, /* what it costs is no less */
	{"try", command_try, true},
	{"confirm", command_confirm, true},
	{"revert", command_revert, true},
	{"detach", command_detach, true},
	{"events", command_events, false},
	{"sources", command_sources, false},
	{"capture", command_capture, true}, /* what it shows is no less than a change */
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
	int code;

	if (!command)
		return error_set(error, -ENOSYS, "there is no command \"%.64s\"", name);
	if (command->changes && peer->read_only)
		code = error_set(error, -EPERM, "this socket is for looking only: \"%s\" needs %s",
				 name, commands->agent->config->control_socket);
	else
		code = command->function(commands, peer, arguments, result, error);
	if (command->changes)
		commands->changed(commands->context, peer, name, arguments, code, error);
	return code;
}
