/* SPDX-License-Identifier: BSD-2-Clause */
/* A state directory of a test's own, and what is in it. */
#ifndef BEAMFENCE_STATE_DIRECTORY_H
#define BEAMFENCE_STATE_DIRECTORY_H

#include <criterion/criterion.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/moment.h"
#include "agent/store.h"
#include "tests/unit/scratch.h"

#define DEADLINE_S 60

static char directory[SCRATCH_MAX];
static char path[128];
static struct store *store;
static struct error error;
static struct moment now;

static inline void start(void)
{
	alarm(DEADLINE_S);
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/state", directory);
	moment_now(&now);
}

static inline int remove_one(const char *name, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(name);
}

static inline void stop(void)
{
	store_close(store);
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void open_store(void)
{
	cr_assert_eq(store_open(path, &store, &error), 0, "%s", error.text);
}

static inline const char *in_state(const char *name)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return full;
}

static inline struct runtime_peer peer(const char *prefix)
{
	struct runtime_peer one = {.uid = 1, .pid = 2, .added_s = 3};

	cr_assert_eq(prefix_parse(prefix, &one.prefix, NULL), 0);
	strcpy(one.cluster, "app");
	return one;
}

/* How many peers are read; -errno where that fails. */
static inline int loaded(void)
{
	struct runtime_peer *peers;
	size_t count;
	const int code = store_load_peers(store, &now, &peers, &count, &error);

	cr_assert(code ? !peers : true);
	free(peers);
	return code ? code : (int)count;
}

/* The text that is read, for the caller to free(), or NULL with the result in *code. */
static inline char *loaded_config(int *code)
{
	char *text = NULL;
	int64_t since_s;
	size_t size;

	*code = store_load_config(store, &text, &size, &since_s, &error);
	if (*code)
		return NULL;
	cr_assert_leq(since_s, time(NULL));
	cr_assert_gt(since_s, time(NULL) - DEADLINE_S);
	text[size] = '\0'; /* there is room for it */
	return text;
}

static inline void expect_config(const char *expected)
{
	int code;
	char *text = loaded_config(&code);

	cr_assert_eq(code, 0, "%s", error.text);
	cr_assert_str_eq(text, expected);
	free(text);
}

#endif
