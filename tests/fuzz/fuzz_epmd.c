// SPDX-License-Identifier: BSD-2-Clause
/* A reply of epmd, which any local process may be; and any text, quoted for a message. */
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

/* What is quoted is one harmless line, and the same where it was harmless and short. */
static void quote(const char *data, size_t size)
{
	char *text = malloc(size + 1), quoted[QUOTE_SIZE];
	bool harmless = true;
	uint32_t character;
	size_t length;

	DEMAND(text);
	memcpy(text, data, size);
	text[size] = '\0';
	length = strlen(text);
	DEMAND(text_quote(text, quoted) == quoted);
	demand_line(quoted, sizeof(quoted));
	for (size_t at = 0, step; quoted[at]; at += step) {
		step = text_decode(quoted + at, strlen(quoted + at), &character);
		DEMAND(step && text_is_harmless(character));
	}
	for (size_t at = 0, step; harmless && at < length; at += step) {
		step = text_decode(text + at, length - at, &character);
		harmless = step && text_is_harmless(character);
	}
	if (harmless && length + sizeof("...\"\"") < QUOTE_SIZE)
		DEMAND(strlen(quoted) == length + 2 && !memcmp(quoted + 1, text, length));
	free(text);
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
	quote(reply, size);
	free(reply);
	return 0;
}
