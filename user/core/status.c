// SPDX-License-Identifier: BSD-2-Clause
#include "core/status.h"

#include "core/json_text.h"

static json_t *interface_json(const struct interface_state *state)
{
	const bool attached = state->attached != ATTACHED_NOT;

	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "name", state->name, "zone",
			 zone_name(state->zone), "attached", attached, "attach_mode",
			 attached ? json_string(attach_mode_name(state->attached)) : json_null(),
			 "problem", json_null_or_string(state->problem), "vlan",
			 state->vlan ? json_integer(state->vlan) : json_null(), "on",
			 json_null_or_string(state->on), "note", json_null_or_string(state->note));
}

static json_t *interfaces_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->interface_count; i++)
		json_array_append_new(list, interface_json(&snapshot->interfaces[i]));
	return list;
}

static json_t *unassigned_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->unassigned_count; i++)
		json_array_append_new(list, json_string(snapshot->unassigned[i]));
	return list;
}

static json_t *warnings_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->problems.count; i++)
		json_array_append_new(list, json_string(snapshot->problems.list[i].text));
	return list;
}

static json_t *lacks_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->lack_count; i++)
		json_array_append_new(list, json_string(snapshot->lacks[i].why));
	return list;
}

static json_t *cluster_names_json(const struct snapshot *snapshot)
{
	json_t *list = json_array();

	for (size_t i = 0; i < snapshot->cluster_count; i++)
		json_array_append_new(list, json_string(snapshot->peers[i].cluster));
	return list;
}

static json_t *features_json(const struct fence_features *features)
{
	return json_pack("{s:b, s:b, s:b, s:b}", "frags", features->multi_buffer, "conntrack",
			 features->conntrack, "gate", features->gate, "listens", features->listens);
}

static json_t *reload_json(const struct config_state *config)
{
	return json_pack("{s:b, s:I, s:o}", "ok", config->last_reload_successful, "time",
			 (json_int_t)config->last_reload_time_s, "error",
			 config->last_reload_successful ? json_null()
							: json_string(config->last_reload_error));
}

static json_t *trial_json(const struct trial_state *trial)
{
	if (!trial->file)
		return json_null();
	return json_pack("{s:s, s:I, s:I, s:I}", "file", trial->file, "uid", (json_int_t)trial->uid,
			 "pid", (json_int_t)trial->pid, "left_s", (json_int_t)trial->left_s);
}

static json_t *discovery_json(const struct config_state *config)
{
	return json_pack("{s:b, s:s, s:s}", "listeners", config->watches, "autobound",
			 config->protects_autobound ? "protect" : "ignore", "fixed",
			 config->protects_fixed ? "protect" : "known");
}

json_t *status_json(const struct snapshot *snapshot)
{
	const struct config_state *config = &snapshot->config;

	return json_pack(
		"{s:s, s:i, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, "
		"s:I, s:o, s:s, s:o, s:o, s:o}",
		"version", snapshot->version, "pid", snapshot->pid, "config", config->path,
		"pin_dir", snapshot->pin_dir, "mode", mode_name(snapshot->mode), "features",
		features_json(&snapshot->features), "interfaces", interfaces_json(snapshot),
		"unassigned", unassigned_json(snapshot), "peers",
		(json_int_t)snapshot_peers(snapshot), "peers_limit", (json_int_t)PEERS_MAX,
		"protected_ports", (json_int_t)snapshot_ports(snapshot), "last_reload",
		reload_json(config), "warnings", warnings_json(snapshot), "state_dir",
		json_null_or_string(snapshot->state_dir), "runtime_peers",
		(json_int_t)snapshot->runtime_peers, "trial", trial_json(&snapshot->trial),
		"config_in_force", config->in_force, "clusters", cluster_names_json(snapshot),
		"lacks", lacks_json(snapshot), "discovery", discovery_json(config));
}
