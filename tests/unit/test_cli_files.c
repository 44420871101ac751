// SPDX-License-Identifier: BSD-2-Clause
/* The commands that read a file or write one: check, try, metrics. */
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/cli_run.h"

TestSuite(cli_files, .init = start, .fini = stop);

static const char good_config[] = "mode: audit\n"
				  "interfaces:\n"
				  "  client: [\"*\"]\n"
				  "epmd:\n"
				  "  ports: [4369]\n"
				  "clusters:\n"
				  "  - name: app\n"
				  "    ports: [9100-9155]\n"
				  "    peers: [\"10.0.1.0/24\"]\n";

Test(cli_files, check_sums_up_a_good_file)
{
	char want[256];

	write_config(good_config);
	cr_assert_eq(RUN("check", config_path), 0, "%s", errors);
	snprintf(want, sizeof(want),
		 "%s: ok: mode audit, interface rules: 1, clusters: 1, protected ports: 57, "
		 "peers: 1\n",
		 config_path);
	cr_assert_str_eq(output, want);
	cr_assert_eq(RUN("--json", "check", config_path), 0);
	cr_assert(strstr(output, "\"ok\": true"));
}

Test(cli_files, check_shows_what_a_good_file_hardly_means)
{
	FILE *file = fopen(config_path, "w");

	fputs("interfaces: {client: [eth0]}\npresets: [riak, couchdb]\n", file);
	fclose(file);
	cr_assert_eq(RUN("check", config_path), 0, "%s", errors);
	cr_assert(strstr(output, "\nwarning: line 2: port 6984, "), "%s", output);
	cr_assert_eq(RUN("--json", "check", config_path), 0);
	cr_assert(strstr(output, "\"warnings\": [\n    \"line 2: port 6984, "), "%s", output);
}

Test(cli_files, check_names_file_and_line_of_a_bad_one)
{
	char where[128];

	write_config("mode: enforce\nbogus: 1\n");
	snprintf(where, sizeof(where), "%s:2: ", config_path);
	cr_assert_eq(RUN("check", config_path), 1);
	expect_error_line(where);
	cr_assert_str_empty(output);
	cr_assert_eq(RUN("--json", "check", config_path), 1);
	expect_error_line(where);
	cr_assert(strstr(output, "\"ok\": false"));
	cr_assert(strstr(output, where));
}

Test(cli_files, try_sends_the_text_of_the_file_and_its_name)
{
	char request[256];

	write_config("a: \"b\"\n");
	answer("{\"version\":1,\"ok\":true,\"result\":{\"file\":\"new.yaml\",\"for_s\":90}}\n");
	cr_assert_eq(ASK("try", config_path, "--for", "90s"), 0, "%s", errors);
	cr_assert(strstr(output, "new.yaml is in force for 90 s"), "%s", output);
	snprintf(request, sizeof(request),
		 "{\"version\":1,\"command\":\"try\",\"arguments\":{\"config\":"
		 "\"a: \\\"b\\\"\\n\",\"name\":\"%s\",\"for_s\":90}}\n",
		 config_path);
	cr_assert_str_eq(asked(), request);
}

Test(cli_files, try_refuses_what_it_cannot_send)
{
	char missing[100];

	snprintf(missing, sizeof(missing), "%s/none", directory);
	cr_assert_eq(ASK("try", missing), 1);
	expect_error_line("cannot be opened");
	write_config("\xff\n");
	cr_assert_eq(ASK("try", config_path), 1);
	expect_error_line("not UTF-8");
	write_config("");
	cr_assert_eq(truncate(config_path, PROTOCOL_LONG_LINE_MAX), 0);
	cr_assert_eq(ASK("try", config_path), 1);
	expect_error_line("install it and reload");
	write_config("");
	cr_assert_eq(ASK("try", config_path, "--for", "2d"), 2);
	expect_error_line("at most 1d");
}

Test(cli_files, metrics_prints_the_page_as_it_is)
{
	answer("{\"version\": 1, \"ok\": true, \"result\": \"# HELP a b\\na 1\\n\"}\n");
	cr_assert_eq(ASK("metrics"), 0, "%s", errors);
	cr_assert_str_eq(output, "# HELP a b\na 1\n");
	cr_assert(strstr(asked(), "\"metrics\""));
}

Test(cli_files, metrics_replaces_a_textfile_whole_and_readable_to_all)
{
	char file[96], text[64] = "";
	struct stat st;
	int fd;

	snprintf(file, sizeof(file), "%s/beamfence.prom", directory);
	answer("{\"version\": 1, \"ok\": true, \"result\": \"a 1\\n\"}\n");
	umask(077);
	cr_assert_eq(ASK("metrics", "--textfile", file), 0, "%s", errors);
	asked();
	cr_assert_str_empty(output);
	cr_assert_eq(stat(file, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0644);
	fd = open(file, O_RDONLY);
	read_back(fd, text, sizeof(text));
	cr_assert_str_eq(text, "a 1\n");
	unlink(file);
	cr_assert_eq(rmdir(directory), -1);
	unlink(path);
	cr_assert_eq(rmdir(directory), 0, "something else was left behind");
}

Test(cli_files, metrics_keeps_the_old_textfile_when_there_are_none)
{
	char file[96];
	int fd;

	snprintf(file, sizeof(file), "%s/beamfence.prom", directory);
	fd = open(file, O_WRONLY | O_CREAT, 0644);
	close(fd);
	cr_assert_eq(ASK("metrics", "--textfile", file), 3);
	cr_assert_eq(access(file, F_OK), 0);
	unlink(file);
	answer("{\"version\": 1, \"ok\": true, \"result\": \"a 1\\n\"}\n");
	cr_assert_eq(ASK("metrics", "--textfile", "/nonexistent/x.prom"), 1);
	asked();
	expect_error_line("cannot write /nonexistent/x.prom: No such file or directory");
}

Test(cli_files, metrics_that_are_no_text_are_refused)
{
	answer("{\"version\": 1, \"ok\": true, \"result\": {}}\n");
	cr_assert_eq(ASK("metrics"), 1);
	asked();
	expect_error_line("sent no metrics");
}
