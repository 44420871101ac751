// SPDX-License-Identifier: BSD-2-Clause
/* A reply of epmd, which any local process may be. */
#include "core/epmd.h"
#include "core/text.h"
#include "tests/fuzz/fuzz.h"

static void check_name(const char *name)
{
	const size_t length = strlen(name);
	uint32_t character;

	DEMAND(length && length < EPMD_NAME_SIZE);
	for (size_t at = 0, step; at < length; at += step) {
		step = text_decode(name + at, length - at, &character);
		DEMAND(step && text_is_harmless(character) && character != ' ');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *reply = exact_copy(data, size);
	struct epmd_nodes nodes = {0};
	struct error error = {""};
	const int code = epmd_parse_names(reply, size, &nodes, &error);

	DEMAND((code == 0) == (size >= 4));
	if (code)
		demand_line(error.text, sizeof(error.text));
	DEMAND(nodes.count <= EPMD_NODES_MAX);
	for (size_t i = 0; i < nodes.count; i++) {
		DEMAND(nodes.items[i].port);
		check_name(nodes.items[i].name);
	}
	if (!code)
		epmd_nodes_free(&nodes);
	free(reply);
	return 0;
}
