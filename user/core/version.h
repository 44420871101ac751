/* SPDX-License-Identifier: BSD-2-Clause */
/* What this build is. Nothing in it depends on when or where it was built. */
#ifndef BEAMFENCE_VERSION_H
#define BEAMFENCE_VERSION_H

#include <stdio.h>

/* Prints "PROGRAM VERSION", then a line for each fact: commit, compiler, libbpf, contract. */
void version_print(FILE *out, const char *program);

#endif
