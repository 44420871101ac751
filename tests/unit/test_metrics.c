// SPDX-License-Identifier: BSD-2-Clause
/* The exposition text; that promtool accepts it is shown by tests/system. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/metrics.h"

static struct interface_state interfaces[] = {
	{.name = "eth0", .zone = ZONE_CLIENT, .attached = ATTACHED_NATIVE},
	{.name = "eth1.120", .vlan = 120, .zone = ZONE_CLUSTER, .problem = "it is down"},
};
static struct reattachments reattachments[] = {{"eth0", 4}};
static struct counter counters[] = {
	{"eth0", ZONE_CLIENT, VERDICT_DROP, REASON_CLIENT_NEW, 7, 420},
	{"we\"ird\\\xff\xc3\xa9", ZONE_CLUSTER, VERDICT_PASS, REASON_PEER, 1ull << 60, 3},
};
static const struct snapshot empty = {
	.version = "x",
	.ports = {{"epmd", "config", 0},
		  {"dist", "config", 0},
		  {"epmd", "epmd-listener", 0},
		  {"dist", "autobound", 0},
		  {"dist", "registered", 0},
		  {"dist", "cmdline", 0},
		  {"dist", "fixed", 0}},
};

static char *write_text(void)
{
	struct snapshot snapshot = empty;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	snapshot.version = "1.2.3";
	snapshot.mode = MODE_AUDIT;
	snapshot.interfaces = interfaces;
	snapshot.interface_count = 2;
	snapshot.unassigned_count = 3;
	snapshot.reattachments = reattachments;
	snapshot.reattachment_count = 1;
	snapshot.counters = counters;
	snapshot.counter_count = 2;
	snapshot.ports[0].count = 1;
	snapshot.ports[1].count = 56;
	snapshot.peers[0] = (struct peer_count){"app", 2, 1};
	snapshot.cluster_count = 1;
	snapshot.config.last_reload_successful = true;
	snapshot.config.last_success_time_s = 1700000000;
	snapshot.watch = (struct watch_state){11, 12, 13, 14};
	snapshot.problems.of_kind[PROBLEM_PINS] = 15;
	cr_assert_eq(metrics_write(out, &snapshot), 0);
	fclose(out);
	return text;
}

Test(metrics, every_metric_of_the_contract_is_there_with_its_labels)
{
	static const char *const lines[] = {
		"beamfence_packets_total{interface=\"eth0\",zone=\"client\",verdict=\"drop\","
		"reason=\"client-new\"} 7\n",
		"beamfence_bytes_total{interface=\"eth0\",zone=\"client\",verdict=\"drop\","
		"reason=\"client-new\"} 420\n",
		"beamfence_interface_attached{interface=\"eth0\",zone=\"client\",mode=\"native\"} "
		"1\n",
		"beamfence_interface_attached{interface=\"eth1.120\",zone=\"cluster\","
		"mode=\"none\"} 0\n",
		"beamfence_interface_reattached_total{interface=\"eth0\"} 4\n",
		"beamfence_interface_unassigned 3\n",
		"beamfence_enforcing 0\n",
		"beamfence_protected_ports{kind=\"epmd\",source=\"config\"} 1\n",
		"beamfence_protected_ports{kind=\"dist\",source=\"config\"} 56\n",
		"beamfence_peers{cluster=\"app\",family=\"ipv4\"} 2\n",
		"beamfence_peers{cluster=\"app\",family=\"ipv6\"} 1\n",
		"beamfence_peers_limit 1000000\n",
		"beamfence_try_active 0\n",
		"beamfence_config_last_reload_successful 1\n",
		"beamfence_config_last_reload_success_timestamp_seconds 1700000000\n",
		"beamfence_events_lost_total 0\n",
		"beamfence_listeners_untracked_total 11\n",
		"beamfence_listeners_unfollowed_total 12\n",
		"beamfence_watch_missed_total 13\n",
		"beamfence_registered_unfenced 14\n",
		"beamfence_warnings{kind=\"pins\"} 15\n",
		"beamfence_warnings{kind=\"user-limit\"} 0\n",
		"beamfence_build_info{version=\"1.2.3\"} 1\n",
	};
	char *text = write_text();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect(strstr(text, lines[i]), "missing: %s", lines[i]);
	free(text);
}

Test(metrics, label_values_are_escaped_and_large_counts_exact)
{
	char *text = write_text();

	cr_expect(strstr(text, "interface=\"we\\\"ird\\\\?\xc3\xa9\""));
	cr_expect(strstr(text, "reason=\"peer\"} 1152921504606846976\n"));
	free(text);
}

Test(metrics, only_counters_are_named_total_and_each_name_has_help_and_type_once)
{
	char *text = write_text();
	size_t types = 0, helps = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char name[128], type[32];

		helps += !strncmp(line, "# HELP ", 7);
		if (sscanf(line, "# TYPE %127s %31s", name, type) != 2)
			continue;
		types++;
		cr_expect_eq(!strcmp(type, "counter"),
			     strlen(name) > 6 && !strcmp(name + strlen(name) - 6, "_total"), "%s",
			     name);
	}
	cr_expect_gt(types, 10);
	cr_expect_eq(helps, types);
	free(text);
}

Test(metrics, a_full_disk_is_an_error)
{
	FILE *out = fopen("/dev/full", "w");

	cr_assert_not_null(out);
	cr_expect_lt(metrics_write(out, &empty), 0);
	fclose(out);
}
