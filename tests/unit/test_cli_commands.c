// SPDX-License-Identifier: BSD-2-Clause
/* What each command asks the agent, and how it shows the answer. */
#include "cli/print.h"
#include "tests/unit/cli_run.h"

TestSuite(cli_commands, .init = start, .fini = stop);

Test(cli_commands, json_prints_the_result_and_takes_its_options_anywhere)
{
	answer("{\"version\":1,\"ok\":true,\"result\":[{\"port\":4369,\"node\":\"a\xc2\x9b\"}]}\n");
	cr_assert_eq(RUN("ports", "--json", "--json", "--socket", path), 0);
	cr_assert_str_eq(output,
			 "[\n  {\n    \"port\": 4369,\n    \"node\": \"a\\u009B\"\n  }\n]\n");
	cr_assert_str_eq(asked(), "{\"version\":1,\"command\":\"ports\"}\n");
}

Test(cli_commands, status_shows_what_needs_attention)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"version\":\"0.1.0\",\"pid\":7,"
	       "\"config\":\"/etc/b.yaml\",\"mode\":\"enforce\",\"pin_dir\":\"/sys/fs/bpf/b\","
	       "\"features\":{\"frags\":true,\"conntrack\":false,\"gate\":true,\"listens\":false},"
	       "\"interfaces\":["
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
				 "features: frags yes, conntrack no, gate yes, listens no\n"
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

Test(cli_commands, status_says_what_discovery_leaves_open)
{
	static const struct {
		const char *discovery, *line;
	} rows[] = {
		{"{\"listeners\":true,\"autobound\":\"protect\",\"fixed\":\"known\"}",
		 "\ndiscovery: autobound ports protect, fixed ports known (a port that a node "
		 "chose "
		 "itself is open for milliseconds at its very first start; discovery.fixed: "
		 "protect "
		 "closes it)\n"},
		{"{\"listeners\":true,\"autobound\":\"ignore\",\"fixed\":\"protect\"}",
		 "\ndiscovery: autobound ports ignore, fixed ports protect\n"},
		{"{\"listeners\":false,\"autobound\":\"protect\",\"fixed\":\"protect\"}",
		 "\ndiscovery: off: only ports that the configuration lists are protected\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char reply[256];

		snprintf(reply, sizeof(reply),
			 "{\"version\":1,\"ok\":true,\"result\":{\"discovery\":%s}}\n",
			 rows[i].discovery);
		answer(reply);
		cr_expect_eq(ASK("status"), 0);
		cr_expect(strstr(output, rows[i].line), "row %zu: %s", i, output);
		asked();
		dismiss();
	}
}

Test(cli_commands, what_changes_something_is_sent_whole_and_says_what_was_done)
{
	static const struct {
		char *words[8];
		const char *result, *output, *request;
	} rows[] = {
		{{"peers", "add", "app", "10.0.1.9", "--ttl=1h", "--comment", "--json"},
		 "{\"cluster\":\"app\",\"prefix\":\"10.0.1.9/32\"}",
		 "added 10.0.1.9/32 to cluster app\n",
		 "\"peers.add\",\"arguments\":{\"cluster\":\"app\",\"prefix\":\"10.0.1.9/32\","
		 "\"ttl_s\":3600,\"comment\":\"--json\"}"},
		{{"peers", "del", "app", "fd00::/64"},
		 "{\"cluster\":\"app\",\"prefix\":\"fd00::/64\"}",
		 "removed fd00::/64 from cluster app\n",
		 "\"peers.del\",\"arguments\":{\"cluster\":\"app\",\"prefix\":\"fd00::/64\"}"},
		{{"reload"},
		 "{\"config\":\"/etc/b.yaml\",\"changes\":[\"- mode audit\",\"+ mode enforce\"],"
		 "\"added\":1,\"removed\":1,\"cuts\":[]}",
		 "reloaded /etc/b.yaml\n- mode audit\n+ mode enforce\n",
		 "\"reload\",\"arguments\":{\"cuts\":\"refuse\"}"},
		{{"reload", "--yes"},
		 "{\"config\":\"/etc/b.yaml\",\"changes\":[\"- mode audit\"],\"added\":30,"
		 "\"removed\":1,\"cuts\":[],\"cuts_error\":\"no\"}",
		 "reloaded /etc/b.yaml\n- mode audit\nand 30 more\n"
		 "warning: what it cuts is not known: no\n",
		 "\"reload\",\"arguments\":{\"cuts\":\"allow\"}"},
		{{"detach"},
		 "{\"detached\":[\"eth0\",\"eth1\"]}",
		 "detached: eth0 eth1\n",
		 "\"detach\""},
		{{"revert"},
		 "{\"file\":\"new.yaml\"}",
		 "went back to what was in force before new.yaml\n",
		 "\"revert\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *words[12] = {"beamfence", "--socket", path};
		char reply[512], request[256];

		memcpy(words + 3, rows[i].words, sizeof(rows[i].words));
		snprintf(reply, sizeof(reply), "{\"version\":1,\"ok\":true,\"result\":%s}\n",
			 rows[i].result);
		snprintf(request, sizeof(request), "{\"version\":1,\"command\":%s}\n",
			 rows[i].request);
		answer(reply);
		cr_expect_eq(run_words(words), 0, "row %zu: %s", i, errors);
		cr_expect_str_eq(output, rows[i].output, "row %zu: %s", i, output);
		cr_expect_str_eq(asked(), request, "row %zu: %s", i, agent.request);
		dismiss();
	}
}

Test(cli_commands, what_may_not_last_is_a_warning_and_status_0)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"cluster\":\"app\",\"kept\":false,"
	       "\"prefix\":\"10.0.1.9/32\",\"warning\":\"in force, but \\u001b disk\"}}\n");
	cr_assert_eq(ASK("peers", "add", "app", "10.0.1.9"), 0);
	cr_assert_str_eq(output, "added 10.0.1.9/32 to cluster app\n");
	cr_assert_str_eq(errors, "beamfence: warning: in force, but \\x1b disk\n");
	asked();
}

Test(cli_commands, peers_alone_lists_them)
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

Test(cli_commands, ports_fold_into_ranges_where_nothing_else_differs)
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

Test(cli_commands, counters_align_their_numbers)
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

Test(cli_commands, counters_that_are_0_are_for_those_who_ask_for_all)
{
	static const char reply[] =
		"{\"version\":1,\"ok\":true,\"result\":["
		"{\"interface\":\"eth0\",\"zone\":\"client\",\"verdict\":\"drop\","
		"\"reason\":\"client-new\",\"packets\":0,\"bytes\":0},"
		"{\"interface\":\"eth0\",\"zone\":\"client\",\"verdict\":\"pass\","
		"\"reason\":\"not-tcp\",\"packets\":1,\"bytes\":60}]}\n";

	answer(reply);
	cr_assert_eq(ASK("counters"), 0);
	cr_assert(!strstr(output, "client-new") && strstr(output, "not-tcp"), "%s", output);
	dismiss();
	answer(reply);
	cr_assert_eq(ASK("counters", "--all"), 0);
	cr_assert(strstr(output, "client-new") && strstr(output, "not-tcp"), "%s", output);
	dismiss();
	answer(reply);
	cr_assert_eq(ASK("--json", "counters"), 0);
	cr_assert(strstr(output, "client-new"), "%s", output);
}

#define FRAME "--src", "192.0.2.7", "--dst", "192.0.2.1", "--dport", "4369"

Test(cli_commands, explain_asks_about_the_frame_and_tells_why)
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

Test(cli_commands, explain_says_what_enforce_mode_would_do)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"verdict\":\"pass\",\"decision\":\"drop\","
	       "\"reason\":\"stranger-new\",\"zone\":\"cluster\",\"cluster\":\"app\","
	       "\"mode\":\"audit\",\"interface\":\"eth1\",\"text\":\"t\"}}\n");
	cr_assert_eq(ASK("explain", "--in", "eth1", FRAME, "--flags", "SA"), 0);
	cr_assert_str_eq(output, "pass: stranger-new: t (zone cluster, cluster app, mode audit; "
				 "in enforce mode: drop)\n");
	cr_assert(strstr(asked(), "\"flags\":\"SA\""));
}

Test(cli_commands, confirm_says_where_to_install_what_stays_in_force)
{
	answer("{\"version\":1,\"ok\":true,\"result\":{\"file\":\"new.yaml\",\"config\":"
	       "\"/etc/b.yaml\",\"differs\":true}}\n");
	cr_assert_eq(ASK("confirm"), 0);
	cr_assert(strstr(output, "new.yaml stays in force\ninstall it as /etc/b.yaml"), "%s",
		  output);
	asked();
}

Test(cli_commands, detach_works_without_an_agent_but_not_behind_the_back_of_one)
{
	char pins[100];

	snprintf(pins, sizeof(pins), "%s/none", directory);
	cr_assert_eq(ASK("detach", "--pin-dir", pins), 0, "%s", errors);
	cr_assert(strstr(output, "removed 0 pins below"));
	answer(NULL);
	cr_assert_eq(ASK("detach", "--pin-dir", pins), 3);
}
