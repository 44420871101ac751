// SPDX-License-Identifier: BSD-2-Clause
/* One snapshot, told in four forms, and to the log: all say the same. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/state_log.h"
#include "core/health.h"
#include "core/metrics.h"
#include "core/plan.h"
#include "core/status.h"

static struct snapshot snapshot;
static struct state_log state_log;
static int reader = -1;
static int saved_stderr = -1;

static const struct interface_state attached = {
	.name = "eth0",
	.zone = ZONE_CLIENT,
	.attached = ATTACHED_NATIVE,
};

/* With what the host has, and with what it lacks. */
static void list_interfaces(const struct interface_state *state,
			    const struct interface_rule *absent)
{
	const struct plan plan = {.absent = &absent, .absent_count = absent != NULL};

	free(snapshot.interfaces);
	cr_assert_eq(snapshot_list_interfaces(&snapshot, state, state != NULL, &plan), 0);
}

static void begin(void)
{
	int ends[2];

	cr_assert_eq(pipe2(ends, O_NONBLOCK), 0);
	saved_stderr = dup(STDERR_FILENO);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
	unsetenv("JOURNAL_STREAM");
	snapshot = (struct snapshot){
		.version = "1.2.3",
		.pin_dir = "/pins",
		.config = {.path = "/config", .in_force = "file", .last_reload_successful = true},
	};
	for (size_t i = 0; i < PORT_COUNTS; i++)
		snapshot.ports[i] = (struct port_count){"dist", "config", 0};
	list_interfaces(&attached, NULL);
}

static void end(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(reader);
	state_log_free(&state_log);
	snapshot_free(&snapshot);
}

TestSuite(snapshot, .init = begin, .fini = end);

static void expect_in_log(const char *wanted)
{
	char text[4096];
	const ssize_t size = read(reader, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	cr_expect(strstr(text, wanted), "\"%s\" is not in the log: %s", wanted, text);
}

static void expect_not_in_log(const char *unwanted)
{
	char text[4096];
	const ssize_t size = read(reader, text, sizeof(text) - 1);

	text[size > 0 ? size : 0] = '\0';
	cr_expect_null(strstr(text, unwanted), "\"%s\" is in the log: %s", unwanted, text);
}

static void expect_metric(const char *line)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(metrics_write(out, &snapshot), 0);
	fclose(out);
	cr_expect(strstr(text, line), "%s is not in %s", line, text);
	free(text);
}

static void expect_health(const char *wanted)
{
	struct error reason = {};

	cr_expect_eq(health_check(&snapshot, &reason) != 0, wanted != NULL);
	cr_expect_str_eq(reason.text, wanted ?: "");
}

static void expect_summary(const char *wanted)
{
	char text[SUMMARY_SIZE];

	cr_expect_str_eq(health_summary(&snapshot, text), wanted);
}

/* What status says of the interface at @index, as JSON. */
static void expect_interface(size_t index, const char *wanted)
{
	json_t *status = status_json(&snapshot);
	char *text = json_dumps(json_array_get(json_object_get(status, "interfaces"), index),
				JSON_SORT_KEYS);

	cr_assert_not_null(status);
	cr_expect_str_eq(text ?: "", wanted);
	free(text);
	json_decref(status);
}

static void expect_warnings(const char *wanted)
{
	json_t *status = status_json(&snapshot);
	char *text = json_dumps(json_object_get(status, "warnings"), 0);

	cr_expect_str_eq(text ?: "", wanted);
	free(text);
	json_decref(status);
}

Test(snapshot, an_interface_that_the_host_lacks_is_told_of_everywhere_in_the_same_words)
{
	static char name[] = "eht1";
	const struct interface_rule rule = {.pattern = name, .zone = ZONE_CLUSTER};

	list_interfaces(&attached, &rule);
	expect_metric("beamfence_interface_attached{interface=\"eht1\",zone=\"cluster\","
		      "mode=\"none\"} 0\n");
	expect_interface(1, "{\"attach_mode\": null, \"attached\": false, \"name\": \"eht1\", "
			    "\"note\": null, \"on\": null, "
			    "\"problem\": \"there is no such interface\", \"vlan\": null, "
			    "\"zone\": \"cluster\"}");
	expect_health("eht1 (cluster): there is no such interface");
	expect_summary("enforce: 1 of 2 interfaces attached; eht1 (cluster): there is no such "
		       "interface");
	state_log_all(&state_log, &snapshot);
	expect_in_log("warning not attached interface=eht1 zone=cluster "
		      "problem=\"there is no such interface\"\n");
}

Test(snapshot, one_that_is_of_a_vlan_has_the_vlan_in_its_name_everywhere)
{
	static char name[] = "eth0";
	const struct interface_rule rule = {.pattern = name, .vlan = 120, .zone = ZONE_CLIENT};

	list_interfaces(&attached, &rule);
	expect_metric("beamfence_interface_attached{interface=\"eth0.120\",zone=\"client\","
		      "mode=\"none\"} 0\n");
	expect_interface(1, "{\"attach_mode\": null, \"attached\": false, \"name\": "
			    "\"eth0.120\", \"note\": null, \"on\": null, "
			    "\"problem\": \"there is no such interface\", \"vlan\": 120, "
			    "\"zone\": \"client\"}");
	expect_health("eth0.120 (client): there is no such interface");
	state_log_all(&state_log, &snapshot);
	expect_in_log("interface=eth0.120 zone=client");
}

Test(snapshot, one_that_goes_away_is_logged_once)
{
	static char name[] = "eth0";
	const struct interface_rule rule = {.pattern = name, .zone = ZONE_CLIENT};

	state_log_all(&state_log, &snapshot);
	expect_in_log("info attached interface=eth0 zone=client mode=native\n");
	state_log_changes(&state_log, &snapshot);
	expect_not_in_log("eth0");
	list_interfaces(NULL, &rule);
	state_log_changes(&state_log, &snapshot);
	expect_in_log("not attached interface=eth0");
	state_log_changes(&state_log, &snapshot);
	expect_not_in_log("eth0");
}

Test(snapshot, what_is_trusted_may_be_absent)
{
	static char name[] = "wg0";
	const struct interface_rule rule = {.pattern = name, .zone = ZONE_TRUSTED};

	list_interfaces(&attached, &rule);
	expect_health(NULL);
	expect_summary("enforce: 1 of 2 interfaces attached");
}

Test(snapshot, an_interface_that_is_open_is_told_of_everywhere_in_the_same_words)
{
	const struct interface_state open = {
		.name = "eth1", .zone = ZONE_CLIENT, .problem = "another program is on it"};

	list_interfaces(&open, NULL);
	expect_metric("beamfence_interface_attached{interface=\"eth1\",zone=\"client\","
		      "mode=\"none\"} 0\n");
	expect_interface(0, "{\"attach_mode\": null, \"attached\": false, \"name\": \"eth1\", "
			    "\"note\": null, \"on\": null, "
			    "\"problem\": \"another program is on it\", \"vlan\": null, "
			    "\"zone\": \"client\"}");
	expect_health("eth1 (client) is open: another program is on it");
	expect_summary("enforce: 0 of 1 interfaces attached; eth1 (client) is open: another "
		       "program is on it");
	state_log_all(&state_log, &snapshot);
	expect_in_log("error not attached interface=eth1 zone=client "
		      "problem=\"another program is on it\"\n");
}

Test(snapshot, one_that_is_gated_is_not_open)
{
	const struct interface_state gated = {
		.name = "ppp0", .zone = ZONE_CLIENT, .gated = true, .problem = "gate only"};

	list_interfaces(&gated, NULL);
	expect_health(NULL);
}

Test(snapshot, a_problem_is_told_of_everywhere_in_the_same_words)
{
	problems_add(&snapshot.problems, PROBLEM_NOT_RUN, "eth0", "eth0 (client): it is not run");
	expect_metric("beamfence_warnings{kind=\"not-run\"} 1\n");
	expect_warnings("[\"eth0 (client): it is not run\"]");
	expect_health("eth0 (client): it is not run");
	expect_summary("enforce: 1 of 1 interfaces attached; eth0 (client): it is not run");
	state_log_problems(&state_log, &snapshot);
	expect_in_log("warning eth0 (client): it is not run problem=not-run\n");
	state_log_problems(&state_log, &snapshot);
	expect_in_log("notice no longer a problem problem=not-run subject=eth0\n");
}

Test(snapshot, what_is_wrong_with_the_configuration_is_logged_after_each_load_and_not_unhealthy)
{
	problems_add(&snapshot.problems, PROBLEM_CONFIG, "x", "line 3: port 22 is in use");
	expect_health(NULL);
	for (int load = 0; load < 2; load++) {
		state_log_all(&state_log, &snapshot);
		expect_in_log("warning line 3: port 22 is in use problem=config\n");
	}
	state_log_problems(&state_log, &snapshot);
	expect_not_in_log("line 3");
}

Test(snapshot, a_problem_that_stays_is_logged_once)
{
	for (int round = 0; round < 2; round++) {
		problems_add(&snapshot.problems, PROBLEM_EXPOSED_LISTENER, "1883", "port 1883");
		state_log_problems(&state_log, &snapshot);
		(round ? expect_not_in_log : expect_in_log)("port 1883");
	}
}

Test(snapshot, of_many_problems_of_a_kind_some_are_logged_at_a_time)
{
	char text[8192];
	ssize_t size;
	int lines = 0;

	for (int port = 0; port < 30; port++) {
		char subject[8];

		snprintf(subject, sizeof(subject), "%d", port);
		problems_add(&snapshot.problems, PROBLEM_EXPOSED_LISTENER, subject, "port %d",
			     port);
	}
	state_log_problems(&state_log, &snapshot);
	size = read(reader, text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	for (const char *c = text; (c = strchr(c, '\n')); c++)
		lines++;
	cr_expect_eq(lines, 10, "%d", lines);
	cr_expect_eq(state_log.problems.count, 10, "the rest is new next time");
}

Test(snapshot, the_service_manager_hears_of_a_reload_that_was_refused)
{
	snapshot.config.last_reload_successful = false;
	snapshot.mode = MODE_AUDIT;
	expect_summary("audit: 1 of 1 interfaces attached; the last reload was refused");
}

Test(snapshot, the_service_manager_hears_why_the_file_is_not_in_force_once)
{
	static char name[] = "eht1";
	const struct interface_rule rule = {.pattern = name, .zone = ZONE_CLUSTER};

	snapshot.config.last_reload_successful = false;
	problems_add(&snapshot.problems, PROBLEM_CONFIG_LAST_GOOD, "", "line 3 is wrong");
	expect_summary("enforce: 1 of 1 interfaces attached; line 3 is wrong");
	list_interfaces(&attached, &rule);
	expect_summary("enforce: 1 of 2 interfaces attached; eht1 (cluster): there is no such "
		       "interface; line 3 is wrong");
}

Test(snapshot, ports_and_peers_are_told_of_in_sum_and_by_cluster)
{
	json_t *status;

	snapshot.ports[0] = (struct port_count){"epmd", "config", 1};
	snapshot.ports[3] = (struct port_count){"dist", "autobound", 4};
	snapshot.cluster_count = 2;
	snapshot.peers[0] = (struct peer_count){"app", 2, 1};
	snapshot.peers[1] = (struct peer_count){"db", 0, 7};
	status = status_json(&snapshot);
	cr_assert_not_null(status);
	cr_expect_eq(json_integer_value(json_object_get(status, "protected_ports")), 5);
	cr_expect_eq(json_integer_value(json_object_get(status, "peers")), 10);
	cr_expect_eq(json_array_size(json_object_get(status, "clusters")), 2);
	json_decref(status);
	expect_metric("beamfence_protected_ports{kind=\"dist\",source=\"autobound\"} 4\n");
	expect_metric("beamfence_peers{cluster=\"db\",family=\"ipv6\"} 7\n");
}
