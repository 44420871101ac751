// SPDX-License-Identifier: BSD-2-Clause
#include "agent/commands.h"

#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"

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
	command_function *function;
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
