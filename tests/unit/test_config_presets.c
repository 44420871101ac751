// SPDX-License-Identifier: BSD-2-Clause
#include "core/policy.h"
#include "tests/unit/config_file.h"

static struct config *config;
static struct policy *policy;

static void stop(void)
{
	policy_free(policy);
	config_free(config);
	remove_directory();
}

TestSuite(config_presets, .init = make_directory, .fini = stop);

static void build(const char *yaml)
{
	struct error error = {""};

	cr_assert_eq(load(yaml, &config, &error), 0, "%s", error.text);
	cr_assert_eq(policy_build(&(struct policy_parts){.config = config}, &policy, &error), 0,
		     "%s", error.text);
}

static bool is_protected(uint16_t port)
{
	return policy->ports[port / 64] >> (port % 64) & 1;
}

static bool is_exempt(uint16_t port)
{
	return policy->exempt[port / 64] >> (port % 64) & 1;
}

static void discard(void)
{
	policy_free(policy);
	config_free(config);
	policy = NULL;
	config = NULL;
}

Test(config_presets, without_clusters_are_closed_to_all)
{
	build(FENCE "presets: [rabbitmq]\n");
	cr_expect(is_protected(25672) && is_protected(35672) && is_protected(35682) &&
		  is_protected(6000) && is_protected(6500));
	cr_expect(!is_protected(5672) && !is_protected(6501) && !is_protected(35683));
	cr_expect_eq(policy->cluster_of[0][25672], CLUSTER_NOBODY);
	cr_expect_eq(config->warning_count, 0);
}

Test(config_presets, join_the_only_cluster_and_its_own_ports)
{
	build(FENCE "presets: [rabbitmq]\n"
		    "clusters:\n  - {name: app, ports: [25672, 6400-6600], peers: [10.0.0.1]}\n");
	cr_expect_eq(policy->cluster_of[0][25672], 0);
	cr_expect_eq(policy->cluster_of[0][6000], 0);
	cr_expect_eq(policy->cluster_of[0][6600], 0);
}

Test(config_presets, may_be_given_before_and_after_the_clusters)
{
	build("presets: [emqx]\n" FENCE "clusters: [{name: app}]\n");
	cr_expect_eq(policy->cluster_of[0][4370], 0);
	cr_expect_eq(policy->cluster_of[0][4369], CLUSTER_ANY);
}

Test(config_presets, of_a_cluster_are_that_clusters)
{
	build(FENCE "clusters:\n"
		    "  - {name: mq, presets: [rabbitmq]}\n"
		    "  - {name: db, presets: [couchdb, vernemq]}\n");
	cr_expect_eq(policy->cluster_of[0][25672], 0);
	cr_expect_eq(policy->cluster_of[0][9100], 1);
	cr_expect_eq(policy->cluster_of[0][44053], 1);
}

Test(config_presets, each_protects_all_its_cluster_ports_and_none_of_its_clients)
{
	size_t count;
	const struct preset *presets = presets_list(&count);

	for (size_t i = 0; i < count; i++) {
		char yaml[128];

		snprintf(yaml, sizeof(yaml), FENCE "presets: [%s]\n", presets[i].name);
		build(yaml);
		for (size_t r = 0; r < PRESET_RANGES_MAX && presets[i].cluster[r].first; r++)
			cr_expect(is_protected(presets[i].cluster[r].first) &&
				  is_protected(presets[i].cluster[r].last));
		for (size_t c = 0; c < PRESET_CLIENTS_MAX && presets[i].clients[c]; c++) {
			cr_expect(!is_protected(presets[i].clients[c]));
			cr_expect(config_is_client_port(config, presets[i].clients[c]));
		}
		cr_expect_eq(config->warning_count, 0, "%s", presets[i].name);
		cr_expect(!config_is_client_port(config, 0 + 4369));
		discard();
	}
}

Test(config_presets, exempt_all_ports_that_a_product_listens_on_for_clients_and_no_other)
{
	static const struct {
		const char *preset;
		uint16_t ports[18]; /* of its documentation, in order */
	} rows[] = {
		{"rabbitmq",
		 {1883, 5551, 5552, 5671, 5672, 8883, 15671, 15672, 15673, 15674, 15675, 15676,
		  15691, 15692, 61613, 61614}},
		{"emqx", {1883, 8081, 8083, 8084, 8883, 18083, 18084}},
		{"vernemq", {1883, 8080, 8883, 8888}},
		{"ejabberd", {1883, 5222, 5223, 5269, 5280, 5443, 7777}},
		{"couchdb", {5984, 6984}},
		{"riak", {8087, 8098}},
		{"elixir", {0}},
	};
	size_t count;

	presets_list(&count);
	cr_assert_eq(count, sizeof(rows) / sizeof(rows[0]));
	for (size_t i = 0; i < count; i++) {
		const uint16_t *next = rows[i].ports;
		char yaml[128];

		snprintf(yaml, sizeof(yaml), FENCE "presets: [%s]\n", rows[i].preset);
		build(yaml);
		for (unsigned port = 1; port < PORTS; port++) {
			const bool expected = port == *next;

			next += expected;
			cr_expect_eq(is_exempt((uint16_t)port), expected, "%s: port %u",
				     rows[i].preset, port);
		}
		discard();
	}
}

/* The TCP ports of an ejabberd.yml: the lines "port: N", without those of UDP. */
static size_t read_ports(const char *name, uint16_t *ports, size_t room)
{
	_cleanup_fclose_ FILE *file = fopen(name, "r");
	char line[512], word[16];
	size_t count = 0;
	unsigned port;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, " port: %u", &port) == 1 && count < room)
			ports[count++] = (uint16_t)port;
		if (sscanf(line, " transport: %15s", word) == 1 && !strcmp(word, "udp") && count)
			count--;
	}
	return count;
}

Test(config_presets, leave_the_ports_of_debians_ejabberd_to_its_clients)
{
	/* Of its package 23.01-1; the package itself, where it is installed. */
	uint16_t ports[64] = {5222, 5223, 5269, 5443, 5280, 1883};
	size_t count = read_ports("/etc/ejabberd/ejabberd.yml", ports, 64);

	if (!count)
		count = read_ports("/usr/share/ejabberd/ejabberd.yml.example", ports, 64);
	build(FENCE "presets: [ejabberd]\n");
	for (size_t i = 0; i < (count ?: 6); i++)
		cr_expect(is_exempt(ports[i]), "port %u", ports[i]);
}

Test(config_presets, are_told_for_each_port_with_their_line_and_cluster)
{
	struct port_owner owner;

	build(FENCE "epmd: {ports: [4369]}\nclusters:\n"
		    "  - {name: a, ports: [4000-4010, 4100]}\n"
		    "  - {name: b, presets: [rabbitmq]}\n");
	cr_assert(config_port_owner(config, 4010, &owner));
	cr_expect_str_eq(owner.cluster, "a");
	cr_expect(owner.range->first == 4000 && owner.range->line == 4 && !owner.preset);
	cr_assert(config_port_owner(config, 6379, &owner));
	cr_expect_str_eq(owner.cluster, "b");
	cr_expect_str_eq(owner.preset->name, "rabbitmq");
	cr_expect(owner.range->last == 6500 && owner.range->line == 5 && !owner.epmd);
	cr_assert(config_port_owner(config, 4369, &owner));
	cr_expect(owner.epmd && !owner.cluster && owner.range->line == 2);
	cr_expect_not(config_port_owner(config, 4011, &owner));
	discard();
	build(FENCE "presets: [couchdb]\n");
	cr_assert(config_port_owner(config, 9100, &owner));
	cr_expect(!owner.cluster && owner.preset && owner.range->line == 2);
}

Test(config_presets, exempt_client_ports_under_a_cluster_and_beside_those_that_are_listed)
{
	build(FENCE "discovery: {exempt_ports: [8000, 5672]}\n"
		    "clusters:\n  - {name: mq, presets: [rabbitmq]}\n"
		    "  - {name: db, presets: [couchdb]}\n");
	cr_expect(is_exempt(8000) && is_exempt(5672) && is_exempt(15672) && is_exempt(5984));
	cr_expect(!is_exempt(25672) && !is_exempt(5222));
}

Test(config_presets, do_not_exempt_a_client_port_that_the_configuration_protects)
{
	build(FENCE "presets: [rabbitmq, riak, couchdb]\nclusters:\n"
		    "  - {name: a, ports: [5672, 15692], peers: [10.0.0.1]}\n");
	cr_expect(is_protected(5672) && !is_exempt(5672));
	cr_expect(is_protected(15692) && !is_exempt(15692));
	cr_expect(is_protected(6984) && !is_exempt(6984), "in the range of another preset");
	cr_expect(!is_protected(5671) && is_exempt(5671));
}

Test(config_presets, exempt_nothing_where_none_is_listed)
{
	build(FENCE);
	for (unsigned port = 0; port < PORTS; port++)
		cr_expect(!is_exempt((uint16_t)port), "port %u", port);
}

Test(config_presets, are_refused_where_they_make_no_sense)
{
	static const struct bad rows[] = {
		{FENCE "\npresets: [rabitmq]\n", 3,
		 "none called \"rabitmq\"; there are: rabbitmq, emqx, vernemq, ejabberd, "
		 "couchdb, riak, elixir"},
		{FENCE "presets:\n  - riak\n  - riak\n", 4,
		 "\"riak\" is listed twice (first on line 3)"},
		{FENCE "presets: rabbitmq\n", 2, "expected a list"},
		{FENCE "presets: [[riak]]\n", 2, "expected a single value"},
		{FENCE "presets: [riak]\nclusters: [{name: a}, {name: b}]\n", 2,
		 "which of the 2 clusters are the ports of \"riak\" for?"},
		{FENCE "clusters:\n  - {name: a, presets: [riak]}\n"
		       "  - {name: b, presets: [riak]}\n",
		 4, "\"6000-7999\" of cluster \"b\" overlaps \"6000-7999\" of cluster \"a\""},
		{FENCE "clusters:\n  - {name: a, ports: [6000-6100, 6050]}\n"
		       "presets: [riak]\n",
		 3, "overlaps \"6000-6100\" of cluster \"a\""},
		{FENCE "epmd: {ports: [4369, 4370]}\npresets: [emqx]\n", 3,
		 "\"4370-4379\" of presets overlaps \"4370\" of epmd"},
		/* A wide range of its own cluster does not hide the stranger behind it. */
		{FENCE "clusters:\n  - {name: a, ports: [5000-9000], presets: [riak]}\n"
		       "  - {name: b, ports: [8500]}\n",
		 4, "\"8500\" of cluster \"b\" overlaps \"5000-9000\" of cluster \"a\""},
	};

	EXPECT_BAD(rows);
}

Test(config_presets, warn_of_each_client_port_that_anything_closes)
{
	build(FENCE "presets: [riak, couchdb]\nclusters:\n"
		    "  - name: a\n    ports:\n      - 8087\n");
	cr_assert_eq(config->warning_count, 2);
	cr_expect_str_eq(config->warnings[0],
			 "line 6: port 8087, which clients of riak use, lies in the protected "
			 "8087-8087: no client reaches it");
	cr_expect_str_eq(config->warnings[1],
			 "line 2: port 6984, which clients of couchdb use, lies in the protected "
			 "6000-7999: no client reaches it");
	cr_expect(is_protected(8087), "what is listed is closed all the same");
}

Test(config_presets, warn_of_ports_that_only_discovery_finds_when_it_is_off)
{
	build(FENCE "presets: [rabbitmq, elixir]\ndiscovery: {listeners: false}\n");
	cr_assert_eq(config->warning_count, 1);
	cr_expect(strstr(config->warnings[0], "line 2: the distribution's port of elixir changes"),
		  "%s", config->warnings[0]);
}
