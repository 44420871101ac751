// SPDX-License-Identifier: BSD-2-Clause
#include "core/version.h"

#include "../bpf/contract.h"
#include "facts.h"

#ifdef __clang__
#define COMPILER "clang " __clang_version__
#else
#define COMPILER "gcc " __VERSION__
#endif

void version_print(FILE *out, const char *program)
{
	fprintf(out,
		"%s %s\n"
		"commit:   %s\n"
		"compiler: %s\n"
		"libbpf:   %s\n"
		"contract: %d\n",
		program, BEAMFENCE_VERSION, *FACT_COMMIT ? FACT_COMMIT : "unknown", COMPILER,
		FACT_LIBBPF, CONTRACT_VERSION);
}
