// SPDX-License-Identifier: BSD-2-Clause
/* The lists of a cluster that may be long: cost grows with n log n, for duplicates are found by
 * sorting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/config_read.h"
#include "core/text.h"

static const char *node_glob_problem(const char *glob)
{
	if (!*glob)
		return "empty: a node glob is such as app@*";
	if (strlen(glob) > NODE_GLOB_MAX)
		return "too long: a node's name has at most 255 bytes";
	for (const char *c = glob; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			return "a node's name has no spaces or control characters";
	return NULL;
}

static const struct form form_node_glob = {
	.kind = FORM_TEXT,
	.pattern = "^[^\\u0000-\\u0020\\u007f]+$",
	.max = NODE_GLOB_MAX,
	.numeric = true,
};
const struct form form_node_globs = {.kind = FORM_LIST, .entry = &form_node_glob};

int read_node_globs(struct reader *reader, const struct key *key, const struct node *node,
		    void *target)
{
	struct cluster_config *cluster = target;
	struct node_glob *grown;

	(void)key;
	if (!node->count)
		return 0;
	cluster->nodes = calloc(node->count, sizeof(*cluster->nodes));
	grown = reallocarray(reader->node_globs, reader->node_glob_count + node->count,
			     sizeof(*grown));
	if (grown)
		reader->node_globs = grown;
	if (!grown || !cluster->nodes)
		return reader_out_of_memory(reader);
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		const char *problem;
		int result = read_kind(reader, entry, NODE_TEXT);

		if (result < 0)
			return result;
		problem = node_glob_problem(entry->text);
		if (problem)
			return reader_error(reader, entry->line, "%s: %s: %s", reader->key,
					    QUOTE(entry->text), problem);
		cluster->nodes[cluster->node_count] = strdup(entry->text);
		if (!cluster->nodes[cluster->node_count])
			return reader_out_of_memory(reader);
		reader->node_globs[reader->node_glob_count++] = (struct node_glob){
			.text = cluster->nodes[cluster->node_count++],
			.cluster = reader->config->cluster_count,
			.line = entry->line,
		};
	}
	return 0;
}

struct listed_peer {
	struct prefix prefix;
	unsigned line;
};

static int compare_peers(const void *a, const void *b)
{
	const struct listed_peer *left = a, *right = b;
	int order = prefix_compare(&left->prefix, &right->prefix);

	return order ? order : (left->line > right->line) - (left->line < right->line);
}

/* The filter looks up each length in use, so their number is limited; IPv4 has no more than that.
 */
static int count_length(struct reader *reader, const struct node *node, const struct prefix *prefix)
{
	if (prefix_is_ipv4(prefix) || reader->ipv6_lengths[prefix->length])
		return 0;
	reader->ipv6_lengths[prefix->length] = true;
	if (++reader->ipv6_length_count > PREFIX_LENGTHS_MAX)
		return reader_error(reader, node->line,
				    "%s: %s has one more prefix length than the %d different ones "
				    "that IPv6 peers may have",
				    reader->key, QUOTE(node->text), PREFIX_LENGTHS_MAX);
	return 0;
}

static int read_peer(struct reader *reader, const struct node *node, struct listed_peer *peer)
{
	struct error reason = {""};
	int result = read_kind(reader, node, NODE_TEXT);

	if (result < 0)
		return result;
	if (prefix_parse(node->text, &peer->prefix, &reason) < 0)
		return reader_error(reader, node->line, "%s: %s", reader->key, reason.text);
	peer->line = node->line;
	if (++reader->peer_count > PEERS_MAX)
		return reader_error(reader, node->line,
				    "%s: more than %d peers are listed in all clusters together",
				    reader->key, PEERS_MAX);
	return count_length(reader, node, &peer->prefix);
}

/* Each may be listed once. */
static int sort_peers(const struct reader *reader, struct listed_peer *peers, size_t count)
{
	qsort(peers, count, sizeof(*peers), compare_peers);
	for (size_t i = 1; i < count; i++) {
		char text[PREFIX_TEXT_SIZE];

		if (prefix_compare(&peers[i - 1].prefix, &peers[i].prefix) != 0)
			continue;
		return reader_error(reader, peers[i].line,
				    "%s: \"%s\" is listed twice (first on line %u)", reader->key,
				    prefix_format(&peers[i].prefix, text), peers[i - 1].line);
	}
	return 0;
}

static int keep_peers(const struct reader *reader, const struct listed_peer *peers, size_t count,
		      struct cluster_config *cluster)
{
	cluster->peers = calloc(count, sizeof(*cluster->peers));
	if (!cluster->peers)
		return reader_out_of_memory(reader);
	for (size_t i = 0; i < count; i++) {
		cluster->peers[i] = peers[i].prefix;
		cluster->ipv4_peer_count += prefix_is_ipv4(&peers[i].prefix);
	}
	cluster->peer_count = count;
	return 0;
}

static const struct form form_peer = {
	.kind = FORM_TEXT,
	.pattern = "^([0-9.]+(/([12]?[0-9]|3[0-2]))?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(/(1[01]?[0-9]|"
		   "12[0-8]|[1-9]?[0-9]))?)$",
};
const struct form form_peers = {.kind = FORM_LIST, .entry = &form_peer, .max = PEERS_MAX};

int read_peers(struct reader *reader, const struct key *key, const struct node *node, void *target)
{
	_cleanup_free_ struct listed_peer *listed = NULL;
	struct cluster_config *cluster = target;
	size_t count = 0;
	int result;

	(void)key;
	if (!node->count)
		return 0;
	listed = calloc(node->count, sizeof(*listed));
	if (!listed)
		return reader_out_of_memory(reader);
	for (const struct node *entry = node->first; entry; entry = entry->next) {
		result = read_peer(reader, entry, &listed[count++]);
		if (result < 0)
			return result;
	}
	result = sort_peers(reader, listed, count);
	return result < 0 ? result : keep_peers(reader, listed, count, cluster);
}
