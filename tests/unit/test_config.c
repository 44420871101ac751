// SPDX-License-Identifier: BSD-2-Clause
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "tests/unit/scratch.h"

#define EXAMPLE "deploy/config/beamfence.yaml"
#define FENCE	"interfaces: {client: [eth0]}\n" /* the least that is valid; one line */

static void cleanup_config(struct config **config)
{
	config_free(*config);
}
#define _cleanup_config_ _cleanup_(cleanup_config)

static char directory[SCRATCH_MAX];
static char path[80];

static void make_directory(void)
{
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/x.yaml", directory);
}

static void remove_directory(void)
{
	unlink(path);
	rmdir(path);
	rmdir(directory);
}

TestSuite(config, .init = make_directory, .fini = remove_directory);

static void write_file(const char *content, size_t size)
{
	_cleanup_fclose_ FILE *file = fopen(path, "w");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(content, 1, size, file), size);
}

static int load(const char *yaml, struct config **config, struct error *error)
{
	write_file(yaml, strlen(yaml));
	return config_load(path, config, error);
}

static struct config *loaded(const char *yaml)
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

static void expect_bad(const struct bad *rows, size_t count)
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
		"discovery:\n"
		"  listeners: false\n"
		"  autobound: ignore\n"
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
	cr_assert_eq(config->exempt_ports.count, 1);
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
	cr_expect_eq(config->exempt_ports.count, 0);
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

Test(config, refuses_keys_that_are_unknown_or_given_twice)
{
	static const struct bad rows[] = {
		{FENCE "\nmoed: audit\n", 3, "\"moed\": did you mean \"mode\"?"},
		{FENCE "\nMode: audit\n", 3, "\"Mode\": did you mean \"mode\"?"},
		{"intefaces:\n  client: [eth0]\n", 1, "did you mean \"interfaces\"?"},
		{"interfaces:\n  client: [eth0]\n  atach: auto\n", 3, "\"attach\"?"},
		{FENCE "unrelated: 1\n", 2, "\"unrelated\": accepted here: mode, interfaces"},
		{FENCE "clusters:\n  - name: a\n    port: [1]\n", 4, "did you mean \"ports\"?"},
		{FENCE "discovery:\n  exempt: []\n", 3, "listeners, autobound, exempt_ports"},
		{FENCE "<<: {mode: audit}\n", 2, "unknown key \"<<\""},
		{FENCE "? [a, b]\n: c\n", 2, "a key must be"},
		{FENCE "~: c\n", 2, "a key must be"},
		{"mode: audit\n" FENCE "mode: audit\n", 3,
		 "\"mode\" is given twice (first on line 1)"},
		{FENCE "clusters:\n  - name: a\n    peers: []\n    peers: []\n", 5,
		 "\"peers\" is given twice (first on line 4)"},
		{FENCE "mode: audit\n" FENCE, 3, "\"interfaces\" is given twice"},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_values_of_the_wrong_type)
{
	static const struct bad rows[] = {
		{"[]\n", 1, "expected keys and values, found a list"},
		{"\n\nhello\n", 3, "expected keys and values, found \"hello\""},
		{FENCE "mode: [audit]\n", 2, "mode: expected a single value, found a list"},
		{FENCE "mode:\n", 2, "mode: expected a single value, found nothing"},
		{FENCE "mode: {a: b}\n", 2, "found keys and values"},
		{FENCE "epmd: 4369\n", 2, "epmd: expected keys and values, found \"4369\""},
		{FENCE "epmd:\n", 2, "epmd: expected keys and values, found nothing"},
		{FENCE "epmd:\n  ports: 4369\n", 3, "ports: expected a list, found \"4369\""},
		{FENCE "epmd:\n  ports:\n", 3, "expected a list, found nothing; write []"},
		{FENCE "epmd:\n  ports: [[1]]\n", 3, "expected a single value, found a list"},
		{FENCE "epmd:\n  ports: [~]\n", 3, "expected a single value, found nothing"},
		{FENCE "clusters:\n", 2, "clusters: expected a list, found nothing; write []"},
		{FENCE "clusters: null\n", 2, "write [] for none"},
		{FENCE "clusters:\n  - app\n", 3, "clusters: expected keys and values"},
		{FENCE "clusters:\n  - name: a\n    peers:\nmode: audit\n", 4,
		 "peers: expected a list, found nothing; write [] for none"},
		{FENCE "clusters:\n  - name: a\n    peers:\n      - 10.0.0.1\n      -\n", 6,
		 "peers: expected a single value, found nothing"},
		{FENCE "clusters:\n  - name: a\n    nodes: [{a: b}]\n", 4, "nodes: expected"},
		{"interfaces:\n  client: eth0\n", 2, "client: expected a list"},
		{"interfaces:\n", 1, "interfaces: expected keys and values"},
		{"interfaces:\n  client: [{eth0: 1}]\n", 2, "client: expected a single value"},
		{FENCE "metrics:\n  listen: [a]\n", 3, "listen: expected a single value"},
		{FENCE "control:\n  socket: ~\n", 3, "socket: expected a single value"},
		{FENCE "control:\n  group: []\n", 3, "group: expected a single value"},
		{FENCE "control:\n  readers: Admin\n", 3, "readers: \"Admin\" is not a group"},
		{FENCE "control:\n  readers: ops\n  socket: /run/read.sock\n", 3,
		 "readers: their socket is read.sock beside \"/run/read.sock\""},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_words_that_are_none_of_the_choices)
{
	static const struct bad rows[] = {
		{FENCE "mode: \"au\n  dit\"\n", 2, "\"au dit\" is not accepted"},
		{FENCE "mode: Enforce\n", 2, "\"Enforce\" is not accepted, write enforce or audit"},
		{FENCE "mode: \"\"\n", 2, "\"\" is not accepted"},
		{"interfaces:\n  client: [eth0]\n  attach: driver\n", 3,
		 "\"driver\" is not accepted, write auto, native or generic"},
		{FENCE "discovery:\n  listeners: yes\n", 3, "write false or true"},
		{FENCE "discovery:\n  listeners: 1\n", 3, "\"1\" is not accepted"},
		{FENCE "discovery:\n  autobound: true\n", 3, "write ignore or protect"},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_bad_ports)
{
	static const struct bad rows[] = {
		{FENCE "epmd:\n  ports:\n    - 1\n    - 0\n", 5, "\"0\" is not a port (1-65535)"},
		{FENCE "epmd: {ports: [70000]}\n", 2, "\"70000\" is not a port"},
		{FENCE "epmd: {ports: [65536]}\n", 2, "\"65536\" is not a port"},
		{FENCE "epmd: {ports: [4294971665]}\n", 2, "\"4294971665\" is not a port"},
		{FENCE "epmd: {ports: [-1]}\n", 2, "\"-1\" is not a port"},
		{FENCE "epmd: {ports: [12x]}\n", 2, "\"12x\" is not a port"},
		{FENCE "epmd: {ports: [0x10]}\n", 2, "\"0x10\" is not a port"},
		{FENCE "epmd: {ports: [04369]}\n", 2, "\"04369\" is not a port"},
		{FENCE "epmd: {ports: [\"\"]}\n", 2, "\"\" is not a port"},
		{FENCE "epmd: {ports: [9100-]}\n", 2, "\"9100-\" is not a port"},
		{FENCE "epmd: {ports: [9100-9155-9200]}\n", 2, "is not a port"},
		{FENCE "epmd: {ports: [9100 - 9155]}\n", 2, "is not a port"},
		{FENCE "epmd: {ports: [9100-70000]}\n", 2, "is not a port"},
		{FENCE "epmd: {ports: [0-10]}\n", 2, "is not a port"},
		{FENCE "epmd: {ports: [9155-9100]}\n", 2, "did you mean \"9100-9155\"?"},
		{FENCE "discovery: {exempt_ports: [x]}\n", 2, "exempt_ports: \"x\" is not a port"},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_ports_that_overlap)
{
	static const struct bad rows[] = {
		{FENCE "epmd:\n  ports:\n    - 4369\n    - 4370\n    - 4369\n", 6,
		 "\"4369\" is listed twice (first on line 4)"},
		{FENCE "clusters:\n  - name: a\n    ports:\n      - 9100-9155\n      - 9155-9200\n",
		 6,
		 "\"9155-9200\" of cluster \"a\" overlaps \"9100-9155\" of cluster \"a\" (line 5)"},
		{FENCE "clusters:\n  - name: a\n    ports:\n      - 9150\n      - 9100-9155\n", 6,
		 "\"9100-9155\" of cluster \"a\" overlaps \"9150\""},
		{FENCE "clusters:\n  - name: a\n    ports: [9100-9200]\n"
		       "  - name: b\n    ports: [25672, 9150]\n",
		 6, "\"9150\" of cluster \"b\" overlaps \"9100-9200\" of cluster \"a\" (line 4)"},
		{FENCE "clusters:\n  - name: a\n    ports: [9100]\n"
		       "  - name: b\n    ports: [9100]\n",
		 6, "\"9100\" of cluster \"b\" overlaps \"9100\" of cluster \"a\" (line 4)"},
		{FENCE "epmd:\n  ports: [4369, 9100]\nclusters:\n  - name: a\n"
		       "    ports: [9000-9100]\n",
		 6, "\"9000-9100\" of cluster \"a\" overlaps \"9100\" of epmd (line 3)"},
		{FENCE "clusters:\n  - name: a\n    ports: [4000-5000]\n", 4,
		 "overlaps \"4369\" of epmd (by default)"},
		{FENCE "discovery:\n  exempt_ports:\n    - 35672\n    - 35000-36000\n", 5,
		 "overlaps \"35672\" of exempt_ports (line 4)"},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_bad_peers)
{
#define PEERS FENCE "clusters:\n  - name: a\n    peers:\n      - 10.9.9.9\n"
	static const struct bad rows[] = {
		{PEERS "      - 10.0.0.0/33\n", 6, "\"10.0.0.0/33\""},
		{PEERS "      - 10.0.1.7/24\n", 6, "did you mean \"10.0.1.0/24\"?"},
		{PEERS "      - fd00:1::1/64\n", 6, "did you mean \"fd00:1::/64\"?"},
		{PEERS "      - 10.0.1\n", 6, "\"10.0.1\" is not an address"},
		{PEERS "      - host.example\n", 6, "\"host.example\" is not an address"},
		{PEERS "      - ::ffff:10.0.0.1\n", 6, "plain IPv4"},
		{PEERS "      - 10.0.0.1\n      - 10.9.9.9/32\n", 7,
		 "\"10.9.9.9/32\" is listed twice (first on line 5)"},
		{FENCE "clusters:\n  - name: a\n    peers: [\"fd00::/8\", \"FD00:0::/8\"]\n", 4,
		 "\"fd00::/8\" is listed twice"},
	};

	EXPECT_BAD(rows);
#undef PEERS
}

Test(config, refuses_bad_interfaces)
{
#define CLIENT "interfaces:\n  client:\n    - eth7\n"
	static const struct bad rows[] = {
		{"mode: audit\n", 1, "interfaces is missing"},
		{"mode: audit\ninterfaces: {}\n", 2, "no interface is named"},
		{"interfaces:\n  client: []\n  attach: auto\n", 2, "no interface is named"},
		{CLIENT "    - lo\n", 4, "\"lo\": the loopback interface is never touched"},
		{CLIENT "    - lo.5\n", 4, "\"lo.5\": the loopback"},
		{CLIENT "    - eth0.0\n", 4, "\"eth0.0\": a VLAN is a number in 1-4094"},
		{CLIENT "    - eth0.4095\n", 4, "\"eth0.4095\": a VLAN"},
		{CLIENT "    - eth0.4294967297\n", 4, "a VLAN"},
		{CLIENT "    - eth0.012\n", 4, "a VLAN"},
		{CLIENT "    - .12\n", 4, "\".12\": no interface is named"},
		{CLIENT "    - \"\"\n", 4, "no interface is named"},
		{CLIENT "    - abcdefghijklmnop\n", 4, "at most 15 characters"},
		{CLIENT "    - abcdefghijklmnop.7\n", 4, "at most 15 characters"},
		{CLIENT "    - a/b\n", 4, "no spaces"},
		{CLIENT "    - eth0:1\n", 4, "no spaces"},
		{CLIENT "    - eth 0\n", 4, "no spaces"},
		{CLIENT "    - \"eth\\x1b0\"\n", 4, "\"eth?0\""},
		{CLIENT "    - ..\n", 4, "not an interface name"},
		{CLIENT "    - \"eth[0-9\"\n", 4, "'[' without"},
		{CLIENT "    - \"eth[]\"\n", 4, "'[' without"},
		{CLIENT "    - \"eth[!]\"\n", 4, "'[' without"},
		{CLIENT "    - eth0\n    - eth7\n", 5,
		 "\"eth7\" is listed twice in client (first on line 3)"},
		{"interfaces:\n  client: [eth0.5, eth0.5]\n", 2, "\"eth0.5\" is listed twice"},
		{CLIENT "  cluster:\n    - eth0\n    - eth7\n", 6,
		 "\"eth7\" is in both client and cluster (first on line 3)"},
		{"interfaces:\n  trusted: [\"wan*.7\"]\n  client: [\"wan*.7\"]\n", 3,
		 "\"wan*.7\" is in both trusted and client (first on line 2)"},
	};

	EXPECT_BAD(rows);
#undef CLIENT
}

Test(config, refuses_bad_clusters)
{
	static const struct bad rows[] = {
		{FENCE "clusters:\n  - ports: [9100]\n", 3, "a cluster without a name"},
		{FENCE "clusters:\n  - name: a\n  -\n", 4, "expected keys and values"},
		{FENCE "clusters:\n  - {}\n", 3, "a cluster without a name"},
		{FENCE "clusters:\n  - name: \"\"\n", 3, "\"\" is not a cluster's name"},
		{FENCE "clusters:\n  - name: a b\n", 3, "\"a b\" is not a cluster's name"},
		{FENCE "clusters:\n  - name: nœud\n", 3, "\"nœud\" is not a cluster's name"},
		{FENCE "clusters:\n  - name: a\n  - peers: []\n    name: a\n", 5,
		 "two clusters are named \"a\" (the first on line 3)"},
		{FENCE "clusters:\n  - name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaa\n",
		 3, "at most 63"},
		{FENCE "clusters:\n  - name: a\n    nodes: [\"\"]\n", 4, "empty"},
		{FENCE "clusters:\n  - name: a\n    nodes: [\"a b@*\"]\n", 4, "\"a b@*\""},
		{FENCE "clusters:\n  - name: a\n    nodes: [\"a@*\", \"a@*\"]\n", 4,
		 "\"a@*\" is listed twice (first on line 4)"},
		{FENCE "clusters:\n  - nodes: [\"a@*\"]\n    name: a\n  - name: b\n"
		       "    nodes: [\"b@*\", \"a@*\"]\n",
		 6, "\"a@*\" belongs to cluster \"a\" already (line 3)"},
	};

	EXPECT_BAD(rows);
}

Test(config, refuses_one_cluster_more_than_fit)
{
	_cleanup_config_ struct config *config = NULL;
	struct config *too_many = NULL;
	struct error error = {""};
	char yaml[8192] = FENCE "clusters:\n", entry[32];

	for (int i = 0; i < CLUSTERS_MAX; i++) {
		snprintf(entry, sizeof(entry), "- name: c%d\n", i);
		strcat(yaml, entry);
	}
	config = loaded(yaml);
	cr_expect_eq(config->cluster_count, CLUSTERS_MAX);
	strcat(yaml, "- name: more\n");
	cr_expect_eq(load(yaml, &too_many, &error), -EINVAL);
	cr_expect(strstr(error.text, ":67: clusters: more than 64"), "%s", error.text);
}

Test(config, refuses_one_ipv6_prefix_length_more_than_fit)
{
	_cleanup_config_ struct config *config = NULL;
	struct config *too_many = NULL;
	struct error error = {""};
	char yaml[8192] = FENCE "clusters:\n- name: a\n  peers:\n", entry[64];

	for (int i = 0; i < PREFIX_LENGTHS_MAX; i++) {
		snprintf(entry, sizeof(entry), "  - fd00::/%d\n  - 0.0.0.0/%d\n", 8 + i, i);
		strcat(yaml, entry);
	}
	config = loaded(yaml);
	cr_expect_eq(config->clusters[0].peer_count, (size_t)2 * PREFIX_LENGTHS_MAX);
	strcat(yaml, "  - fd00::/100\n");
	cr_expect_eq(load(yaml, &too_many, &error), -EINVAL);
	cr_expect(strstr(error.text, ":71: peers: \"fd00::/100\" has one more"), "%s", error.text);
}

Test(config, refuses_bad_endpoints)
{
#define LISTEN FENCE "metrics:\n  listen: "
#define SOCKET FENCE "control:\n  socket: "
#define GROUP  FENCE "control:\n  group: "
	static const struct bad rows[] = {
		{LISTEN "localhost:9369\n", 3, "\"localhost:9369\" is not accepted, write an addr"},
		{LISTEN "9369\n", 3, "such as 127.0.0.1:9369"},
		{LISTEN "\":9369\"\n", 3, "\":9369\" is not accepted"},
		{LISTEN "127.0.0.1\n", 3, "is not accepted"},
		{LISTEN "127.0.0.1:\n", 3, "mapping values are not allowed"},
		{LISTEN "\"127.0.0.1:\"\n", 3, "is not accepted"},
		{LISTEN "127.0.0.1:0\n", 3, "is not accepted"},
		{LISTEN "127.0.0.1:65536\n", 3, "is not accepted"},
		{LISTEN "127.0.0.1:80x\n", 3, "is not accepted"},
		{LISTEN "\"::1:9369\"\n", 3, "[::1]:9369"},
		{LISTEN "\"[127.0.0.1]:9369\"\n", 3, "is not accepted"},
		{LISTEN "\"[::1:9369\"\n", 3, "is not accepted"},
		{LISTEN "\"]:9369\"\n", 3, "is not accepted"},
		{LISTEN "\"[]:9369\"\n", 3, "is not accepted"},
		{LISTEN "Off\n", 3, "or off"},
		{LISTEN "\"unix:run/m.sock\"\n", 3, "\"run/m.sock\" is not the absolute path"},
		{LISTEN "\"unix:\"\n", 3, "is not the absolute path"},
		{SOCKET "run/x.sock\n", 3, "\"run/x.sock\" is not the absolute path"},
		{SOCKET "/run/\n", 3, "is not the absolute path of a file"},
		{SOCKET "\"\"\n", 3, "is not the absolute path"},
		{SOCKET "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
			"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
		 3, "has 108 bytes, a socket's path at most 107"},
		{GROUP "Ops\n", 3, "\"Ops\" is not a group's name"},
		{GROUP "0\n", 3, "is not a group's name"},
		{GROUP "a b\n", 3, "is not a group's name"},
		{GROUP "\"\"\n", 3, "is not a group's name"},
	};

	EXPECT_BAD(rows);
#undef LISTEN
#undef SOCKET
#undef GROUP
}

Test(config, refuses_yaml_that_a_configuration_does_not_need)
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

Test(config, says_where_the_yaml_itself_is_broken)
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

Test(config, refuses_bytes_that_are_no_text)
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

Test(config, refuses_a_missing_file)
{
	expect_unread(-ENOENT, "No such file");
}

Test(config, refuses_a_file_without_permission)
{
	write_file(FENCE, strlen(FENCE));
	cr_assert_eq(chmod(path, 0), 0);
	/* Root may read everything, so be somebody else for a while. */
	cr_assert(geteuid() != 0 || seteuid(65534) == 0);
	expect_unread(-EACCES, "Permission denied");
	cr_assert(getuid() != 0 || seteuid(0) == 0);
}

Test(config, refuses_a_directory)
{
	cr_assert_eq(mkdir(path, 0700), 0);
	expect_unread(-EISDIR, "is a directory");
}

Test(config, refuses_a_fifo_without_waiting_for_its_writer, .timeout = 10)
{
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect_unread(-EINVAL, "not a regular file");
}

Test(config, refuses_a_device)
{
	struct config *config = NULL;
	struct error error = {""};

	cr_assert_eq(config_load("/dev/zero", &config, &error), -EINVAL);
	cr_assert(strstr(error.text, "not a regular file"), "%s", error.text);
}

Test(config, refuses_a_file_that_is_too_large_without_reading_it)
{
	write_file(FENCE, strlen(FENCE));
	cr_assert_eq(truncate(path, CONFIG_FILE_SIZE_MAX + 1l), 0);
	expect_unread(-EFBIG, "67108865 bytes");
}

Test(config, keeps_the_reason_when_path_and_value_are_long)
{
	struct config *config = NULL;
	struct error error = {""};
	char yaml[3000] = FENCE, long_path[4000] = "";

	memset(yaml + strlen(yaml), 'k', 900);
	strcat(yaml, ": 1\n");
	write_file(yaml, strlen(yaml));
	while (strlen(long_path) < 3000)
		strcat(long_path, "/tmp/../");
	strcat(long_path, path);
	cr_assert_eq(config_load(long_path, &config, &error), -EINVAL);
	cr_assert(strstr(error.text, "x.yaml:2: unknown key \"kkk"), "%s", error.text);
	cr_assert(strstr(error.text, "kkk...\": accepted here: mode,"), "%s", error.text);
	cr_assert(strstr(error.text, "control"), "%s", error.text);
}

Test(config, does_without_a_place_for_the_error)
{
	struct config *config = NULL;

	cr_assert_eq(load(FENCE "mode: x\n", &config, NULL), -EINVAL);
}

static double cpu_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Each would take minutes or gigabytes if cost were not linear; the limit leaves room for ASan. */
Test(config, hostile_files_cost_little)
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

Test(config, takes_as_many_peers_as_fit_and_no_more, .timeout = 120)
{
	_cleanup_config_ struct config *config = NULL;
	struct config *too_many = NULL;
	struct error error = {""};

	write_peers(PEERS_MAX);
	cr_assert_eq(config_load(path, &config, &error), 0, "%s", error.text);
	cr_expect_eq(config->clusters[0].peer_count, PEERS_MAX);
	write_peers(PEERS_MAX + 1);
	cr_expect_eq(config_load(path, &too_many, &error), -EINVAL);
	cr_expect(strstr(error.text, ":1000005: peers: more than 1000000"), "%s", error.text);
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
