// SPDX-License-Identifier: BSD-2-Clause
#include "core/config_diff.h"
#include "tests/unit/config_file.h"

TestSuite(config_diff, .init = make_directory, .fini = remove_directory);

static void cleanup_diff(struct config_diff *diff)
{
	config_diff_free(diff);
}
#define _cleanup_diff_ _cleanup_(cleanup_diff)

static void compare(const char *before, const char *after, struct config_diff *diff)
{
	_cleanup_config_ struct config *former = loaded(before);
	_cleanup_config_ struct config *next = loaded(after);

	cr_assert_not(config_compare(former, next, diff));
}

static void expect_lines(const struct config_diff *diff, const char *const *lines, size_t count)
{
	cr_expect_eq(diff->line_count, count, "%zu lines", diff->line_count);
	for (size_t i = 0; i < count && i < diff->line_count; i++)
		cr_expect_str_eq(diff->lines[i], lines[i]);
}

#define EXPECT_LINES(diff, ...)                                              \
	do {                                                                 \
		static const char *const lines[] = {__VA_ARGS__};            \
                                                                             \
		expect_lines(diff, lines, sizeof(lines) / sizeof(lines[0])); \
	} while (0)

Test(config_diff, order_and_form_are_no_difference)
{
	_cleanup_diff_ struct config_diff diff = {};

	compare("interfaces: {client: [eth0, eth1]}\n"
		"clusters:\n"
		"  - {name: a, ports: [9100], peers: [10.0.0.1, 10.0.0.0/24]}\n"
		"  - {name: b}\n",
		"clusters:\n"
		"  - name: b\n"
		"  - {name: a, peers: [10.0.0.0/24, 10.0.0.1/32], ports: [9100]}\n"
		"mode: enforce\n"
		"interfaces: {client: [eth1, eth0]}\n",
		&diff);
	cr_expect_eq(diff.line_count, 0);
	cr_expect_eq(diff.added + diff.removed, 0);
}

Test(config_diff, peers_ports_and_nodes_are_told_with_their_cluster)
{
	_cleanup_diff_ struct config_diff diff = {};

	compare(FENCE "clusters: [{name: app, ports: [9100-9155, 25672], nodes: [\"a@*\"], "
		      "peers: [10.0.1.1, 10.0.1.2, \"fd00::/64\"]}]\n",
		FENCE "clusters: [{name: app, ports: [9100-9160, 25672], nodes: [\"b@*\"], "
		      "peers: [10.0.1.2, 10.0.1.3, \"fd00::/64\"]}]\n",
		&diff);
	EXPECT_LINES(&diff, "- nodes a@* of app", "+ nodes b@* of app", "- port 9100-9155 of app",
		     "+ port 9100-9160 of app", "- peer 10.0.1.1/32 of app",
		     "+ peer 10.0.1.3/32 of app");
	cr_expect_eq(diff.added, 3);
	cr_expect_eq(diff.removed, 3);
}

Test(config_diff, a_cluster_comes_and_goes_with_all_that_it_has)
{
	_cleanup_diff_ struct config_diff diff = {};

	compare(FENCE "clusters: [{name: old, ports: [9100], peers: [10.0.0.1]}]\n",
		FENCE "clusters: [{name: new, ports: [9100], peers: [10.0.0.1]}]\n", &diff);
	EXPECT_LINES(&diff, "+ cluster new", "- cluster old", "+ port 9100 of new",
		     "- port 9100 of old", "- peer 10.0.0.1/32 of old",
		     "+ peer 10.0.0.1/32 of new");
}

Test(config_diff, an_interface_that_changes_its_zone_is_told_with_both)
{
	_cleanup_diff_ struct config_diff diff = {};

	compare("interfaces: {client: [eth0, eth1.120]}\n",
		"interfaces: {client: [eth0], trusted: [eth1.120]}\n", &diff);
	EXPECT_LINES(&diff, "- client interface eth1.120", "+ trusted interface eth1.120");
}

Test(config_diff, every_setting_counts)
{
	_cleanup_diff_ struct config_diff diff = {};

	compare(FENCE,
		"interfaces: {client: [eth0], attach: generic}\n"
		"mode: audit\n"
		"epmd: {ports: [4368]}\n"
		"presets: [emqx]\n"
		"discovery: {listeners: false, autobound: ignore, fixed: protect, "
		"exempt_ports: [8080]}\n"
		"events: {journal: drops}\n"
		"metrics: {listen: \"[::1]:9400\"}\n"
		"control: {socket: /tmp/x.sock, group: ops, readers: looks}\n",
		&diff);
	EXPECT_LINES(&diff, "- control.group beamfence", "+ control.group ops",
		     "+ control.readers looks", "- control.socket /run/beamfence/control.sock",
		     "+ control.socket /tmp/x.sock", "+ discovery.autobound ignore",
		     "- discovery.autobound protect", "- discovery.fixed known",
		     "+ discovery.fixed protect", "+ discovery.listeners false",
		     "- discovery.listeners true", "+ epmd port 4368", "- epmd port 4369",
		     "+ events.journal drops", "- events.journal off", "+ exempt port 8080",
		     "- interfaces.attach auto", "+ interfaces.attach generic",
		     "- metrics.listen 127.0.0.1:9369", "+ metrics.listen [::1]:9400",
		     "+ mode audit", "- mode enforce", "+ port 4370-4379 of no cluster",
		     "+ port 5369-5379 of no cluster", "+ preset emqx");
}

/* A list of thousands is nothing to read: they are counted. */
Test(config_diff, lines_are_limited_and_numbers_are_not)
{
	_cleanup_diff_ struct config_diff diff = {};
	char yaml[65536];
	size_t length = (size_t)snprintf(yaml, sizeof(yaml),
					 FENCE "clusters: [{name: app, peers: [10.0.0.0");

	for (int i = 1; i < 2000; i++)
		length += (size_t)snprintf(yaml + length, sizeof(yaml) - length, ", 10.0.%d.%d",
					   i / 256, i % 256);
	snprintf(yaml + length, sizeof(yaml) - length, "]}]\n");
	compare(FENCE "clusters: [{name: app}]\n", yaml, &diff);
	cr_expect_eq(diff.line_count, CONFIG_DIFF_LINES_MAX);
	cr_expect_eq(diff.added, 2000);
	cr_expect_eq(diff.removed, 0);
}
