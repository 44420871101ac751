// SPDX-License-Identifier: BSD-2-Clause
#include "core/presets.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* From each product's documentation of its defaults. */
static const struct preset presets[] = {
	{
		.name = "rabbitmq", /* AMQP + 20000; what its command line listens on; streams */
		.cluster = {{25672, 25672}, {35672, 35682}, {6000, 6500}},
		/* AMQP, streams, management, MQTT, STOMP, both over WebSocket, metrics */
		.clients = {5672, 5671, 5552, 5551, 15672, 15671, 1883, 8883, 61613, 61614, 15674,
			    15673, 15675, 15676, 15692, 15691},
		.node = "rabbit",
		.tools = {"rabbitmqcli-#-%", "rabbitmqcli-#", "rabbitmq-cli-#"},
	},
	{
		.name = "emqx", /* both plus the digits that the node's name ends in; 5369:
				   container */
		.cluster = {{4370, 4379}, {5369, 5379}},
		/* MQTT, over WebSocket, dashboard, the API of 4.x */
		.clients = {1883, 8883, 8083, 8084, 18083, 18084, 8081},
		.node = "emqx",
		.tools = {"remsh#", "remsh#-%", "%_maint_#"},
	},
	{
		.name = "vernemq", /* the range of its container; messages between nodes */
		.cluster = {{9100, 9109}, {44053, 44054}},
		.clients = {1883, 8883, 8080, 8888}, /* MQTT, over WebSocket, metrics and API */
		.node = "VerneMQ",
		.tools = {"remsh#-%", "%_maint_#"},
		.dynamic = true,
	},
	{
		.name = "ejabberd", /* the suggested ERL_DIST_PORT */
		.cluster = {{5210, 5210}},
		/* XMPP, other servers, HTTP, MQTT, files (mod_proxy65) */
		.clients = {5222, 5223, 5269, 5280, 5443, 1883, 7777},
		.node = "ejabberd",
		.tools = {"#-ctl-%", "ctl-#-%", "#-debug-%", "#-top-%", "#-ping"},
		.dynamic = true,
	},
	{
		.name = "couchdb",
		.cluster = {{9100, 9200}},
		.clients = {5984, 6984},
		.node = "couchdb",
		.tools = {"remsh#"},
		.dynamic = true,
	},
	{
		.name = "riak", /* the range of its documentation; hand-off */
		.cluster = {{6000, 7999}, {8099, 8099}},
		.clients = {8087, 8098},
		.node = "riak",
		.tools = {"remsh#-%", "%_maint_#"},
		.dynamic = true,
	},
	{
		.name = "elixir", /* a release: its clients' ports are the application's */
		.tools = {"rem-#-%", "rpc-#-%"},
		.dynamic = true,
	},
};

const struct preset *presets_list(size_t *count)
{
	*count = sizeof(presets) / sizeof(presets[0]);
	return presets;
}

const struct preset *preset_find(const char *name)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		if (!strcmp(presets[i].name, name))
			return &presets[i];
	return NULL;
}

/* Where the pattern has a '%', writes what stands for it to @node. */
static bool fits(const char *pattern, const char *name, char node[PRESET_NODE_SIZE])
{
	for (; *pattern && *pattern != '#' && *pattern != '%'; pattern++, name++)
		if (*pattern != *name)
			return false;
	if (!*pattern)
		return !*name;
	for (size_t length = 1; name[length - 1]; length++) {
		if (*pattern == '#' && !isalnum((unsigned char)name[length - 1]))
			return false;
		if (!fits(pattern + 1, name + length, node))
			continue;
		if (*pattern == '%')
			snprintf(node, PRESET_NODE_SIZE, "%.*s", (int)length, name);
		return true;
	}
	return false;
}

bool preset_is_tool(const struct preset *preset, const char *name, char node[PRESET_NODE_SIZE])
{
	snprintf(node, PRESET_NODE_SIZE, "%s", preset->node ?: "");
	for (size_t i = 0; i < PRESET_TOOLS_MAX && preset->tools[i]; i++)
		if (fits(preset->tools[i], name, node))
			return true;
	return false;
}
