// SPDX-License-Identifier: BSD-2-Clause
#include "agent/state.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agent/keeper.h"
#include "agent/moment.h"
#include "tests/unit/scratch.h"

#define DEADLINE_S 60

static char directory[SCRATCH_MAX];
static char path[128];
static struct state *state;
static struct error error;
static struct moment now;

static void start(void)
{
	alarm(DEADLINE_S);
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/state", directory);
	moment_now(&now);
}

static int remove_one(const char *name, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(name);
}

static void stop(void)
{
	state_close(state);
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite(state, .init = start, .fini = stop);
TestSuite(keeper, .init = start, .fini = stop);

static void open_state(void)
{
	cr_assert_eq(state_open(path, &state, &error), 0, "%s", error.text);
}

static const char *in_state(const char *name)
{
	static char full[256];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return full;
}

static bool exists(const char *name)
{
	struct stat st;

	return !lstat(in_state(name), &st);
}

static void write_file(const char *text)
{
	FILE *file = fopen(in_state(STATE_FILE), "w");

	fputs(text, file);
	fclose(file);
}

static struct runtime_peer peer(const char *prefix)
{
	struct runtime_peer one = {.uid = 1, .pid = 2, .added_s = 3};

	cr_assert_eq(prefix_parse(prefix, &one.prefix, NULL), 0);
	strcpy(one.cluster, "app");
	return one;
}

/* How many peers are read; -errno where that fails. */
static int loaded(void)
{
	struct runtime_peer *peers;
	size_t count;
	const int code = state_load(state, &now, &peers, &count, &error);

	cr_assert(code ? !peers : true);
	free(peers);
	return code ? code : (int)count;
}

static int saved(const char *prefix)
{
	const struct runtime_peer one = peer(prefix);

	return state_save(state, &one, 1, &now, &error);
}

Test(state, the_directory_is_made_for_its_owner_alone)
{
	struct stat st;

	umask(0);
	open_state();
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(loaded(), 0);
	cr_assert_eq(saved("10.0.0.1"), 0, "%s", error.text);
	cr_assert_eq(loaded(), 1);
	cr_assert_eq(stat(in_state(STATE_FILE), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_not(exists(STATE_FILE_NEW));
}

Test(state, a_directory_that_cannot_be_used_is_one_line)
{
	char below[160];

	snprintf(below, sizeof(below), "%s/not/there", path);
	cr_assert_eq(state_open(below, &state, &error), -ENOENT);
	cr_assert(strstr(error.text, below) && strstr(error.text, "not outlive"), "%s", error.text);
	cr_assert_eq(state_open("/dev/null", &state, &error), -ENOTDIR);
	mkdir(path, 0700);
	chmod(path, 0770);
	cr_assert_eq(state_open(path, &state, &error), -EACCES);
	cr_assert(strstr(error.text, "chmod 700"), "%s", error.text);
	cr_assert_null(state);
}

Test(state, two_agents_do_not_share_a_directory)
{
	struct state *second = NULL;

	open_state();
	cr_assert_eq(state_open(path, &second, &error), -EBUSY);
	cr_assert(strstr(error.text, "--state-dir"), "%s", error.text);
	state_close(state);
	open_state();
}

Test(state, a_bad_file_is_kept_aside_and_one_of_them)
{
	static const char *const bad[] = {"", "{", "foreign\n", "{\"version\":2}"};

	open_state();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stat st;

		write_file(bad[i]);
		cr_assert_lt(loaded(), 0, "%s", bad[i]);
		cr_assert(strstr(error.text, "the runtime peers are lost: "), "%s", error.text);
		cr_assert(strstr(error.text, "kept as " STATE_FILE_BAD), "%s", error.text);
		cr_assert_not(exists(STATE_FILE));
		cr_assert_eq(stat(in_state(STATE_FILE_BAD), &st), 0);
		cr_assert_eq((size_t)st.st_size, strlen(bad[i]));
		cr_assert_eq(loaded(), 0);
	}
	cr_assert_eq(saved("10.0.0.1"), 0);
	cr_assert_eq(loaded(), 1);
}

Test(state, what_is_no_regular_file_is_not_read)
{
	open_state();
	cr_assert_eq(mkfifo(in_state(STATE_FILE), 0600), 0);
	cr_assert_eq(loaded(), -EINVAL); /* and nobody waits for a writer */
	cr_assert_eq(symlink("/etc/passwd", in_state(STATE_FILE)), 0);
	cr_assert_eq(loaded(), -ELOOP);
	cr_assert_eq(mkdir(in_state(STATE_FILE), 0700), 0);
	cr_assert_lt(loaded(), 0);
	cr_assert_eq(saved("10.0.0.1"), 0);
}

Test(state, a_link_in_place_of_the_new_file_is_not_followed)
{
	char target[160];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", directory);
	open_state();
	cr_assert_eq(symlink(target, in_state(STATE_FILE_NEW)), 0);
	cr_assert_eq(saved("10.0.0.1"), 0);
	cr_assert_lt(stat(target, &st), 0);
	cr_assert_eq(loaded(), 1);
}

Test(state, a_file_that_is_too_large_is_not_read)
{
	open_state();
	write_file("");
	cr_assert_eq(truncate(in_state(STATE_FILE), (off_t)PEER_STATE_SIZE_MAX + 1), 0);
	cr_assert_eq(loaded(), -EFBIG);
	cr_assert(exists(STATE_FILE_BAD));
}

Test(state, a_failing_write_leaves_the_old_file_whole)
{
	const struct rlimit none = {.rlim_cur = 10, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	open_state();
	cr_assert_eq(saved("10.0.0.1"), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(saved("10.0.0.2"), -EFBIG, "%s", error.text);
	cr_assert(strstr(error.text, STATE_FILE " cannot be written: File too large"), "%s",
		  error.text);
	cr_assert_not(exists(STATE_FILE_NEW));
	cr_assert_eq(loaded(), 1);
}

/* Saves one and the same list of one or two peers for ever. */
static void save_for_ever(void)
{
	const struct runtime_peer two[] = {peer("10.0.0.1"), peer("10.0.0.2")};

	for (size_t count = 1;; count = 3 - count)
		state_save(state, two, count, &now, NULL);
}

Test(state, a_writer_that_is_killed_leaves_the_old_or_the_new_file)
{
	unsigned seed = (unsigned)getpid();

	open_state();
	cr_assert_eq(saved("10.0.0.1"), 0);
	for (int i = 0; i < 200; i++) {
		const pid_t child = fork();
		int count;

		if (!child)
			save_for_ever();
		usleep((useconds_t)rand_r(&seed) % 5000);
		kill(child, SIGKILL);
		cr_assert_eq(waitpid(child, NULL, 0), child);
		count = loaded();
		cr_assert(count == 1 || count == 2, "%d: %s", count, error.text);
	}
	cr_assert_eq(saved("10.0.0.1"), 0);
}

Test(state, a_directory_that_is_gone_is_an_error)
{
	open_state();
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(saved("10.0.0.1"), -ENOENT);
	cr_assert_eq(loaded(), 0);
}

/* The text that is read, for the caller to free(), or NULL with the result in *code. */
static char *loaded_config(int *code)
{
	char *text = NULL;
	int64_t since_s;
	size_t size;

	*code = state_load_config(state, &text, &size, &since_s, &error);
	if (*code)
		return NULL;
	cr_assert_leq(since_s, time(NULL));
	cr_assert_gt(since_s, time(NULL) - DEADLINE_S);
	text[size] = '\0'; /* there is room for it */
	return text;
}

static void expect_config(const char *expected)
{
	int code;
	char *text = loaded_config(&code);

	cr_assert_eq(code, 0, "%s", error.text);
	cr_assert_str_eq(text, expected);
	free(text);
}

Test(state, the_last_good_configuration_is_replaced_whole)
{
	struct stat st;
	int code;

	umask(0);
	open_state();
	cr_assert_null(loaded_config(&code));
	cr_assert_eq(code, -ENOENT);
	cr_assert(strstr(error.text, "no good configuration"), "%s", error.text);
	cr_assert_eq(state_save_config(state, "mode: audit\n", 12, &error), 0, "%s", error.text);
	expect_config("mode: audit\n");
	cr_assert_eq(state_save_config(state, "mode", 4, &error), 0);
	expect_config("mode");
	cr_assert_eq(stat(in_state(LAST_GOOD), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_not(exists(LAST_GOOD_NEW));
}

Test(state, a_configuration_that_is_kept_already_is_not_written_again)
{
	struct stat before, after;

	open_state();
	cr_assert_eq(state_has_config(state, "", 0), -ENOENT);
	cr_assert_eq(state_save_config(state, "mode: audit\n", 12, &error), 0);
	cr_assert_eq(state_has_config(state, "mode: audit\n", 12), 1);
	cr_assert_eq(state_has_config(state, "mode: audit", 11), 0);
	cr_assert_eq(state_has_config(state, "mode: audit\n\n", 13), 0);
	cr_assert_eq(state_has_config(state, "mode: enfor\n", 12), 0);
	cr_assert_eq(stat(in_state(LAST_GOOD), &before), 0);
	cr_assert_eq(state_save_config(state, "mode: audit\n", 12, &error), 0);
	cr_assert_eq(stat(in_state(LAST_GOOD), &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
}

Test(state, a_last_good_configuration_that_is_no_regular_file_is_not_read)
{
	int code;

	open_state();
	cr_assert_eq(symlink("/etc/passwd", in_state(LAST_GOOD)), 0);
	cr_assert_null(loaded_config(&code));
	cr_assert_eq(code, -ELOOP);
	cr_assert(strstr(error.text, LAST_GOOD ": it is no regular file"), "%s", error.text);
	cr_assert_eq(state_save_config(state, "mode", 4, &error), 0, "%s", error.text);
	expect_config("mode");
}

Test(state, a_failing_write_leaves_the_last_good_configuration_whole)
{
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	open_state();
	cr_assert_eq(state_save_config(state, "mode", 4, &error), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(state_save_config(state, "audit", 5, &error), -EFBIG);
	cr_assert(strstr(error.text, LAST_GOOD " cannot be written: File too large"), "%s",
		  error.text);
	cr_assert_not(exists(LAST_GOOD_NEW));
	expect_config("mode");
}

/* What a keeper told. */
static struct {
	unsigned calls, reports;
	uint64_t last;
	int code;
	bool failing;
} told;

static void on_done(void *context, uint64_t request, int code, const struct error *reason)
{
	(void)reason;
	cr_assert_eq(context, &told);
	told.calls++;
	told.last = request;
	told.code = code;
}

static void on_report(void *context, const struct error *reason)
{
	cr_assert_eq(context, &told);
	told.reports++;
	told.failing = reason;
}

static void run_until(struct event_base *base, unsigned calls)
{
	while (told.calls < calls)
		event_base_loop(base, EVLOOP_ONCE);
}

Test(keeper, tells_when_the_last_of_many_changes_is_on_disk)
{
	struct event_base *base = event_base_new();
	struct keeper *keeper = NULL;
	struct peer_list list = {};

	open_state();
	cr_assert_eq(keeper_open(base, state, &keeper_of_peers, on_report, &told, &keeper, &error),
		     0);
	for (unsigned i = 0; i < 50; i++) {
		char prefix[32];
		struct runtime_peer one;

		snprintf(prefix, sizeof(prefix), "10.0.0.%u", i);
		one = peer(prefix);
		cr_assert_eq(peer_list_add(&list, &one), 0);
		cr_assert_eq(keeper_save(keeper, &list, on_done, &told, i), 0);
		cr_assert_eq(told.calls, 0, "told before keeper_save() returned");
	}
	run_until(base, 50);
	cr_assert_eq(told.last, 49);
	cr_assert_eq(told.code, 0);
	cr_assert_eq(loaded(), 50);
	cr_assert_null(keeper_problem(keeper));
	cr_assert_eq(told.reports, 0);
	peer_list_free(&list);
	keeper_close(keeper);
	event_base_free(base);
}

Test(keeper, says_why_not_and_writes_it_at_the_end_when_that_is_possible_again)
{
	const struct rlimit none = {.rlim_cur = 10, .rlim_max = RLIM_INFINITY};
	const struct rlimit all = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	const struct runtime_peer one = peer("10.0.0.1");
	struct event_base *base = event_base_new();
	struct keeper *keeper = NULL;
	struct peer_list list = {};

	signal(SIGXFSZ, SIG_IGN);
	open_state();
	cr_assert_eq(keeper_open(base, state, &keeper_of_peers, on_report, &told, &keeper, &error),
		     0);
	cr_assert_eq(peer_list_add(&list, &one), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(keeper_save(keeper, &list, on_done, &told, 1), 0);
	run_until(base, 1);
	cr_assert_eq(told.code, -EFBIG);
	cr_assert(told.failing);
	cr_assert_eq(keeper_save(keeper, &list, on_done, &told, 2), 0);
	run_until(base, 2);
	cr_assert_eq(told.reports, 1, "one line, not one for each try");
	cr_assert(strstr(keeper_problem(keeper)->text, "File too large"));
	cr_assert_eq(loaded(), 0);
	setrlimit(RLIMIT_FSIZE, &all);
	keeper_close(keeper);
	cr_assert_eq(loaded(), 1);
	peer_list_free(&list);
	event_base_free(base);
}

Test(keeper, writes_the_last_of_many_configurations_before_it_is_closed)
{
	struct event_base *base = event_base_new();
	struct keeper *keeper = NULL;

	open_state();
	cr_assert_eq(keeper_open(base, state, &keeper_of_config, on_report, &told, &keeper, &error),
		     0);
	keeper_save_config(keeper, strdup("one"), 3);
	event_base_loop(base, EVLOOP_ONCE);
	keeper_save_config(keeper, strdup("two"), 3);
	keeper_save_config(keeper, strdup("three"), 5);
	keeper_close(keeper);
	expect_config("three");
	cr_assert_eq(told.reports, 0);
	event_base_free(base);
}
