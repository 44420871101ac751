// SPDX-License-Identifier: BSD-2-Clause
#include "agent/review.h"

#include <errno.h>

#include "agent/agent.h"
#include "agent/commands_internal.h"
#include "core/cleanup.h"

#define CUTS_TOLD_MAX  100
#define CUTS_NAMED_MAX 3

static void cleanup_config(struct config **config)
{
	config_free(*config);
}

/* Addresses, without the length that prefix_format() would add. */
static json_t *address_json(const struct prefix *address)
{
	char text[PREFIX_TEXT_SIZE];

	return json_string(address_format(address, text));
}

static json_t *cut_json(const struct fence_cut *cut, const struct config *config)
{
	const char *cluster = cut->cluster < config->cluster_count
				      ? config->clusters[cut->cluster].name
				      : NULL;

	return json_pack("{s:o, s:o, s:i, s:o, s:s, s:s, s:I}", "remote",
			 address_json(&cut->remote), "local", address_json(&cut->local), "port",
			 cut->port, "cluster", json_null_or_string(cluster), "interface",
			 cut->interface, "reason", reason_name(cut->reason), "connections",
			 (json_int_t)cut->count);
}

/* In one line, for whom sees no more than that. */
static int refuse(const struct review *review, const struct fence_cuts *cuts, struct error *error)
{
	char names[CUTS_NAMED_MAX * (PREFIX_TEXT_SIZE + 16)], remote[PREFIX_TEXT_SIZE];
	size_t length = 0;

	for (size_t i = 0; i < cuts->count && i < CUTS_NAMED_MAX; i++)
		length += (size_t)snprintf(
			names + length, sizeof(names) - length, "%s%s to port %u", i ? ", " : "",
			address_format(&cuts->list[i].remote, remote), cuts->list[i].port);
	return error_set(error, -ECANCELED,
			 "nothing changed: it would cut connections that stand on protected ports "
			 "(%s%zu): %s%s",
			 review->more ? "at least " : "", review->connections, names,
			 cuts->count > CUTS_NAMED_MAX ? ", ..." : "");
}

static int look(void *context, struct fence_cuts *cuts, int code, struct error *error)
{
	struct review *review = context;

	review->cuts = json_array();
	review->more = cuts->more;
	if (code)
		review->unknown = *error;
	for (size_t i = 0; i < cuts->count; i++) {
		review->connections += cuts->list[i].count;
		if (i < CUTS_TOLD_MAX)
			json_array_append_new(review->cuts, cut_json(&cuts->list[i], review->next));
	}
	if (review->refuse_cuts && cuts->count)
		return refuse(review, cuts, error);
	return review->rehearse ? error_set(error, -ECANCELED, "only looked at") : 0;
}

int review_config(struct review *review, const struct config *former, const struct config *next)
{
	review->next = next;
	review->compared = true;
	return config_compare(former, next, &review->diff);
}

struct fence_review review_of_policy(struct review *review)
{
	return (struct fence_review){.look = look, .context = review};
}

void review_tell(const struct review *review, json_t *result)
{
	json_t *changes = json_array();

	for (size_t i = 0; i < review->diff.line_count; i++)
		json_array_append_new(changes, json_string(review->diff.lines[i]));
	json_object_set_new(result, "changes", changes);
	json_object_set_new(result, "added", json_integer((json_int_t)review->diff.added));
	json_object_set_new(result, "removed", json_integer((json_int_t)review->diff.removed));
	json_object_set_new(result, "cuts", review->cuts ? json_incref(review->cuts) : json_null());
	json_object_set_new(result, "cut_connections",
			    json_integer((json_int_t)review->connections));
	json_object_set_new(result, "cuts_incomplete",
			    json_boolean(review->more || review->unknown.text[0]));
	json_object_set_new(result, "cuts_error", json_null_or_string(review->unknown.text));
}

void review_free(struct review *review)
{
	config_diff_free(&review->diff);
	json_decref(review->cuts);
	*review = (struct review){};
}

int agent_rehearse(struct agent *agent, const char *name, const char *text, size_t size,
		   struct review *review, struct error *error)
{
	_cleanup_(cleanup_config) struct config *config = NULL;
	int code = config_read(name, text, size, &config, error);

	review->rehearse = true;
	if (!code)
		code = agent_apply(agent, &config, review, error);
	return code == -ECANCELED && !(review->refuse_cuts && review->connections) ? 0 : code;
}
