// SPDX-License-Identifier: BSD-2-Clause
/* What a configuration that is taken comes to. Which are not: test_config_refusals.c. */
#include "tests/unit/config_file.h"

#define EXAMPLE "deploy/config/beamfence.yaml"

TestSuite(config, .init = make_directory, .fini = remove_directory);

Test(config, reads_every_key)
{
	_cleanup_config_ struct config *config = loaded(
		"mode: audit\n"
		"interfaces:\n"
		"  client: [eth0, \"wan*\"]\n"
		"  cluster: [eth1.120]\n"
		"  trusted: [\"*\"]\n"
		"  attach: native\n"
		"epmd:\n"
		"  ports: [4369, \"4370-4372\"]\n"
		"clusters:\n"
		"  - name: app\n"
		"    ports: [9100-9155, 25672]\n"
		"    nodes: [\"app@*\", \"x@*\"]\n"
		"    peers: [10.0.1.0/24, \"fd00:1::/64\", 10.0.0.1]\n"
		"  - name: B_2.x-y\n"
		"    peers: [10.0.1.0/24]\n"
		"events: {journal: drops}\n"
		"discovery:\n"
		"  listeners: false\n"
		"  autobound: ignore\n"
		"  fixed: protect\n"
		"  exempt_ports: [35672-35682]\n"
		"metrics:\n"
		"  listen: \"[::1]:9400\"\n"
		"control:\n"
		"  socket: /tmp/x.sock\n"
		"  group: _ops-1\n"
		"  readers: looks\n");
	const struct cluster_config *app = &config->clusters[0];

	cr_expect_eq(config->mode, MODE_AUDIT);
	cr_expect_eq(config->attach, ATTACH_NATIVE);
	cr_assert_eq(config->interface_count, 4);
	cr_expect_str_eq(config->interfaces[1].pattern, "wan*");
	cr_expect_eq(config->interfaces[1].zone, ZONE_CLIENT);
	cr_expect_eq(config->interfaces[1].line, 3);
	cr_expect_str_eq(config->interfaces[2].pattern, "eth1");
	cr_expect_eq(config->interfaces[2].vlan, 120);
	cr_expect_eq(config->interfaces[2].zone, ZONE_CLUSTER);
	cr_expect_eq(config->interfaces[3].zone, ZONE_TRUSTED);
	cr_assert_eq(config->epmd_ports.count, 2);
	cr_expect_eq(config->epmd_ports.items[1].first, 4370);
	cr_expect_eq(config->epmd_ports.items[1].last, 4372);
	cr_assert_eq(config->cluster_count, 2);
	cr_expect_str_eq(app->name, "app");
	cr_expect_eq(app->line, 10);
	cr_assert_eq(app->ports.count, 2);
	cr_expect_eq(app->ports.items[0].last, 9155);
	cr_expect_eq(app->ports.items[1].first, 25672);
	cr_expect_eq(app->ports.items[1].last, 25672);
	cr_assert_eq(app->node_count, 2);
	cr_expect_str_eq(app->nodes[1], "x@*");
	cr_assert_eq(app->peer_count, 3);
	cr_expect_eq(app->ipv4_peer_count, 2);
	cr_expect_eq(app->peers[0].length, 128);
	cr_expect_eq(app->peers[1].length, 120);
	cr_expect_eq(app->peers[2].length, 64);
	cr_expect_str_eq(config->clusters[1].name, "B_2.x-y");
	cr_expect_eq(config->clusters[1].peer_count, 1);
	cr_expect_not(config->discovery_listeners);
	cr_expect_not(config->discovery_autobound);
	cr_expect(config->discovery_fixed);
	cr_assert_eq(config->exempt_ports.count, 1);
	cr_expect(config->journal_drops);
	cr_expect_str_eq(config->metrics_host, "::1");
	cr_expect_eq(config->metrics_port, 9400);
	cr_expect_str_eq(config->control_socket, "/tmp/x.sock");
	cr_expect_str_eq(config->control_group, "_ops-1");
	cr_expect_str_eq(config->control_readers, "looks");
}

static void expect_defaults(const struct config *config)
{
	cr_expect_eq(config->mode, MODE_ENFORCE);
	cr_expect_eq(config->attach, ATTACH_AUTO);
	cr_assert_eq(config->epmd_ports.count, 1);
	cr_expect_eq(config->epmd_ports.items[0].first, 4369);
	cr_expect_eq(config->epmd_ports.items[0].last, 4369);
	cr_expect_eq(config->cluster_count, 0);
	cr_expect(config->discovery_listeners);
	cr_expect(config->discovery_autobound);
	cr_expect_not(config->discovery_fixed);
	cr_expect_eq(config->exempt_ports.count, 0);
	cr_expect_not(config->journal_drops);
	cr_expect_str_eq(config->metrics_host, "127.0.0.1");
	cr_expect_eq(config->metrics_port, 9369);
	cr_expect_str_eq(config->control_socket, "/run/beamfence/control.sock");
	cr_expect_str_eq(config->control_group, "beamfence");
	cr_expect_null(config->control_readers);
}

Test(config, has_defaults_for_all_but_the_interfaces)
{
	_cleanup_config_ struct config *config = loaded(FENCE);

	expect_defaults(config);
}

Test(config, the_example_is_valid_and_shows_the_defaults)
{
	_cleanup_config_ struct config *config = NULL;
	struct error error = {""};

	cr_assert_eq(config_load(EXAMPLE, &config, &error), 0, "%s", error.text);
	expect_defaults(config);
}

Test(config, the_cluster_in_the_example_can_be_uncommented)
{
	static const char closed[] = "clusters: []\n";
	_cleanup_config_ struct config *config = NULL;
	_cleanup_fclose_ FILE *example = fopen(EXAMPLE, "r");
	char line[256], yaml[8192] = "";

	cr_assert_not_null(example);
	while (fgets(line, sizeof(line), example))
		strcat(yaml, !strcmp(line, closed)	    ? "clusters:\n"
			     : strncmp(line, "#  ", 3) == 0 ? line + 1
							    : line);
	config = loaded(yaml);
	cr_assert_eq(config->cluster_count, 1);
	cr_expect_eq(config->clusters[0].ports.count, 1 + 3); /* its own, and the preset's */
	cr_expect_eq(config->clusters[0].node_count, 1);
	cr_expect_eq(config->clusters[0].peer_count, 2);
}

Test(config, takes_values_at_their_limits)
{
	static const char *const rows[] = {
		FENCE "epmd: {ports: []}",
		FENCE "epmd: {ports: [1, 65535]}",
		FENCE "epmd: {ports: [1-65535]}",
		FENCE "epmd: {ports: [4369-4369]}",
		FENCE "clusters: []",
		FENCE "clusters: [{name: a}]",
		FENCE "clusters: [{name: a, ports: [], nodes: [], peers: []}]",
		FENCE "clusters: [{name: 7}]",
		FENCE "clusters: [{name: a, ports: [9100-9101]}, {name: b, ports: [9102]}]",
		FENCE "clusters: [{name: a, ports: [9100]}]\n"
		      "discovery: {exempt_ports: [9000-9200]}",
		FENCE "clusters: [{name: a, peers: [10.0.0.1]}, {name: b, peers: [10.0.0.1]}]",
		FENCE "metrics: {listen: off}",
		FENCE "metrics: {listen: \"off\"}",
		FENCE "metrics: {listen: 0.0.0.0:1}",
		FENCE "metrics: {listen: \"[::]:65535\"}",
		FENCE "discovery: {listeners: true, autobound: protect}",
		FENCE "discovery: {fixed: known}",
		FENCE "discovery: {fixed: \"protect\", listeners: false}",
		"interfaces: {client: [eth0.1, eth0.4094, \"*.7\", \"eth[0-9]\", \"[!]]\"]}",
		"interfaces: {client: [abcdefghijklmno, abcdefghijklmno.120, br-lan, eth0.]}",
		"interfaces: {client: [eth0], cluster: [\"eth0.2\", \"eth*\"], trusted: [\"*\"]}",
		"interfaces: {client: [eth0, nœud], cluster: [], trusted: []}",
		"\xef\xbb\xbf" FENCE,
		"---\n" FENCE "...\n",
		"# comment\r\ninterfaces:\r\n  client:\r\n    - eth0\r\n",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_config_ struct config *config = NULL;
		struct error error = {""};

		cr_expect_eq(load(rows[i], &config, &error), 0, "%s\n%s", error.text, rows[i]);
	}
}

Test(config, fixed_listeners_are_protected_where_the_file_says_so)
{
	_cleanup_config_ struct config *protect = loaded(FENCE "discovery: {fixed: protect}\n");
	_cleanup_config_ struct config *known = loaded(FENCE "discovery: {fixed: known}\n");

	cr_expect(protect->discovery_fixed && protect->discovery_autobound);
	cr_expect(!known->discovery_fixed && known->discovery_autobound);
	cr_expect_eq(protect->warning_count, 0);
}

Test(config, warns_of_fixed_protect_where_nothing_looks_for_listeners)
{
	_cleanup_config_ struct config *blind =
		loaded(FENCE "discovery:\n  listeners: false\n  fixed: protect\n");
	_cleanup_config_ struct config *known =
		loaded(FENCE "discovery: {listeners: false, fixed: known}\n");

	cr_assert_eq(blind->warning_count, 1);
	cr_expect_str_eq(blind->warnings[0],
			 "line 4: discovery.fixed is protect, and discovery.listeners is false: no "
			 "listener is found, and only listed ports are protected");
	cr_expect_eq(known->warning_count, 0);
}

Test(config, metrics_off_leaves_no_host)
{
	_cleanup_config_ struct config *config = loaded(FENCE "metrics: {listen: off}\n");

	cr_assert_null(config->metrics_host);
}

Test(config, metrics_may_be_a_unix_socket)
{
	_cleanup_config_ struct config *config =
		loaded(FENCE "metrics: {listen: \"unix:/run/x/m.sock\"}\n");

	cr_expect_str_eq(config->metrics_host, "/run/x/m.sock");
	cr_expect_eq(config->metrics_port, 0);
}

Test(config, text_is_read_as_a_file_is_and_named_as_it_is_called)
{
	static const char good[] = FENCE "mode: audit\n", bad[] = FENCE "mode: what\n";
	struct config *config = NULL;
	struct error error = {""};

	cr_assert_eq(config_read("new.yaml", good, strlen(good), &config, &error), 0, "%s",
		     error.text);
	cr_expect_eq(config->mode, MODE_AUDIT);
	config_free(config);
	cr_assert_eq(config_read("new.yaml", bad, strlen(bad), &config, &error), -EINVAL);
	cr_expect_eq(strncmp(error.text, "new.yaml:2: mode: ", 18), 0, "%s", error.text);
	cr_assert_eq(config_read("new.yaml", good, 0, &config, &error), -EINVAL);
	cr_expect(strstr(error.text, "holds no configuration"), "%s", error.text);
}

Test(config, takes_for_an_interface_whatever_the_kernel_takes)
{
	_cleanup_config_ struct config *config = loaded("interfaces:\n"
							"  client:\n"
							"    - a.b\n"
							"    - br-1a2b\n"
							"    - \"10G-a\"\n"
							"    - p\xc3\xa4"
							"d0\n"
							"    - \"x[*]y\"\n"
							"    - \"wan[[]1]\"\n"
							"    - \"a,b@c%d'\\\"\"\n"
							"    - \"b\\x1b#\\\\\"\n"
							"    - \"...\"\n"
							"    - \"eth0[.]120\"\n"
							"    - \"x[?]y.120\"\n"
							"    - abcdefghijklmno.4094\n");
	static const struct {
		const char *pattern;
		bool literal;
		uint16_t vlan;
	} expected[] = {
		{"a.b", false, 0},
		{"br-1a2b", false, 0},
		{"10G-a", false, 0},
		{"p\xc3\xa4"
		 "d0",
		 false, 0},
		{"x*y", true, 0},
		{"wan[1]", true, 0},
		{"a,b@c%d'\"", false, 0},
		{"b\x1b#\\", false, 0},
		{"...", false, 0},
		{"eth0.120", true, 0},
		{"x?y", true, 120},
		{"abcdefghijklmno", false, 4094},
	};

	cr_assert_eq(config->interface_count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < config->interface_count; i++) {
		const struct interface_rule *rule = &config->interfaces[i];

		cr_expect_str_eq(rule->pattern, expected[i].pattern);
		cr_expect_eq(rule->literal, expected[i].literal, "%s", rule->pattern);
		cr_expect_eq(rule->vlan, expected[i].vlan, "%s", rule->pattern);
	}
	cr_expect_eq(config->warning_count, 0);
}

Test(config, a_number_that_is_no_vlan_is_part_of_a_name_and_a_warning)
{
	_cleanup_config_ struct config *config = loaded(
		"interfaces:\n"
		"  client: [eth0.4095, eth0.0, eth0.012, lo.5, \".12\", \"x[.]007\"]\n");
	static const char *const names[] = {"eth0.4095", "eth0.0", "eth0.012",
					    "lo.5",	 ".12",	   "x.007"};

	cr_assert_eq(config->interface_count, 6);
	for (size_t i = 0; i < 6; i++) {
		cr_expect_str_eq(config->interfaces[i].pattern, names[i]);
		cr_expect_eq(config->interfaces[i].vlan, 0);
	}
	cr_assert_eq(config->warning_count, 5);
	cr_expect_str_eq(config->warnings[0],
			 "line 2: \"eth0.4095\" is taken for the name of an interface, not for a "
			 "VLAN (1-4094) on another; write \"eth0[.]4095\" if that is meant");
}
