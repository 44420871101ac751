// SPDX-License-Identifier: BSD-2-Clause
/* Keys and values that are refused, each with its line and what to do about it. */
#include "tests/unit/config_file.h"

TestSuite(config_refusals, .init = make_directory, .fini = remove_directory);

Test(config_refusals, refuses_keys_that_are_unknown_or_given_twice)
{
	static const struct bad rows[] = {
		{FENCE "\nmoed: audit\n", 3, "\"moed\": did you mean \"mode\"?"},
		{FENCE "\nMode: audit\n", 3, "\"Mode\": did you mean \"mode\"?"},
		{"intefaces:\n  client: [eth0]\n", 1, "did you mean \"interfaces\"?"},
		{"interfaces:\n  client: [eth0]\n  atach: auto\n", 3, "\"attach\"?"},
		{FENCE "unrelated: 1\n", 2, "\"unrelated\": accepted here: mode, interfaces"},
		{FENCE "clusters:\n  - name: a\n    port: [1]\n", 4, "did you mean \"ports\"?"},
		{FENCE "events:\n  journal: all\n", 3, "write off or drops"},
		{FENCE "discovery:\n  exempt: []\n", 3,
		 "listeners, autobound, fixed, exempt_ports"},
		{FENCE "<<: {mode: audit}\n", 2, "unknown key \"<<\""},
		{FENCE "? [a, b]\n: c\n", 2, "a key must be"},
		{FENCE "~: c\n", 2, "a key must be"},
		{"mode: audit\n" FENCE "mode: audit\n", 3,
		 "\"mode\" is given twice (first on line 1)"},
		{FENCE "clusters:\n  - name: a\n    peers: []\n    peers: []\n", 5,
		 "\"peers\" is given twice (first on line 4)"},
		{FENCE "discovery:\n  fixed: known\n  fixed: protect\n", 4,
		 "\"fixed\" is given twice (first on line 3)"},
		{FENCE "discovery:\n  fixd: known\n", 3, "\"fixd\": did you mean \"fixed\"?"},
		{FENCE "mode: audit\n" FENCE, 3, "\"interfaces\" is given twice"},
	};

	EXPECT_BAD(rows);
}

Test(config_refusals, refuses_values_of_the_wrong_type)
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

Test(config_refusals, refuses_words_that_are_none_of_the_choices)
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
		{FENCE "discovery:\n  autobound: known\n", 3, "\"known\" is not accepted"},
		{FENCE "discovery:\n  fixed: ignore\n", 3,
		 "fixed: \"ignore\" is not accepted, write known or protect"},
		{FENCE "discovery:\n  fixed: []\n", 3, "fixed: expected a single value"},
	};

	EXPECT_BAD(rows);
}

Test(config_refusals, refuses_bad_ports)
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

Test(config_refusals, refuses_ports_that_overlap)
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

Test(config_refusals, refuses_bad_peers)
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

Test(config_refusals, refuses_bad_interfaces)
{
#define CLIENT "interfaces:\n  client:\n    - eth7\n"
	static const struct bad rows[] = {
		{"mode: audit\n", 1, "interfaces is missing"},
		{"mode: audit\ninterfaces: {}\n", 2, "no interface is named"},
		{"interfaces:\n  client: []\n  attach: auto\n", 2, "no interface is named"},
		{CLIENT "    - lo\n", 4, "\"lo\": the loopback interface is never touched"},
		{CLIENT "    - \"l[o]\"\n", 4, "\"l[o]\": the loopback"},
		{CLIENT "    - eth0.42949672970\n", 4, "at most 15 bytes"},
		{CLIENT "    - \"\"\n", 4, "no interface is named"},
		{CLIENT "    - abcdefghijklmnop\n", 4, "at most 15 bytes"},
		{CLIENT "    - abcdefghijklmnop.7\n", 4, "at most 15 bytes"},
		{CLIENT "    - a/b\n", 4, "no spaces"},
		{CLIENT "    - eth0:1\n", 4, "no spaces"},
		{CLIENT "    - eth 0\n", 4, "no spaces"},
		{CLIENT "    - \"eth\\x1b/\"\n", 4, "\"eth?/\""},
		{CLIENT "    - ..\n", 4, "not an interface name"},
		{CLIENT "    - \"eth[0-9\"\n", 4, "write \"[[]\" for"},
		{CLIENT "    - \"eth[]\"\n", 4, "'[' without"},
		{CLIENT "    - \"eth[!]\"\n", 4, "'[' without"},
		{CLIENT "    - eth0\n    - eth7\n", 5,
		 "\"eth7\" is listed twice in client (first on line 3)"},
		{CLIENT "    - \"a[*]\"\n    - \"a*\"\n    - \"a[*]\"\n", 6,
		 "\"a*\" is listed twice in client (first on line 4)"},
		{"interfaces:\n  client: [eth0.5, eth0.5]\n", 2, "\"eth0.5\" is listed twice"},
		{CLIENT "  cluster:\n    - eth0\n    - eth7\n", 6,
		 "\"eth7\" is in both client and cluster (first on line 3)"},
		{"interfaces:\n  trusted: [\"wan*.7\"]\n  client: [\"wan*.7\"]\n", 3,
		 "\"wan*.7\" is in both trusted and client (first on line 2)"},
	};

	EXPECT_BAD(rows);
#undef CLIENT
}

Test(config_refusals, refuses_bad_clusters)
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

Test(config_refusals, refuses_one_cluster_more_than_fit)
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

Test(config_refusals, refuses_one_ipv6_prefix_length_more_than_fit)
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

Test(config_refusals, refuses_bad_endpoints)
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

Test(config_refusals, keeps_the_reason_when_path_and_value_are_long)
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

Test(config_refusals, does_without_a_place_for_the_error)
{
	struct config *config = NULL;

	cr_assert_eq(load(FENCE "mode: x\n", &config, NULL), -EINVAL);
}
