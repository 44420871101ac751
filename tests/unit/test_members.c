// SPDX-License-Identifier: BSD-2-Clause
#include "core/members.h"
#include "tests/unit/config_file.h"

static struct config *config;

static void stop(void)
{
	config_free(config);
	remove_directory();
}

TestSuite(members, .init = make_directory, .fini = stop);

static void load_clusters(const char *clusters)
{
	char yaml[1024];
	struct error error = {""};

	snprintf(yaml, sizeof(yaml), FENCE "clusters:\n%s", clusters);
	cr_assert_eq(load(yaml, &config, &error), 0, "%s", error.text);
}

struct row {
	const char *node;
	uint8_t cluster;
};

static void expect_clusters(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cr_expect_eq(members_cluster(config, rows[i].node), rows[i].cluster, "%s: %u",
			     rows[i].node, members_cluster(config, rows[i].node));
}
#define EXPECT_CLUSTERS(rows) expect_clusters(rows, sizeof(rows) / sizeof(rows[0]))

Test(members, are_taken_by_the_first_glob_that_fits_the_name)
{
	static const struct row rows[] = {
		{"app", 0}, {"app1", 0}, {"db7", 1}, {"db77", CLUSTER_NOBODY}, {"other", 2},
	};

	load_clusters("  - {name: a, nodes: [\"app*@*\"]}\n"
		      "  - {name: b, nodes: [\"db[0-9]@here\", \"app1\"]}\n"
		      "  - {name: c, nodes: [other]}\n");
	EXPECT_CLUSTERS(rows);
}

Test(members, include_the_tools_of_a_product_for_the_node_that_they_name)
{
	static const struct row rows[] = {
		{"rabbitmqcli-4711-rabbit", 0},
		{"rabbitmqcli-4711-mq2", 1},
		{"rabbitmqcli-4711-my-rabbit", 2},
		{"rabbitmqcli-4711-other", CLUSTER_NOBODY},
		{"rabbitmqcli-x y-rabbit", CLUSTER_NOBODY},
		{"rabbitmqcli--rabbit", CLUSTER_NOBODY},
		{"rabbitmqcli-4711-", CLUSTER_NOBODY},
		{"xrabbitmqcli-4711-rabbit", CLUSTER_NOBODY},
		{"1a2b3c4d-ctl-ejabberd", 3},
		{"ctl-1-ejabberd", 3},
		{"1a2b3c4d-debug-ejabberd", 3},
		{"rem-0f1e-shop", 4},
		{"rpc-0f1e-shop", 4},
		{"rem-shop", CLUSTER_NOBODY},
		{"remsh1f-emqx", 5},
		{"emqx_maint_4711", 5},
		{"emqx_maint_", CLUSTER_NOBODY},
	};

	load_clusters("  - {name: a, nodes: [\"rabbit@*\"]}\n"
		      "  - {name: b, nodes: [\"mq[0-9]@*\"]}\n"
		      "  - {name: c, nodes: [\"my-rabbit@*\"]}\n"
		      "  - {name: d, nodes: [\"ejabberd@*\"]}\n"
		      "  - {name: e, nodes: [\"shop@*\"]}\n"
		      "  - {name: f, nodes: [\"emqx@*\"]}\n");
	EXPECT_CLUSTERS(rows);
}

Test(members, include_tools_that_name_no_node_by_the_usual_name_of_their_product)
{
	static const struct row rows[] = {
		{"rabbitmqcli-4711", 0},
		{"rabbitmq-cli-12", 0},
		{"remsh4711", 1}, /* EMQX's would be one too, and no cluster takes "emqx" */
		{"0a1b-ping", CLUSTER_NOBODY},
	};

	load_clusters("  - {name: a, nodes: [\"rabbit@*\"]}\n"
		      "  - {name: b, nodes: [\"couchdb@*\"]}\n");
	EXPECT_CLUSTERS(rows);
}

Test(members, include_the_tools_of_a_listed_preset_where_no_glob_takes_them)
{
	static const struct row rows[] = {
		{"rabbitmqcli-4711-rabbit", 0}, {"rabbitmqcli-4711-rabbit2", 1},
		{"1a2b3c4d-ctl-ejabberd", 2},	{"rem-0f1e-shop", CLUSTER_NOBODY},
		{"ejabberd", CLUSTER_NOBODY}, /* the node itself: it has to be named */
	};

	load_clusters("  - {name: a, nodes: [\"rabbit@*\"]}\n"
		      "  - {name: b, presets: [rabbitmq]}\n"
		      "  - {name: c, presets: [ejabberd]}\n");
	EXPECT_CLUSTERS(rows);
}

Test(members, by_a_glob_go_before_tools)
{
	load_clusters("  - {name: a, nodes: [\"rabbit@*\"]}\n"
		      "  - {name: b, nodes: [\"rabbitmqcli-*@*\"]}\n");
	cr_expect_eq(members_cluster(config, "rabbitmqcli-4711-rabbit"), 1);
}

Test(members, of_presets_that_no_cluster_lists_are_none)
{
	struct error error = {""};

	cr_assert_eq(load(FENCE "presets: [rabbitmq]\n", &config, &error), 0, "%s", error.text);
	cr_expect_eq(members_cluster(config, "rabbitmqcli-4711-rabbit"), CLUSTER_NOBODY);
}
