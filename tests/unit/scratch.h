/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A directory for the files of one test, which its suite removes. What a test leaves that crashed
 * or was interrupted goes with $TMPDIR, which tests/run makes for the run.
 */
#pragma once

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_MAX 64

static inline void scratch_make(char directory[SCRATCH_MAX])
{
	const char *parent = getenv("TMPDIR");
	int length = snprintf(directory, SCRATCH_MAX, "%s/beamfence-XXXXXX",
			      parent ? parent : "/tmp");

	cr_assert(length < SCRATCH_MAX, "$TMPDIR is too long for the paths of sockets");
	cr_assert(mkdtemp(directory));
}
