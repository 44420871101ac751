// SPDX-License-Identifier: BSD-2-Clause
#include "core/metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/text.h"

static void write_header(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Label values may hold anything: cluster names are checked, interface names are the kernel's. */
static void write_label(FILE *out, const char *separator, const char *name, const char *value)
{
	size_t length;

	fprintf(out, "%s%s=\"", separator, name);
	for (const char *c = value; *c; c += length ? length : 1) {
		uint32_t character;

		length = text_decode(c, strlen(c), &character);
		if (!length) /* Prometheus would refuse the whole page */
			fputc('?', out);
		else if (*c == '\n')
			fputs("\\n", out);
		else if (*c == '\\' || *c == '"')
			fprintf(out, "\\%c", *c);
		else
			fwrite(c, 1, length, out);
	}
	fputc('"', out);
}

static void write_gauge(FILE *out, const char *name, const char *help, int64_t value)
{
	write_header(out, name, "gauge", help);
	fprintf(out, "%s %" PRId64 "\n", name, value);
}

static void write_counter_series(FILE *out, const char *name, const struct counter *counter,
				 uint64_t value)
{
	fputs(name, out);
	write_label(out, "{", "interface", counter->interface);
	write_label(out, ",", "zone", zone_name(counter->zone));
	write_label(out, ",", "verdict", verdict_name(counter->verdict));
	write_label(out, ",", "reason", reason_name(counter->reason));
	fprintf(out, "} %" PRIu64 "\n", value);
}

static void write_counters(FILE *out, const struct snapshot *snapshot)
{
	write_header(out, "beamfence_packets_total", "counter",
		     "Frames that arrived, by what was done with them and why.");
	for (size_t i = 0; i < snapshot->counter_count; i++)
		write_counter_series(out, "beamfence_packets_total", &snapshot->counters[i],
				     snapshot->counters[i].packets);
	write_header(out, "beamfence_bytes_total", "counter",
		     "Bytes of the frames that arrived, link-layer header included.");
	for (size_t i = 0; i < snapshot->counter_count; i++)
		write_counter_series(out, "beamfence_bytes_total", &snapshot->counters[i],
				     snapshot->counters[i].bytes);
}

static void write_interfaces(FILE *out, const struct snapshot *snapshot)
{
	write_header(out, "beamfence_interface_attached", "gauge",
		     "Whether the filter is on an interface or VLAN that the configuration names.");
	for (size_t i = 0; i < snapshot->interface_count; i++) {
		const struct interface_state *state = &snapshot->interfaces[i];

		fputs("beamfence_interface_attached", out);
		write_label(out, "{", "interface", state->name);
		write_label(out, ",", "zone", zone_name(state->zone));
		write_label(out, ",", "mode", attach_mode_name(state->attached));
		fprintf(out, "} %d\n", state->attached != ATTACHED_NOT);
	}
	write_header(out, "beamfence_interface_reattached_total", "counter",
		     "Times that something had taken the filter off and it was put back.");
	for (size_t i = 0; i < snapshot->reattachment_count; i++) {
		fputs("beamfence_interface_reattached_total", out);
		write_label(out, "{", "interface", snapshot->reattachments[i].interface);
		fprintf(out, "} %" PRIu64 "\n", snapshot->reattachments[i].count);
	}
	write_gauge(out, "beamfence_interface_unassigned",
		    "Interfaces that the configuration does not name.",
		    (int64_t)snapshot->unassigned_count);
}

static void write_policy(FILE *out, const struct snapshot *snapshot)
{
	write_gauge(out, "beamfence_enforcing",
		    "1 when frames are dropped, 0 in audit mode, which only counts.",
		    snapshot->mode == MODE_ENFORCE);
	write_header(out, "beamfence_protected_ports", "gauge", "TCP ports that are protected.");
	for (size_t i = 0; i < PORT_COUNTS; i++) {
		fputs("beamfence_protected_ports", out);
		write_label(out, "{", "kind", snapshot->ports[i].kind);
		write_label(out, ",", "source", snapshot->ports[i].source);
		fprintf(out, "} %" PRIu64 "\n", snapshot->ports[i].count);
	}
	write_header(out, "beamfence_peers", "gauge", "Prefixes that may reach a cluster's ports.");
	for (size_t i = 0; i < snapshot->cluster_count; i++) {
		const struct peer_count *peers = &snapshot->peers[i];

		for (int ipv6 = 0; ipv6 < 2; ipv6++) {
			fputs("beamfence_peers", out);
			write_label(out, "{", "cluster", peers->cluster);
			write_label(out, ",", "family", ipv6 ? "ipv6" : "ipv4");
			fprintf(out, "} %" PRIu64 "\n", ipv6 ? peers->ipv6 : peers->ipv4);
		}
	}
	write_gauge(out, "beamfence_peers_limit", "Prefixes that there may be in all.", PEERS_MAX);
}

static void write_agent(FILE *out, const struct snapshot *snapshot)
{
	write_gauge(out, "beamfence_config_last_reload_successful",
		    "Whether the last attempt to load the configuration succeeded.",
		    snapshot->config.last_reload_successful);
	write_gauge(out, "beamfence_config_last_reload_success_timestamp_seconds",
		    "When the configuration in force was loaded.",
		    snapshot->config.last_success_time_s);
	write_gauge(out, "beamfence_try_active",
		    "1 while a configuration is tried that goes back by itself.",
		    snapshot->trial.file != NULL);
	write_header(out, "beamfence_events_lost_total", "counter",
		     "Events that could not be reported.");
	fprintf(out, "beamfence_events_lost_total %" PRIu64 "\n", snapshot->events_lost);
	write_header(out, "beamfence_listeners_untracked_total", "counter",
		     "Listeners that could not be followed: their ports stay protected.");
	fprintf(out, "beamfence_listeners_untracked_total %" PRIu64 "\n",
		snapshot->watch.untracked);
	write_header(out, "beamfence_listeners_unfollowed_total", "counter",
		     "Listeners and connections to epmd past their user's limit: not protected.");
	fprintf(out, "beamfence_listeners_unfollowed_total %" PRIu64 "\n", snapshot->watch.refused);
	write_header(
		out, "beamfence_watch_missed_total", "counter",
		"Events that the kernel kept from the listener watch: made good by a listing.");
	fprintf(out, "beamfence_watch_missed_total %" PRIu64 "\n", snapshot->watch.missed);
	write_header(out, "beamfence_registered_unfenced", "gauge",
		     "Names that epmd has for ports where no registered process listens.");
	fprintf(out, "beamfence_registered_unfenced %zu\n", snapshot->watch.stray_names);
	write_header(out, "beamfence_warnings", "gauge",
		     "What status warns of, by kind: see WARNINGS in beamfenced(8).");
	for (enum problem_kind kind = 0; kind < PROBLEM_KINDS; kind++) {
		fputs("beamfence_warnings", out);
		write_label(out, "{", "kind", problem_kind_name(kind));
		fprintf(out, "} %zu\n", snapshot->problems.of_kind[kind]);
	}
	write_header(out, "beamfence_build_info", "gauge", "1, with the version as a label.");
	fputs("beamfence_build_info", out);
	write_label(out, "{", "version", snapshot->version);
	fputs("} 1\n", out);
}

int metrics_write(FILE *out, const struct snapshot *snapshot)
{
	write_counters(out, snapshot);
	write_interfaces(out, snapshot);
	write_policy(out, snapshot);
	write_agent(out, snapshot);
	return fflush(out) == EOF || ferror(out) ? -EIO : 0;
}
