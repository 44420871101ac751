// SPDX-License-Identifier: BSD-2-Clause
/* The whole command line, main.c too, against an agent that a thread plays. */
#define main beamfence_main
#include "cli/main.c"
#undef main

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/print.h"
#include "tests/unit/scratch.h"

#define DEADLINE_S 120

static char directory[SCRATCH_MAX];
static char path[80];
static char config_path[80];

static struct {
	int listener;
	const char *reply; /* NULL: hangs up */
	char request[PROTOCOL_LINE_MAX];
	pthread_t thread;
} agent = {.listener = -1};

static void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	snprintf(config_path, sizeof(config_path), "%s/beamfence.yaml", directory);
}

static void stop(void)
{
	unlink(path);
	unlink(config_path);
	rmdir(directory);
}

TestSuite(cli, .init = start, .fini = stop);

static void *play_agent(void *context)
{
	int fd = accept(agent.listener, NULL, NULL);
	size_t length = 0;

	(void)context;
	while (!memchr(agent.request, '\n', length)) {
		ssize_t got = recv(fd, agent.request + length, sizeof(agent.request) - 1 - length,
				   0);

		if (got <= 0)
			break;
		length += (size_t)got;
	}
	for (const char *reply = agent.reply; reply && *reply;) {
		ssize_t sent = send(fd, reply, strlen(reply), MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		reply += sent;
	}
	close(fd);
	return NULL;
}

static void listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	agent.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(agent.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(agent.listener, 4), 0);
}

/* From here on an agent takes one request, and sends @reply. */
static void answer(const char *reply)
{
	agent.reply = reply;
	listen_here();
	cr_assert_eq(pthread_create(&agent.thread, NULL, play_agent, NULL), 0);
}

/* What the agent was asked, once it is done. */
static const char *asked(void)
{
	pthread_join(agent.thread, NULL);
	return agent.request;
}

static char output[1 << 20];
static char errors[1 << 16];

static void read_back(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	close(fd);
}

/* Runs beamfence with stdout on @out, and its errors in errors[]. Returns the exit status. */
static int run_to(int out, char **words)
{
	int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
	int err = memfd_create("err", 0);
	int count = 0, status;

	while (words[count])
		count++;
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	status = beamfence_main(count, words);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(err, errors, sizeof(errors));
	return status;
}

static int run_words(char **words)
{
	int out = memfd_create("out", 0);
	int status = run_to(out, words);

	read_back(out, output, sizeof(output));
	return status;
}

#define RUN(...) run_words((char *[]){"beamfence", __VA_ARGS__, NULL})
#define ASK(...) RUN("--socket", path, __VA_ARGS__)

/* That stderr holds one line, and @part in it. */
static void expect_error_line(const char *part)
{
	cr_assert_eq(strncmp(errors, "beamfence: ", 11), 0, "%s", errors);
	cr_assert_eq(strchr(errors, '\n'), errors + strlen(errors) - 1, "%s", errors);
	cr_assert(strstr(errors, part), "no \"%s\" in %s", part, errors);
}

Test(cli, version_and_help_go_to_stdout)
{
	cr_assert_eq(RUN("--version"), 0);
	cr_assert_eq(strncmp(output, "beamfence " BEAMFENCE_VERSION "\n",
			     strlen("beamfence " BEAMFENCE_VERSION "\n")),
		     0, "%s", output);
	cr_assert(strstr(output, "\ncompiler: ") && strstr(output, "\nlibbpf:   ") &&
		  strstr(output, "\ncontract: "));
	cr_assert_eq(RUN("--help"), 0);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		cr_assert(strstr(output, commands[i].name), "%s", commands[i].name);
}

Test(cli, every_command_teaches_with_help)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
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

Test(cli, without_an_agent_the_status_is_3)
{
	cr_assert_eq(ASK("status"), 3);
	expect_error_line("is beamfenced running?");
	cr_assert(strstr(errors, path));
	listen_here();
	close(agent.listener); /* leaves a socket that nobody listens on */
	cr_assert_eq(ASK("reload"), 3);
	expect_error_line("is beamfenced running?");
}

Test(cli, an_agent_that_hangs_up_is_status_3)
{
	answer(NULL);
	cr_assert_eq(ASK("status"), 3);
	expect_error_line("without an answer");
}

Test(cli, an_agent_that_says_nothing_is_given_up)
{
	struct error error;
	json_t *result;

	listen_here();
	cr_assert_eq(client_request(path, 50, "status", NULL, &result, &error), -ETIMEDOUT);
	cr_assert(strstr(error.text, "did not answer"));
}

Test(cli, an_agent_that_takes_nobody_in_is_given_up)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct error error;
	json_t *result;
	int code;

	listen_here();
	strcpy(address.sun_path, path);
	do /* fill its queue */
		code = connect(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
			       (struct sockaddr *)&address, sizeof(address));
	while (!code);
	cr_assert_eq(client_request(path, 50, "status", NULL, &result, &error), -ETIMEDOUT);
}

Test(cli, no_permission_is_status_1_and_says_who_may)
{
	if (getuid() == 0) {
		cr_assert_eq(chmod(directory, 0755), 0);
		listen_here();
		cr_assert_eq(chmod(path, 0600), 0);
		cr_assert_eq(seteuid(65534), 0);
	} else {
		listen_here();
		cr_assert_eq(chmod(path, 0), 0);
	}
	cr_assert_eq(ASK("status"), 1);
	expect_error_line("be root or in the group");
	seteuid(getuid());
}

Test(cli, a_refusal_is_status_1_with_the_agents_line_made_harmless)
{
	answer("{\"version\":1,\"ok\":false,\"error\":\"no cluster \\u001b[31m\xc2\x9b"
	       "\xe2\x80\xae app\"}\n");
	cr_assert_eq(ASK("peers", "add", "app", "10.0.1.9"), 1);
	cr_assert_str_eq(errors, "beamfence: no cluster ?[31m\\xc2\\x9b\\xe2\\x80\\xae app\n");
}

Test(cli, a_reply_that_makes_no_sense_is_status_1)
{
	static const char *const replies[] = {
		"nonsense\n",
		"[]\n",
		"{\"version\":2,\"ok\":true,\"result\":1}\n",
		"{\"version\":1,\"ok\":true}\n",
		"{\"version\":1,\"ok\":false}\n",
		"{\"ok\":true,\"result\":1}\n",
		"\n",
	};

	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		memset(agent.request, 0, sizeof(agent.request));
		answer(replies[i]);
		cr_assert_eq(ASK("status"), 1, "%s", replies[i]);
		expect_error_line("makes no sense");
		asked();
		close(agent.listener);
		unlink(path);
	}
}

Test(cli, a_result_of_any_size_is_read)
{
	const size_t size = 5000000;
	char *reply = malloc(size + 64);
	json_t *result = NULL;
	struct error error;
	int start = sprintf(reply, "{\"version\":1,\"ok\":true,\"result\":\"");

	memset(reply + start, 'x', size);
	strcpy(reply + (size_t)start + size, "\"}\n");
	answer(reply);
	cr_assert_eq(client_request(path, 10000, "x", NULL, &result, &error), 0, "%s", error.text);
	cr_assert_eq(json_string_length(result), size);
	json_decref(result);
	asked();
	free(reply);
}

Test(cli, json_prints_the_result_and_takes_its_options_anywhere)
{
	answer("{\"version\":1,\"ok\":true,\"result\":[{\"port\":4369,\"node\":\"a\xc2\x9b\"}]}\n");
	cr_assert_eq(RUN("ports", "--json", "--json", "--socket", path), 0);
	cr_assert_str_eq(output,
			 "[\n  {\n    \"port\": 4369,\n    \"node\": \"a\\u009B\"\n  }\n]\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"ports\"}\n");
}

Test(cli, peers_add_sends_all_that_was_said)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"cluster\":\"app\","
	       "\"prefix\":\"10.0.1.9/32\"}}\n");
	cr_assert_eq(ASK("peers", "add", "app", "10.0.1.9", "--ttl=1h", "--comment", "--json"), 0);
	cr_assert_str_eq(output, "added 10.0.1.9/32 to cluster app\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"peers.add\",\"arguments\":"
				  "{\"cluster\":\"app\",\"prefix\":\"10.0.1.9/32\",\"ttl_s\":3600,"
				  "\"comment\":\"--json\"}}\n");
}

Test(cli, what_may_not_last_is_a_warning_and_status_0)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"cluster\":\"app\",\"kept\":false,"
	       "\"prefix\":\"10.0.1.9/32\",\"warning\":\"in force, but \\u001b disk\"}}\n");
	cr_assert_eq(ASK("peers", "add", "app", "10.0.1.9"), 0);
	cr_assert_str_eq(output, "added 10.0.1.9/32 to cluster app\n");
	cr_assert_str_eq(errors, "beamfence: warning: in force, but \\x1b disk\n");
	asked();
}

Test(cli, peers_del_names_the_peer)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"cluster\":\"app\","
	       "\"prefix\":\"fd00::/64\"}}\n");
	cr_assert_eq(ASK("peers", "del", "app", "fd00::/64"), 0);
	cr_assert_str_eq(output, "removed fd00::/64 from cluster app\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"peers.del\",\"arguments\":"
				  "{\"cluster\":\"app\",\"prefix\":\"fd00::/64\"}}\n");
}

Test(cli, peers_alone_lists_them)
{
	answer("{\"version\":1,\"ok\":true,\"result\":["
	       "{\"cluster\":\"app\",\"prefix\":\"10.0.1.0/24\",\"source\":\"config\","
	       "\"comment\":null,\"expires\":null,\"added_by\":null},"
	       "{\"cluster\":\"app\",\"prefix\":\"fd00::1/128\",\"source\":\"runtime\","
	       "\"comment\":\"new\\nnode\",\"expires\":1795341600,\"added_by\":4294967294,"
	       "\"added_by_pid\":77,\"in_force\":false},"
	       "{\"cluster\":\"b\",\"prefix\":\"fd00::2/128\",\"source\":\"runtime\","
	       "\"comment\":null,\"expires\":null,\"added_by\":0,\"in_force\":true}]}\n");
	cr_assert_eq(ASK("peers"), 0);
	cr_assert_str_eq(
		output,
		"CLUSTER  PREFIX       SOURCE                 EXPIRES               BY"
		"                      COMMENT\n"
		"app      10.0.1.0/24  config                 -                     -"
		"                       -\n"
		"app      fd00::1/128  runtime, not in force  2026-11-22T10:00:00Z  uid "
		"4294967294, "
		"pid 77  new\\x0anode\n"
		"b        fd00::2/128  runtime                -                     root (0)"
		"                -\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"peers.list\"}\n");
}

Test(cli, ports_fold_into_ranges_where_nothing_else_differs)
{
	json_t *ports = json_array();
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (int port = 9155; port >= 9100; port--)
		json_array_append_new(ports, json_pack("{s:i,s:s,s:s,s:s,s:n,s:n}", "port", port,
						       "kind", "dist", "source", "config",
						       "cluster", "app", "node", "pid"));
	json_array_append_new(ports,
			      json_pack("{s:i,s:s,s:s,s:n,s:n,s:n}", "port", 4369, "kind", "epmd",
					"source", "config", "cluster", "node", "pid"));
	json_array_append_new(ports, json_pack("{s:i,s:s,s:s,s:s,s:s,s:i}", "port", 9156, "kind",
					       "dist", "source", "autobound", "cluster", "app",
					       "node", "app", "pid", 77));
	json_object_update_new(json_array_get(ports, json_array_size(ports) - 1),
			       json_pack("{s:s,s:s,s:i}", "process", "beam.smp", "address",
					 "::", "since", 1795341600));
	json_array_append_new(ports,
			      json_pack("{s:i,s:s,s:s,s:s,s:n,s:n}", "port", 9158, "kind", "dist",
					"source", "config", "cluster", "app", "node", "pid"));
	cr_assert_eq(print_ports(ports, out), 0);
	fclose(out);
	cr_assert_str_eq(text,
			 "PORT       KIND  SOURCE     CLUSTER  NODE  PID  PROCESS   "
			 "ADDRESS  SINCE\n"
			 "4369       epmd  config     -        -       -  -         -        -\n"
			 "9100-9155  dist  config     app      -       -  -         -        -\n"
			 "9156       dist  autobound  app      app    77  beam.smp  ::       "
			 "2026-11-22T10:00:00Z\n"
			 "9158       dist  config     app      -       -  -         -        "
			 "-\n");
	free(text);
	json_decref(ports);
}

Test(cli, counters_align_their_numbers)
{
	answer("{\"version\":1,\"ok\":true,\"result\":["
	       "{\"interface\":\"eth0\",\"zone\":\"client\",\"verdict\":\"drop\","
	       "\"reason\":\"client-new\",\"packets\":7,\"bytes\":420},"
	       "{\"interface\":\"eth0.120\",\"zone\":\"cluster\",\"verdict\":\"pass\","
	       "\"reason\":\"peer\",\"packets\":123456,\"bytes\":9876543210}]}\n");
	cr_assert_eq(ASK("counters"), 0);
	cr_assert_str_eq(output, "INTERFACE  ZONE     VERDICT  REASON      PACKETS       BYTES\n"
				 "eth0       client   drop     client-new        7         420\n"
				 "eth0.120   cluster  pass     peer         123456  9876543210\n");
}

#define FRAME "--src", "192.0.2.7", "--dst", "192.0.2.1", "--dport", "4369"

Test(cli, explain_asks_about_the_frame_and_tells_why)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"verdict\":\"drop\",\"decision\":\"drop\","
	       "\"reason\":\"client-new\",\"zone\":\"client\",\"cluster\":null,"
	       "\"mode\":\"enforce\",\"interface\":\"eth0\",\"text\":\"new connection\"}}\n");
	cr_assert_eq(ASK("explain", "--in", "eth0.120", "--vlan", "120", FRAME, "--sport", "5"), 0);
	cr_assert_str_eq(output, "drop: client-new: new connection (zone client, mode enforce)\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"explain\",\"arguments\":"
				  "{\"in\":\"eth0\",\"vlan\":120,\"src\":\"192.0.2.7\","
				  "\"dst\":\"192.0.2.1\",\"dport\":4369,\"sport\":5,"
				  "\"flags\":\"S\"}}\n");
}

Test(cli, explain_says_what_enforce_mode_would_do)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"verdict\":\"pass\",\"decision\":\"drop\","
	       "\"reason\":\"stranger-new\",\"zone\":\"cluster\",\"cluster\":\"app\","
	       "\"mode\":\"audit\",\"interface\":\"eth1\",\"text\":\"t\"}}\n");
	cr_assert_eq(ASK("explain", "--in", "eth1", FRAME, "--flags", "SA"), 0);
	cr_assert_str_eq(output, "pass: stranger-new: t (zone cluster, cluster app, mode audit; "
				 "in enforce mode: drop)\n");
	cr_assert(strstr(asked(), "\"flags\":\"SA\""));
}

Test(cli, status_shows_what_needs_attention)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"version\":\"0.1.0\",\"pid\":7,"
	       "\"config\":\"/etc/b.yaml\",\"mode\":\"enforce\",\"pin_dir\":\"/sys/fs/bpf/b\","
	       "\"features\":{\"frags\":true,\"conntrack\":false,\"gate\":true},\"interfaces\":["
	       "{\"name\":\"eth0\",\"zone\":\"client\",\"attached\":true,"
	       "\"attach_mode\":\"native\",\"problem\":null,\"vlan\":null},"
	       "{\"name\":\"eth0.120\",\"zone\":\"cluster\",\"attached\":true,"
	       "\"attach_mode\":\"native\",\"problem\":null,\"vlan\":120},"
	       "{\"name\":\"eth1\",\"zone\":\"cluster\",\"attached\":false,"
	       "\"attach_mode\":null,\"problem\":\"in use\",\"vlan\":5},"
	       "{\"name\":\"mgmt\",\"zone\":\"cluster\",\"attached\":true,\"attach_mode\":"
	       "\"native\","
	       "\"on\":\"eth0.120\"}],"
	       "\"unassigned\":[\"eth5\",\"e\\u001bx\"],\"peers\":3,\"peers_limit\":1000000,"
	       "\"protected_ports\":57,\"last_reload\":{\"ok\":false,\"time\":1795341600,"
	       "\"error\":\"b.yaml:3: no\"},\"warnings\":[\"w 1\"]}}\n");
	cr_assert_eq(ASK("status"), 0);
	cr_assert_str_eq(output, "beamfenced 0.1.0, pid 7, mode enforce\n"
				 "configuration: /etc/b.yaml\n"
				 "pins: /sys/fs/bpf/b\n"
				 "peers: 3 of at most 1000000\n"
				 "protected ports: 57\n"
				 "features: frags yes, conntrack no, gate yes\n"
				 "last reload: FAILED at 2026-11-22T10:00:00Z: b.yaml:3: no\n"
				 "\n"
				 "INTERFACE  ZONE     ATTACHED  MODE    ON        PROBLEM\n"
				 "eth0       client   yes       native  -         -\n"
				 "eth0.120   cluster  yes       native  -         -\n"
				 "eth1.5     cluster  no        -       -         in use\n"
				 "mgmt       cluster  yes       native  eth0.120  -\n"
				 "\n"
				 "in no zone, left alone: eth5 e\\x1bx\n"
				 "warning: w 1\n");
}

Test(cli, results_that_lack_everything_print_without_harm)
{
	static char *const names[] = {"status", "ports",  "peers",   "counters",
				      "reload", "detach", "confirm", "revert"};
	static const char *const results[] = {"null", "{}", "[1,null,{}]", "\"x\""};
	char reply[128];

	for (size_t i = 0; i < 4 * sizeof(names) / sizeof(names[0]); i++) {
		snprintf(reply, sizeof(reply), "{\"version\":1,\"ok\":true,\"result\":%s}\n",
			 results[i % 4]);
		answer(reply);
		cr_assert_eq(ASK(names[i / 4]), 0, "%s %s: %s", names[i / 4], reply, errors);
		asked();
		close(agent.listener);
		unlink(path);
	}
}

Test(cli, reload_and_detach_say_what_was_done)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"config\":\"/etc/b.yaml\"}}\n");
	cr_assert_eq(ASK("reload"), 0);
	cr_assert_str_eq(output, "reloaded /etc/b.yaml\n");
	asked();
	close(agent.listener);
	unlink(path);
	answer("{\"version\":1,\"ok\":true,\"result\":{\"detached\":[\"eth0\",\"eth1\"]}}\n");
	cr_assert_eq(ASK("detach"), 0);
	cr_assert_str_eq(output, "detached: eth0 eth1\n");
}

static void write_config(const char *text)
{
	FILE *file = fopen(config_path, "w");

	fputs(text, file);
	fclose(file);
}

Test(cli, try_sends_the_text_of_the_file_and_its_name)
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

Test(cli, try_refuses_what_it_cannot_send)
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

Test(cli, confirm_and_revert_say_what_was_done)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"file\":\"new.yaml\",\"config\":"
	       "\"/etc/b.yaml\",\"differs\":true}}\n");
	cr_assert_eq(ASK("confirm"), 0);
	cr_assert(strstr(output, "new.yaml stays in force\ninstall it as /etc/b.yaml"), "%s",
		  output);
	asked();
	close(agent.listener);
	unlink(path);
	answer("{\"version\":1,\"ok\":true,\"result\":{\"file\":\"new.yaml\"}}\n");
	cr_assert_eq(ASK("revert"), 0);
	cr_assert_str_eq(output, "went back to what was in force before new.yaml\n");
	asked();
}

Test(cli, detach_works_without_an_agent_but_not_behind_the_back_of_one)
{
	char pins[100];

	snprintf(pins, sizeof(pins), "%s/none", directory);
	cr_assert_eq(ASK("detach", "--pin-dir", pins), 0, "%s", errors);
	cr_assert(strstr(output, "removed 0 pins below"));
	answer(NULL);
	cr_assert_eq(ASK("detach", "--pin-dir", pins), 3);
}

static const char good_config[] = "mode: audit\n"
				  "interfaces:\n"
				  "  client: [\"eth0\"]\n"
				  "epmd:\n"
				  "  ports: [4369]\n"
				  "clusters:\n"
				  "  - name: app\n"
				  "    ports: [9100-9155]\n"
				  "    peers: [\"10.0.1.0/24\"]\n";

Test(cli, metrics_prints_the_page_as_it_is)
{
	answer("{\"version\": 1, \"ok\": true, \"result\": \"# HELP a b\\na 1\\n\"}\n");
	cr_assert_eq(ASK("metrics"), 0, "%s", errors);
	cr_assert_str_eq(output, "# HELP a b\na 1\n");
	cr_assert(strstr(asked(), "\"metrics\""));
}

Test(cli, metrics_replaces_a_textfile_whole_and_readable_to_all)
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

Test(cli, metrics_keeps_the_old_textfile_when_there_are_none)
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

Test(cli, metrics_that_are_no_text_are_refused)
{
	answer("{\"version\": 1, \"ok\": true, \"result\": {}}\n");
	cr_assert_eq(ASK("metrics"), 1);
	asked();
	expect_error_line("sent no metrics");
}

Test(cli, check_shows_what_a_good_file_hardly_means)
{
	FILE *file = fopen(config_path, "w");

	fputs("interfaces: {client: [eth0]}\npresets: [riak, couchdb]\n", file);
	fclose(file);
	cr_assert_eq(RUN("check", config_path), 0, "%s", errors);
	cr_assert(strstr(output, "\nwarning: line 2: port 6984, "), "%s", output);
	cr_assert_eq(RUN("--json", "check", config_path), 0);
	cr_assert(strstr(output, "\"warnings\": [\n    \"line 2: port 6984, "), "%s", output);
}

Test(cli, check_sums_up_a_good_file)
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

Test(cli, check_names_file_and_line_of_a_bad_one)
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
