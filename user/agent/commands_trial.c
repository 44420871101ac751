// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"
#include "core/clock.h"

#define SECONDS_DEFAULT 60
#define NAME_MAX_BYTES	4096

/* A configuration, and what messages call it. */
static int get_text(json_t *arguments, const char **text, const char **name, struct error *error)
{
	int code = argument_string(arguments, "config", NULL, text, error);

	if (!code)
		code = argument_string(arguments, "name", "configuration", name, error);
	if (!code && strlen(*name) > NAME_MAX_BYTES)
		code = error_set(error, -EINVAL, "argument \"name\" is too long");
	return code;
}

int command_try(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		json_t **result, struct error *error)
{
	struct trial_request request = {.uid = peer->uid, .pid = peer->pid};
	struct review review = {};
	json_int_t seconds;
	int code = get_text(arguments, &request.text, &request.name, error);

	if (!code)
		code = argument_number(arguments, "for_s", SECONDS_DEFAULT, 1, TRIAL_SECONDS_MAX,
				       &seconds, error);
	if (code)
		return code;
	request.size = strlen(request.text);
	request.ends_ms = boottime_ms() + seconds * 1000;
	code = agent_try(commands->agent, &request, &review, error);
	if (!code) {
		*result = json_pack("{s:s, s:I}", "file", request.name, "for_s", seconds);
		review_tell(&review, *result);
		commands->tried(commands->context);
	}
	review_free(&review);
	return code;
}

int command_check(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		  json_t **result, struct error *error)
{
	struct review review = {};
	const char *text = NULL, *name = NULL;
	int code = get_text(arguments, &text, &name, error);

	(void)peer;
	if (!code)
		code = argument_cuts(arguments, &review, error);
	if (!code)
		code = agent_rehearse(commands->agent, name, text, strlen(text), &review, error);
	if (!code || code == -ECANCELED) {
		*result = json_pack("{s:s}", "file", name);
		review_tell(&review, *result);
	}
	review_free(&review);
	return code;
}

int command_confirm(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		    json_t **result, struct error *error)
{
	struct agent *agent = commands->agent;
	json_t *file = agent->trial.name ? json_string(agent->trial.name) : json_null();
	const int code = agent_confirm(agent, error);

	(void)peer, (void)arguments;
	*result = json_pack("{s:o, s:s, s:b}", "file", file, "config", agent->config_path,
			    "differs", agent_differs_from_file(agent));
	if (!code)
		commands->tried(commands->context);
	return code;
}

int command_revert(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		   json_t **result, struct error *error)
{
	struct agent *agent = commands->agent;
	json_t *file = agent->trial.name ? json_string(agent->trial.name) : json_null();
	const int code = agent_revert(agent, error);

	(void)peer, (void)arguments;
	*result = json_pack("{s:o}", "file", file);
	if (!code)
		commands->tried(commands->context);
	return code;
}
