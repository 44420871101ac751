// SPDX-License-Identifier: BSD-2-Clause
/* /proc/PID/cmdline of a process that calls itself a BEAM. */
#include "core/cmdline.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *arguments = exact_copy(data, size);
	const struct cmdline_facts facts = cmdline_parse(arguments, size);

	DEMAND(facts.first <= facts.last);
	DEMAND(facts.first || !facts.last);
	DEMAND(memchr(facts.node, '\0', sizeof(facts.node)));
	DEMAND(!strchr(facts.node, '@'));
	free(arguments);
	return 0;
}
