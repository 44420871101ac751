// SPDX-License-Identifier: BSD-2-Clause
#include "agent/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bpf/contract_watch.h"
#include "tests/unit/state_directory.h"

TestSuite(store, .init = start, .fini = stop);

static bool exists(const char *name)
{
	struct stat st;

	return !lstat(in_state(name), &st);
}

static void write_file(const char *text)
{
	FILE *file = fopen(in_state(STORE_PEERS), "w");

	fputs(text, file);
	fclose(file);
}

static int saved(const char *prefix)
{
	const struct runtime_peer one = peer(prefix);

	return store_save_peers(store, &one, 1, &now, &error);
}

Test(store, the_directory_is_made_for_its_owner_alone)
{
	struct stat st;

	umask(0);
	open_store();
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(loaded(), 0);
	cr_assert_eq(saved("10.0.0.1"), 0, "%s", error.text);
	cr_assert_eq(loaded(), 1);
	cr_assert_eq(stat(in_state(STORE_PEERS), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_not(exists(STORE_PEERS_NEW));
}

Test(store, a_directory_that_cannot_be_used_is_one_line)
{
	char below[160];

	snprintf(below, sizeof(below), "%s/not/there", path);
	cr_assert_eq(store_open(below, &store, &error), -ENOENT);
	cr_assert(strstr(error.text, below) && strstr(error.text, "not outlive"), "%s", error.text);
	cr_assert_eq(store_open("/dev/null", &store, &error), -ENOTDIR);
	mkdir(path, 0700);
	chmod(path, 0770);
	cr_assert_eq(store_open(path, &store, &error), -EACCES);
	cr_assert(strstr(error.text, "chmod 700"), "%s", error.text);
	cr_assert_null(store);
}

/* What is kept there comes into force at a start: nobody else may have put it there. */
Test(store, a_directory_of_another_user_is_not_used)
{
	if (geteuid())
		cr_skip_test("only root can give a directory away");
	mkdir(path, 0700);
	cr_assert_eq(chown(path, 65534, (gid_t)-1), 0);
	cr_assert_eq(store_open(path, &store, &error), -EACCES);
	cr_assert(strstr(error.text, "belongs to another user"), "%s", error.text);
	cr_assert_eq(chown(path, SYSTEM_ACCOUNTS - 1, (gid_t)-1), 0); /* of a service */
	open_store();
}

Test(store, two_agents_do_not_share_a_directory)
{
	struct store *second = NULL;

	open_store();
	cr_assert_eq(store_open(path, &second, &error), -EBUSY);
	cr_assert(strstr(error.text, "--state-dir"), "%s", error.text);
	store_close(store);
	open_store();
}

Test(store, a_bad_file_is_kept_aside_and_one_of_them)
{
	static const char *const bad[] = {"", "{", "foreign\n", "{\"version\":2}"};

	open_store();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct stat st;

		write_file(bad[i]);
		cr_assert_lt(loaded(), 0, "%s", bad[i]);
		cr_assert(strstr(error.text, "the runtime peers are lost: "), "%s", error.text);
		cr_assert(strstr(error.text, "kept as " STORE_PEERS_BAD), "%s", error.text);
		cr_assert_not(exists(STORE_PEERS));
		cr_assert_eq(stat(in_state(STORE_PEERS_BAD), &st), 0);
		cr_assert_eq((size_t)st.st_size, strlen(bad[i]));
		cr_assert_eq(loaded(), 0);
	}
	cr_assert_eq(saved("10.0.0.1"), 0);
	cr_assert_eq(loaded(), 1);
}

Test(store, what_is_no_regular_file_is_not_read)
{
	open_store();
	cr_assert_eq(mkfifo(in_state(STORE_PEERS), 0600), 0);
	cr_assert_eq(loaded(), -EINVAL); /* and nobody waits for a writer */
	cr_assert_eq(symlink("/etc/passwd", in_state(STORE_PEERS)), 0);
	cr_assert_eq(loaded(), -ELOOP);
	cr_assert_eq(mkdir(in_state(STORE_PEERS), 0700), 0);
	cr_assert_lt(loaded(), 0);
	cr_assert_eq(saved("10.0.0.1"), 0);
}

Test(store, a_link_in_place_of_the_new_file_is_not_followed)
{
	char target[160];
	struct stat st;

	snprintf(target, sizeof(target), "%s/target", directory);
	open_store();
	cr_assert_eq(symlink(target, in_state(STORE_PEERS_NEW)), 0);
	cr_assert_eq(saved("10.0.0.1"), 0);
	cr_assert_lt(stat(target, &st), 0);
	cr_assert_eq(loaded(), 1);
}

Test(store, a_file_that_is_too_large_is_not_read)
{
	open_store();
	write_file("");
	cr_assert_eq(truncate(in_state(STORE_PEERS), (off_t)PEER_FILE_SIZE_MAX + 1), 0);
	cr_assert_eq(loaded(), -EFBIG);
	cr_assert(exists(STORE_PEERS_BAD));
}

Test(store, a_failing_write_leaves_the_old_file_whole)
{
	const struct rlimit none = {.rlim_cur = 10, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	open_store();
	cr_assert_eq(saved("10.0.0.1"), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(saved("10.0.0.2"), -EFBIG, "%s", error.text);
	cr_assert(strstr(error.text, STORE_PEERS " cannot be written: File too large"), "%s",
		  error.text);
	cr_assert_not(exists(STORE_PEERS_NEW));
	cr_assert_eq(loaded(), 1);
}

/* Saves one and the same list of one or two peers for ever. */
static void save_for_ever(void)
{
	const struct runtime_peer two[] = {peer("10.0.0.1"), peer("10.0.0.2")};

	for (size_t count = 1;; count = 3 - count)
		store_save_peers(store, two, count, &now, NULL);
}

Test(store, a_writer_that_is_killed_leaves_the_old_or_the_new_file)
{
	unsigned seed = (unsigned)getpid();

	open_store();
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

Test(store, a_directory_that_is_gone_is_an_error)
{
	open_store();
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(saved("10.0.0.1"), -ENOENT);
	cr_assert_eq(loaded(), 0);
}

Test(store, the_last_good_configuration_is_replaced_whole)
{
	struct stat st;
	int code;

	umask(0);
	open_store();
	cr_assert_null(loaded_config(&code));
	cr_assert_eq(code, -ENOENT);
	cr_assert(strstr(error.text, "no good configuration"), "%s", error.text);
	cr_assert_eq(store_save_config(store, "mode: audit\n", 12, &error), 0, "%s", error.text);
	expect_config("mode: audit\n");
	cr_assert_eq(store_save_config(store, "mode", 4, &error), 0);
	expect_config("mode");
	cr_assert_eq(stat(in_state(LAST_GOOD), &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_not(exists(LAST_GOOD_NEW));
}

Test(store, a_configuration_that_is_kept_already_is_not_written_again)
{
	struct stat before, after;

	open_store();
	cr_assert_eq(store_has_config(store, "", 0), -ENOENT);
	cr_assert_eq(store_save_config(store, "mode: audit\n", 12, &error), 0);
	cr_assert_eq(store_has_config(store, "mode: audit\n", 12), 1);
	cr_assert_eq(store_has_config(store, "mode: audit", 11), 0);
	cr_assert_eq(store_has_config(store, "mode: audit\n\n", 13), 0);
	cr_assert_eq(store_has_config(store, "mode: enfor\n", 12), 0);
	cr_assert_eq(stat(in_state(LAST_GOOD), &before), 0);
	cr_assert_eq(store_save_config(store, "mode: audit\n", 12, &error), 0);
	cr_assert_eq(stat(in_state(LAST_GOOD), &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
}

Test(store, a_last_good_configuration_that_is_no_regular_file_is_not_read)
{
	int code;

	open_store();
	cr_assert_eq(symlink("/etc/passwd", in_state(LAST_GOOD)), 0);
	cr_assert_null(loaded_config(&code));
	cr_assert_eq(code, -ELOOP);
	cr_assert(strstr(error.text, LAST_GOOD ": it is no regular file"), "%s", error.text);
	cr_assert_eq(store_save_config(store, "mode", 4, &error), 0, "%s", error.text);
	expect_config("mode");
}

Test(store, a_failing_write_leaves_the_last_good_configuration_whole)
{
	const struct rlimit none = {.rlim_cur = 3, .rlim_max = RLIM_INFINITY};

	signal(SIGXFSZ, SIG_IGN);
	open_store();
	cr_assert_eq(store_save_config(store, "mode", 4, &error), 0);
	setrlimit(RLIMIT_FSIZE, &none);
	cr_assert_eq(store_save_config(store, "audit", 5, &error), -EFBIG);
	cr_assert(strstr(error.text, LAST_GOOD " cannot be written: File too large"), "%s",
		  error.text);
	cr_assert_not(exists(LAST_GOOD_NEW));
	expect_config("mode");
}
