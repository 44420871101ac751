/* SPDX-License-Identifier: BSD-2-Clause */
/* What one configuration says other than another, in words for people. */
#ifndef BEAMFENCE_CONFIG_DIFF_H
#define BEAMFENCE_CONFIG_DIFF_H

#include "core/config.h"

#define CONFIG_DIFF_LINES_MAX 200 /* beyond that they are only counted */

struct config_diff {
	char **lines; /* "+ peer 10.0.1.9/32 of app", "- mode audit" */
	size_t line_count;
	size_t added; /* all of them */
	size_t removed;
};

/*
 * Compares two configurations by what they mean: neither order nor comments count. Returns 0, or
 * -ENOMEM; config_diff_free() is due in any case.
 */
int config_compare(const struct config *former, const struct config *next,
		   struct config_diff *diff);

void config_diff_free(struct config_diff *diff);

#endif
