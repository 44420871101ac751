// SPDX-License-Identifier: BSD-2-Clause
/*
 * Names, and what a port says, as a network side tells them, which may have been taken over by a
 * stranger.
 */
#include "agent/net_side.h"
#include "tests/fuzz/fuzz.h"

static void check_probed(const json_t *arguments)
{
	struct handshake_answer answer;
	const int code = net_side_parse_probed(arguments, &answer);
	const size_t length = strnlen(answer.name, sizeof(answer.name));

	DEMAND(code <= 0 && (code == 0) == (answer.outcome != HANDSHAKE_UNKNOWN));
	DEMAND(!length || answer.outcome == HANDSHAKE_DISTRIBUTION);
	DEMAND(!length || handshake_name_is_acceptable(answer.name, length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	json_t *list = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	struct epmd_nodes nodes;
	const int code = net_side_parse_names(list, &nodes);

	DEMAND((code == 0) == json_is_array(list));
	DEMAND(nodes.count <= EPMD_NODES_MAX);
	DEMAND(code || nodes.count + nodes.refused == json_array_size(list));
	for (size_t i = 0; i < nodes.count; i++) {
		const char *name = nodes.items[i].name;

		DEMAND(nodes.items[i].port && strlen(name) < EPMD_NAME_SIZE);
		DEMAND(epmd_name_is_acceptable(name, strlen(name)));
	}
	epmd_nodes_free(&nodes);
	check_probed(list);
	json_decref(list);
	free(text);
	return 0;
}
