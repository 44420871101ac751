/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration file: YAML text in, one checked structure out. Nothing here looks at the host:
 * whether an interface exists, or which of two globs fits it, is the plan's business.
 */
#ifndef BEAMFENCE_CONFIG_H
#define BEAMFENCE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/contract.h"
#include "core/address.h"
#include "core/error.h"
#include "core/presets.h"

#define CONFIG_DEFAULT	     "/etc/beamfence/beamfence.yaml"
#define CONFIG_FILE_SIZE_MAX (64u << 20) /* bytes: room for PEERS_MAX prefixes, a line each */

enum attach { ATTACH_AUTO, ATTACH_NATIVE, ATTACH_GENERIC };

/* One entry of interfaces.client, .cluster or .trusted: a name or glob, maybe with a VLAN. */
struct interface_rule {
	char *pattern;	/* without the VLAN: "eth0" of "eth0.120" */
	bool literal;	/* a name, though it has characters of globs: "x*0", written "x[*]0" */
	bool like_vlan; /* a name, though it ends as a VLAN does: "eth0.4095" */
	uint16_t vlan;	/* 1..4094, or 0 where the entry names the interface itself */
	enum zone zone;
	unsigned line; /* in the file, from 1 */
};

struct port_range {
	uint16_t first; /* 1..65535 */
	uint16_t last;	/* at least first */
	unsigned line;
};

struct port_ranges {
	struct port_range *items;
	size_t count;
};

struct cluster_config {
	char *name; /* unique; letters, digits, '_', '-', '.'; at most 63 */
	struct port_ranges ports;
	char **nodes; /* globs over node names */
	size_t node_count;
	struct prefix *peers; /* by prefix_compare() */
	size_t peer_count;
	size_t ipv4_peer_count; /* of them */
	unsigned line;
};

#define PRESET_TOP_LEVEL (-1)

/* A preset that the file lists. Its ports are among those of its cluster, or in preset_ports. */
struct preset_use {
	const struct preset *preset;
	int cluster;   /* index; PRESET_TOP_LEVEL: no cluster's, no peer may reach its ports */
	unsigned line; /* in the file */
};

struct config {
	uint16_t mark; /* of its text, to tell it from others: never 0 */
	enum mode mode;
	enum attach attach;
	struct interface_rule *interfaces;
	size_t interface_count;
	struct port_ranges epmd_ports;
	struct cluster_config *clusters; /* at most CLUSTERS_MAX */
	size_t cluster_count;
	bool discovery_listeners;
	bool discovery_autobound; /* true: protect, false: ignore */
	bool discovery_fixed;	  /* true: protect, false: known */
	struct port_ranges exempt_ports;
	bool journal_drops; /* drops are lines of the log, too */
	struct preset_use *presets;
	size_t preset_count;
	struct port_ranges preset_ports; /* of presets that are no cluster's */
	char **warnings;		 /* "line 9: …": of what is valid, and hardly meant */
	size_t warning_count;
	/* Address without brackets, or absolute path of a unix socket; NULL when metrics are off.
	 */
	char *metrics_host;
	uint16_t metrics_port;
	char *control_socket; /* absolute path that fits sockaddr_un */
	char *control_group;
	char *control_readers; /* the group that may look; NULL: none */
};

/*
 * Reads and checks the file entirely. Returns 0 with a configuration in *@config that the caller
 * frees with config_free(), or a negative errno with one line "FILE:LINE: what is wrong" (without
 * the line where there is none, as when the file cannot be read) and *@config untouched.
 * -EINVAL: the content is wrong, or it is no regular file. -EFBIG: larger than
 * CONFIG_FILE_SIZE_MAX. -EAGAIN: changed while it was read. -EISDIR and other results of open(2)
 * as they come.
 */
int config_load(const char *path, struct config **config, struct error *error);

/* The same for @size bytes at @text, which messages call @name. */
int config_read(const char *name, const char *text, size_t size, struct config **config,
		struct error *error);

void config_free(struct config *config);

/* What protects a port. All of it is the configuration's. */
struct port_owner {
	const struct port_range *range;
	const struct preset *preset; /* NULL: the file lists the range itself */
	const char *cluster;	     /* NULL: no peer may reach it */
	bool epmd;		     /* any cluster's peer may */
};

/* Whether the configuration protects the port, and if so, which line of it. */
bool config_port_owner(const struct config *config, uint16_t port, struct port_owner *owner);

/* Whether clients use the port of a product whose preset is listed. */
bool config_is_client_port(const struct config *config, uint16_t port);

#endif
