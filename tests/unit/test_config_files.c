// SPDX-License-Identifier: BSD-2-Clause
/* Files that cannot be read, that are no YAML, or that want to cost much. */
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/config_file.h"

TestSuite(config_files, .init = make_directory, .fini = remove_directory);

static void expect_unread(int code, const char *reason)
{
	struct config *config = NULL;
	struct error error = {""};
	char start[96];

	snprintf(start, sizeof(start), "%s: ", path);
	cr_expect_eq(config_load(path, &config, &error), code, "%s", error.text);
	cr_expect_null(config);
	cr_expect_eq(strncmp(error.text, start, strlen(start)), 0, "%s", error.text);
	cr_expect(strstr(error.text, reason), "%s", error.text);
	cr_expect_eq(config_load(path, &config, NULL), code);
}

Test(config_files, refuses_a_missing_file)
{
	expect_unread(-ENOENT, "No such file");
}

Test(config_files, refuses_a_file_without_permission)
{
	write_file(FENCE, strlen(FENCE));
	cr_assert_eq(chmod(path, 0), 0);
	/* Root may read everything, so be somebody else for a while. */
	cr_assert(geteuid() != 0 || seteuid(65534) == 0);
	expect_unread(-EACCES, "Permission denied");
	cr_assert(getuid() != 0 || seteuid(0) == 0);
}

Test(config_files, refuses_a_directory)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	expect_unread(-EISDIR, "is a directory");
}

Test(config_files, refuses_a_fifo_without_waiting_for_its_writer)
{
	alarm(10);
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect_unread(-EINVAL, "not a regular file");
}

Test(config_files, refuses_a_device)
{
	struct config *config = NULL;
	struct error error = {""};

	cr_assert_eq(config_load("/dev/zero", &config, &error), -EINVAL);
	cr_assert(strstr(error.text, "not a regular file"), "%s", error.text);
}

Test(config_files, refuses_a_file_that_is_too_large_without_reading_it)
{
	write_file(FENCE, strlen(FENCE));
	cr_assert_eq(truncate(path, CONFIG_FILE_SIZE_MAX + 1l), 0);
	expect_unread(-EFBIG, "67108865 bytes");
}

Test(config_files, refuses_yaml_that_a_configuration_does_not_need)
{
	static const struct bad rows[] = {
		{"", 1, "holds no configuration"},
		{"# only\n# comments\n", 1, "holds no configuration"},
		{"---\n", 1, "holds no configuration"},
		{FENCE "epmd: &e\n  ports: []\n", 2, "anchors and aliases are not supported"},
		{FENCE "mode: *m\n", 2, "anchors and aliases are not supported"},
		{FENCE "mode: &m audit\n", 2, "anchors and aliases"},
		{FENCE "mode: !!str audit\n", 2, "tags such as !!str are not supported"},
		{FENCE "epmd: !x {ports: []}\n", 2, "tags such as"},
		{FENCE "---\n" FENCE, 2, "second document"},
		{"%YAML 1.1\n---\n" FENCE, 1, "directive"},
		{FENCE "mode: \"au\\0dit\"\n", 2, "NUL"},
		{FENCE "mode: [[[[[[[[[[x]]]]]]]]]]\n", 2, "nested deeper"},
		{"a: &a [x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", 1, "anchors"},
	};

	EXPECT_BAD(rows);
}

Test(config_files, says_where_the_yaml_itself_is_broken)
{
	static const struct bad rows[] = {
		{FENCE "mode: [audit\n", 3, "not valid YAML"},
		{FENCE "mode: \"audit\n", 3, "a quoted scalar that starts on line 2"},
		{FENCE "\tmode: audit\n", 2, "not valid YAML"},
		{FENCE " mode: audit\n", 2, "not valid YAML"},
		{FENCE "mode: audit: x\n", 2, "not valid YAML"},
		{FENCE "mode: @x\n", 2, "not valid YAML"},
	};

	EXPECT_BAD(rows);
}

Test(config_files, refuses_bytes_that_are_no_text)
{
	static const struct bad rows[] = {
		{FENCE "# \xff\n", 2, "byte 0xff is not UTF-8"},
		{FENCE "\nmode: \xe3\x83\n", 3, "byte 0xe3 is not UTF-8"},
		{"\xff\xfe" FENCE, 1, "not UTF-8"},
		{FENCE "mode: \x1b[31m\n", 2, "control character U+001B"},
		{FENCE "# \xc2\x85 x\n", 2, "control character U+0085"},
		{FENCE "# \xe2\x80\xa8 x\n", 2, "control character U+2028"},
	};
	static const char with_nul[] = FENCE "mode: au\0dit\n";
	struct config *config = NULL;
	struct error error = {""};

	EXPECT_BAD(rows);
	write_file(with_nul, sizeof(with_nul) - 1);
	cr_expect_eq(config_load(path, &config, &error), -EINVAL);
	cr_expect(strstr(error.text, ":2: control character U+0000"), "%s", error.text);
}

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Each would take minutes or gigabytes if cost were not linear; the limit leaves room for ASan. */
Test(config_files, hostile_files_cost_little)
{
	static const char *const repeated[] = {"[",	"{a: ",	   "- ",  "? ",	 "%TAG !a! b\n",
					       "- a\n", "a: b\n",  "!",	  "&a ", "---\n",
					       "#\n",	"\"",	   "a\n", ",",	 ":\n",
					       "|\n",	" a:\n\t", "'",	  "*a ", "? a\n"};
	const size_t size = 4 << 20;
	_cleanup_free_ char *content = malloc(size);

	cr_assert_not_null(content);
	for (size_t i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
		size_t length = strlen(repeated[i]);
		struct config *config = NULL;
		struct error error = {""};
		double start;

		for (size_t at = 0; at < size; at++)
			content[at] = repeated[i][at % length];
		write_file(content, size);
		start = cpu_s();
		cr_expect_eq(config_load(path, &config, &error), -EINVAL, "%s", repeated[i]);
		cr_expect_lt(cpu_s() - start, 5.0, "%s took %f s", repeated[i], cpu_s() - start);
		cr_expect_neq(error.text[0], '\0');
	}
}

static void write_peers(unsigned count)
{
	_cleanup_fclose_ FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	fputs(FENCE "clusters:\n- name: a\n  peers:\n", file);
	for (unsigned i = 0; i < count; i++) {
		unsigned address = i *
				   2654435761u; /* scattered, and each once: the factor is odd */

		fprintf(file, "  - %u.%u.%u.%u\n", address >> 24, address >> 16 & 255,
			address >> 8 & 255, address & 255);
	}
}

Test(config_files, takes_as_many_peers_as_fit_and_no_more)
{
	_cleanup_config_ struct config *config = NULL;
	struct config *too_many = NULL;
	struct error error = {""};

	alarm(120);
	write_peers(PEERS_MAX);
	cr_assert_eq(config_load(path, &config, &error), 0, "%s", error.text);
	cr_expect_eq(config->clusters[0].peer_count, PEERS_MAX);
	write_peers(PEERS_MAX + 1);
	cr_expect_eq(config_load(path, &too_many, &error), -EINVAL);
	cr_expect(strstr(error.text, ":1000005: peers: more than 1000000"), "%s", error.text);
}
