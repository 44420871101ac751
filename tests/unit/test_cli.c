// SPDX-License-Identifier: BSD-2-Clause
/* How it is called: help, wrong usage, exit status, output. */
#include "tests/unit/cli_run.h"

#define main beamfence_main
#include "cli/main.c"
#undef main

#include <fcntl.h>

TestSuite(cli, .init = start, .fini = stop);

Test(cli, version_and_help_go_to_stdout)
{
	cr_assert_eq(RUN("--version"), 0);
	cr_assert_eq(strncmp(output, "beamfence " BEAMFENCE_VERSION "\n",
			     strlen("beamfence " BEAMFENCE_VERSION "\n")),
		     0, "%s", output);
	cr_assert(strstr(output, "\ncompiler: ") && strstr(output, "\nlibbpf:   ") &&
		  strstr(output, "\ncontract: "));
	cr_assert_eq(RUN("--help"), 0);
	for (size_t i = 0; i < command_count; i++)
		cr_assert(strstr(output, commands[i].name), "%s", commands[i].name);
}

Test(cli, every_command_teaches_with_help)
{
	for (size_t i = 0; i < command_count; i++) {
		cr_assert_eq(RUN((char *)commands[i].name, "--help"), 0);
		cr_assert(strstr(output, commands[i].summary));
		cr_assert(strstr(output, "\nExample:\n  beamfence "));
		cr_assert(strstr(output, "\nExit status:\n"));
		for (const char *const *o = commands[i].options; o && *o; o++) {
			char name[32];

			snprintf(name, sizeof(name), "\n  %.*s ", (int)strcspn(*o, "="), *o);
			cr_assert(strstr(output, name), "%s: no%s", commands[i].name, name);
		}
		cr_assert_str_empty(errors);
	}
}

Test(cli, wrong_usage_is_status_2_and_one_line)
{
	static char *const wrong[][8] = {
		{"frobnicate"},
		{"--frobnicate"},
		{"status", "--frobnicate"},
		{"status", "extra"},
		{"status", "--json=yes"},
		{"check"},
		{"try"},
		{"try", "/dev/null", "--for", "1"},
		{"confirm", "extra"},
		{"check", "a", "b"},
		{"--socket"},
		{"peers", "add"},
		{"peers", "add", "app"},
		{"peers", "add", "app", "10.0.0.300"},
		{"peers", "add", "app", "10.0.0.1", "--ttl", "5"},
		{"peers", "add", "app", "10.0.0.1", "--comment", "\xff"},
		{"peers", "del", "app", "10.0.0.1", "--ttl", "5m"},
		{"peers", "frob"},
		{"peers", "list", "app"},
		{"explain"},
		{"detach", "--pin-dir"},
		{"a\x1b[2Jb"},
	};

	cr_assert_eq(run_words((char *[]){"beamfence", NULL}), 2);
	expect_error_line("no command given (see beamfence --help)");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *words[10] = {"beamfence"};

		memcpy(words + 1, wrong[i], sizeof(wrong[i]));
		cr_assert_eq(run_words(words), 2, "%s %s", wrong[i][0], wrong[i][1]);
		expect_error_line("--help");
		cr_assert_null(strchr(errors, '\x1b'));
		cr_assert_str_empty(output);
	}
}

Test(cli, explain_refuses_a_frame_that_cannot_be)
{
	static const struct {
		char *in, *src, *dst, *dport, *more, *value, *part;
	} wrong[] = {
		{"eth0", "10.0.0.1", "fd00::1", "4369", "--flags", "S", "different families"},
		{"eth0", "10.0.0.1/24", "10.0.0.2", "4369", "--flags", "S", "10.0.0.1/24"},
		{"eth0", "10.0.0.1", "host", "4369", "--flags", "S", "host"},
		{"eth0", "10.0.0.1", "10.0.0.2", "0", "--flags", "S", "\"0\""},
		{"eth0", "10.0.0.1", "10.0.0.2", "65536", "--flags", "S", "65536"},
		{"eth0", "10.0.0.1", "10.0.0.2", "4369x", "--flags", "S", "4369x"},
		{"eth0", "10.0.0.1", "10.0.0.2", "4369", "--flags", "SX", "SX"},
		{"eth0", "10.0.0.1", "10.0.0.2", "4369", "--sport", "-1", "-1"},
		{"eth0", "10.0.0.1", "10.0.0.2", "4369", "--vlan", "4095", "4095"},
		{"eth0.120", "10.0.0.1", "10.0.0.2", "4369", "--vlan", "121", "121"},
		{"", "10.0.0.1", "10.0.0.2", "4369", "--flags", "S", "interface"},
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(ASK("explain", "--in", wrong[i].in, "--src", wrong[i].src, "--dst",
				 wrong[i].dst, "--dport", wrong[i].dport, wrong[i].more,
				 wrong[i].value),
			     2, "%zu", i);
		expect_error_line(wrong[i].part);
	}
	cr_assert_eq(ASK("explain", "--in", "eth0", "--src", "10.0.0.1", "--dport", "1"), 2);
	expect_error_line("explain needs --dst");
}

Test(cli, output_that_cannot_be_written_is_status_1)
{
	int full = open("/dev/full", O_WRONLY);

	cr_assert_eq(run_to(full, (char *[]){"beamfence", "--help", NULL}), 1);
	expect_error_line("No space left");
}

/* Prints more than any buffer holds into a pipe that nobody reads. */
static int run_into_closed_pipe(char **words)
{
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	close(ends[0]);
	return run_to(ends[1], words);
}

Test(cli, a_reader_that_has_seen_enough_is_no_failure)
{
	char *reply = malloc(4000000), *end = reply;

	end += sprintf(end, "{\"version\":1,\"ok\":true,\"result\":[");
	for (int i = 0; i < 50000; i++)
		end += sprintf(end, "%s{\"interface\":\"eth%d\"}", i ? "," : "", i);
	strcpy(end, "]}\n");
	answer(reply);
	cr_assert_eq(
		run_into_closed_pipe((char *[]){"beamfence", "--socket", path, "counters", NULL}),
		0);
	cr_assert_str_empty(errors);
	asked();
	free(reply);
}
