/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A configuration file that a test writes and has read. A suite starts with make_directory() and
 * ends with remove_directory().
 */
#pragma once

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "tests/unit/scratch.h"

#define FENCE "interfaces: {client: [eth0]}\n" /* the least that is valid; one line */

static inline void cleanup_config(struct config **config)
{
	config_free(*config);
}
#define _cleanup_config_ _cleanup_(cleanup_config)

static char directory[SCRATCH_MAX];
static char path[80]; /* of the file */

static inline void make_directory(void)
{
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/x.yaml", directory);
}

static inline void remove_directory(void)
{
	unlink(path);
	rmdir(path);
	rmdir(directory);
}

static inline void write_file(const char *content, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(content, 1, size, file), size);
}

static inline int load(const char *yaml, struct config **config, struct error *error)
{
	write_file(yaml, strlen(yaml));
	return config_load(path, config, error);
}

static inline struct config *loaded(const char *yaml)
{
	struct config *config = NULL;
	struct error error = {""};

	cr_assert_eq(load(yaml, &config, &error), 0, "%s\n%s", error.text, yaml);
	return config;
}

struct bad {
	const char *yaml;
	unsigned line;
	const char *reason; /* a part of the text */
};

static inline void expect_bad(const struct bad *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct config *config = NULL;
		struct error error = {""};
		char start[96];

		snprintf(start, sizeof(start), "%s:%u: ", path, rows[i].line);
		cr_expect_eq(load(rows[i].yaml, &config, &error), -EINVAL, "taken:\n%s",
			     rows[i].yaml);
		cr_expect_null(config);
		cr_expect_eq(strncmp(error.text, start, strlen(start)), 0, "not line %u: %s\n%s",
			     rows[i].line, error.text, rows[i].yaml);
		cr_expect(strstr(error.text, rows[i].reason), "no %s: %s\n%s", rows[i].reason,
			  error.text, rows[i].yaml);
		cr_expect_null(strchr(error.text, '\n'));
	}
}

#define EXPECT_BAD(rows) expect_bad((rows), sizeof(rows) / sizeof((rows)[0]))
