/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the parts of the configuration's reader only: keys, values, and the checks across them.
 */
#ifndef BEAMFENCE_CONFIG_READ_H
#define BEAMFENCE_CONFIG_READ_H

#include <errno.h>

#include "core/config.h"
#include "core/config_form.h"
#include "core/document.h"

#define NODE_GLOB_MAX 255 /* bytes: no longer than a name in epmd may be */

/* A node glob, kept with its line until all clusters are read. */
struct node_glob {
	const char *text;
	size_t cluster;
	unsigned line;
};

struct reader {
	const struct document *document;
	struct config *config;
	const char *key; /* whose value is being read, for messages */
	struct node_glob *node_globs;
	size_t node_glob_count;
	size_t peer_count;	/* of all clusters so far */
	bool ipv6_lengths[129]; /* seen so far */
	unsigned ipv6_length_count;
	unsigned fixed_line; /* of "discovery.fixed: protect"; 0 without */
	struct error *error;
};

/* Says "FILE:LINE: …" about a line of the reader's document; returns -EINVAL. */
#define reader_error(reader, line, ...) \
	document_error((reader)->document->path, (line), (reader)->error, -EINVAL, __VA_ARGS__)

/* Says that memory ran out; returns -ENOMEM. */
int reader_out_of_memory(const struct reader *reader);

/* Reads each value of @node, a mapping, into @target by the keys of a section; each at most once.
 */
int read_section(struct reader *reader, const struct form *section, const struct node *node,
		 void *target);

/* 0 when @node is of @kind, else an error that says what was expected and what was found. */
int read_kind(struct reader *reader, const struct node *node, enum node_kind kind);

/* The index of the text among the form's choices, or -EINVAL. */
int read_choice(struct reader *reader, const struct form *form, const struct node *node);

/*
 * Reads digits, without needless zeros, as a number up to @max, and moves *@text behind them; 0
 * where there is no such number.
 */
unsigned read_number(const char **text, unsigned max);

/*
 * Readers of one value, which read_section() has found to be of the right kind; 0 or a negative
 * errno. What they allocate belongs to the configuration.
 */
int read_bool(struct reader *reader, const struct node *node, bool *value);
int read_ports(struct reader *reader, const struct node *node, struct port_ranges *ranges);
int read_word(struct reader *reader, const struct form *form, const struct node *node, char **word);
int read_interface(struct reader *reader, const struct node *node, enum zone zone,
		   struct interface_rule *rule);
int read_listen(struct reader *reader, const struct node *node, char **host, uint16_t *port);
int read_socket_path(struct reader *reader, const struct node *node, char **path);
int read_presets(struct reader *reader, const struct node *node, int cluster);

/* Readers of a key that are a file of their own. */
int read_node_globs(struct reader *reader, const struct key *key, const struct node *node,
		    void *cluster);
int read_peers(struct reader *reader, const struct key *key, const struct node *node,
	       void *cluster);
int read_clusters(struct reader *reader, const struct key *key, const struct node *node,
		  void *config);
int read_control(struct reader *reader, const struct key *key, const struct node *node,
		 void *config);

/* Sections and lists of the file. */
extern const struct form form_interfaces;
extern const struct form form_clusters;
extern const struct form form_node_globs;
extern const struct form form_peers;
extern const struct form form_discovery;
extern const struct form form_events;
extern const struct form form_metrics;
extern const struct form form_control;

void free_cluster(struct cluster_config *cluster);

/* The name of a zone's list in the file. */
const char *config_zone_key(enum zone zone);

/* Gives the ports of the presets to their clusters; an error where it is open to which. */
int config_add_presets(struct reader *reader);

/* Notes what is valid, and hardly meant, in the configuration's warnings. */
int config_warn(const struct reader *reader);

/* What no single value shows: at least one interface, nothing twice, no port owned by two. */
int config_check(struct reader *reader);

#endif
