// SPDX-License-Identifier: BSD-2-Clause
/* A configuration of any text, and for one that is taken a policy and a plan. */
#include "core/config.h"
#include "core/plan.h"
#include "core/policy.h"
#include "tests/fuzz/fuzz.h"

static const struct host_interface host[] = {
	{.name = "lo", .ifindex = 1, .ethernet = true, .loopback = true},
	{.name = "eth0", .ifindex = 2, .ethernet = true},
	{.name = "eth1", .ifindex = 3, .ethernet = true, .master = 5},
	{.name = "eth0.120",
	 .ifindex = 4,
	 .ethernet = true,
	 .kind = DEVICE_VLAN,
	 .lower = 2,
	 .vlan = 120},
	{.name = "bond0", .ifindex = 5, .ethernet = true, .kind = DEVICE_BOND},
	{.name = "tun0", .ifindex = 6},
};

static void check_ranges(const struct port_ranges *ranges)
{
	for (size_t i = 0; i < ranges->count; i++)
		DEMAND(ranges->items[i].first && ranges->items[i].first <= ranges->items[i].last);
}

static void check(const struct config *config)
{
	check_ranges(&config->epmd_ports);
	check_ranges(&config->exempt_ports);
	DEMAND(config->cluster_count <= CLUSTERS_MAX);
	for (size_t i = 0; i < config->cluster_count; i++) {
		check_ranges(&config->clusters[i].ports);
		DEMAND(strlen(config->clusters[i].name) < CLUSTER_NAME_SIZE);
		DEMAND(policy_cluster_index(config, config->clusters[i].name) == (int)i);
	}
	for (size_t i = 0; i < config->interface_count; i++)
		DEMAND(config->interfaces[i].vlan < VLAN_IDS && config->interfaces[i].line);
	DEMAND(config->control_socket && config->control_socket[0] == '/');
}

static void build(const struct config *config)
{
	struct policy *policy = NULL;
	struct plan *plan = NULL;
	struct error error = {""};

	if (policy_build(&(struct policy_parts){.config = config}, &policy, &error))
		demand_line(error.text, sizeof(error.text));
	DEMAND(plan_build(config, host, sizeof(host) / sizeof(host[0]), &plan, &error) == 0);
	for (size_t i = 0; i < plan->interface_count; i++)
		DEMAND(!plan->interfaces[i].host.loopback);
	plan_free(plan);
	policy_free(policy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = exact_copy(data, size);
	struct config *config = NULL;
	struct error error = {""};
	const int code = config_read("x.yaml", text, size, &config, &error);

	if (code) {
		DEMAND(code < 0 && !config && !strncmp(error.text, "x.yaml:", 7));
		demand_line(error.text, sizeof(error.text));
	} else {
		check(config);
		build(config);
		config_free(config);
	}
	free(text);
	return 0;
}
