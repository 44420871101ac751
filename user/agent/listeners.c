// SPDX-License-Identifier: BSD-2-Clause
#include "agent/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/cmdline.h"
#include "core/members.h"
#include "kernel/protection.h"

#define CMDLINE_MAX 131072 /* bytes: more than any sane command line has */

static bool has_bit(const uint64_t *bits, uint16_t port)
{
	return bits[port / 64] >> (port % 64) & 1;
}

/* The file may be gone with its process, or hidden (hidepid): then it names no port. */
static struct cmdline_facts read_cmdline(uint32_t pid)
{
	_cleanup_free_ char *text = malloc(CMDLINE_MAX);
	_cleanup_close_ int fd = -1;
	size_t size = 0;
	ssize_t got = 1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (text && fd >= 0 && got > 0 && size < CMDLINE_MAX) {
		got = read(fd, text + size, CMDLINE_MAX - size);
		size += got > 0 ? (size_t)got : 0;
	}
	return text && size ? cmdline_parse(text, size) : (struct cmdline_facts){};
}

struct known_listener *listener_find(const struct agent *agent, uint64_t socket)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].socket == socket)
			return &agent->listeners[i];
	return NULL;
}

static enum claim claim_of(enum evidence evidence)
{
	return evidence == EVIDENCE_CMDLINE ? CLAIM_CMDLINE : CLAIM_REGISTERED;
}

void listener_take(struct agent *agent, struct known_listener *listener, enum evidence evidence)
{
	if (evidence <= listener->evidence)
		return;
	listener->evidence = evidence;
	if (!fence_settle(agent->fence, listener->socket, true))
		listener->kernel.standing = STANDING_SURE;
	if (listener->kernel.kind == LISTENER_FIXED && evidence >= EVIDENCE_REGISTERED)
		fence_claim(agent->fence, listener->kernel.account, listener->kernel.port,
			    claim_of(evidence));
}

void listener_release(struct agent *agent, struct known_listener *listener, enum evidence evidence)
{
	listener->evidence = evidence;
	listener->wants_name = false;
	free(listener->node);
	listener->node = NULL;
	fence_claim(agent->fence, listener->kernel.account, listener->kernel.port, CLAIM_NONE);
	if (!fence_settle(agent->fence, listener->socket, false))
		listener->kernel.standing = listener->kernel.kind == LISTENER_AUTOBOUND
						    ? STANDING_AUTOBOUND
						    : STANDING_FIXED;
	fence_assign(agent->fence, &listener->kernel, CLUSTER_NOBODY);
}

/* What can be said of a listener before epmd was asked. */
static void judge_new(struct agent *agent, struct known_listener *listener)
{
	const uint16_t port = listener->kernel.port;
	struct cmdline_facts facts;

	if (listener->kernel.kind == LISTENER_EPMD) {
		fence_assign(agent->fence, &listener->kernel, CLUSTER_ANY);
		return;
	}
	if (listener->kernel.kind == LISTENER_FIXED && listener->kernel.standing == STANDING_SURE)
		listener->evidence = EVIDENCE_REMEMBERED;
	facts = read_cmdline(listener->kernel.pid);
	listener->says_tls = facts.tls;
	listener->said_node = epmd_name_is_acceptable(facts.node, strlen(facts.node))
				      ? strdup(facts.node)
				      : NULL;
	if (listener->kernel.kind == LISTENER_FIXED && facts.first && port >= facts.first &&
	    port <= facts.last) {
		listener_take(agent, listener, EVIDENCE_CMDLINE);
		if (listener->said_node) /* nobody else may: a node without an epmd */
			listener_set_node(agent, listener, listener->said_node);
	}
}

static void set_process(struct known_listener *listener)
{
	const char *name = listener->kernel.process;

	for (size_t i = 0; i < PROCESS_NAME_SIZE - 1 && name[i]; i++)
		listener->process[i] = name[i];
	for (char *c = listener->process; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			*c = '?';
}

static int add_listener(struct agent *agent, const struct fence_listener *row)
{
	struct known_listener *list = reallocarray(agent->listeners, agent->listener_count + 1,
						   sizeof(*list));

	if (!list)
		return -ENOMEM;
	agent->listeners = list;
	list[agent->listener_count++] = (struct known_listener){
		.socket = row->socket,
		.kernel = row->listener,
		.since_s = wall_clock_s(row->listener.since_ns),
		.seen = true,
	};
	set_process(&list[agent->listener_count - 1]);
	return 0;
}

static void free_listener(struct known_listener *listener)
{
	free(listener->node);
	free(listener->said_node);
}

static void remove_unseen(struct agent *agent, listener_report report, void *context)
{
	size_t kept = 0;

	for (size_t i = 0; i < agent->listener_count; i++) {
		if (agent->listeners[i].seen) {
			agent->listeners[kept++] = agent->listeners[i];
			continue;
		}
		report(context, LISTENER_WENT, &agent->listeners[i]);
		free_listener(&agent->listeners[i]);
	}
	agent->listener_count = kept;
}

static int compare_sockets(const void *a, const void *b)
{
	const struct known_listener *left = a, *right = b;

	return left->socket < right->socket ? -1 : left->socket > right->socket;
}

/* The one among the first @count, which are in order, that a row is about. */
static struct known_listener *find_known(const struct agent *agent, size_t count,
					 const struct fence_listener *row)
{
	const struct known_listener wanted = {.socket = row->socket};
	struct known_listener *known = count ? bsearch(&wanted, agent->listeners, count,
						       sizeof(wanted), compare_sockets)
					     : NULL;

	return known && known->kernel.since_ns == row->listener.since_ns &&
			       known->kernel.inode == row->listener.inode &&
			       known->kernel.port == row->listener.port
		       ? known
		       : NULL;
}

int listeners_refresh(struct agent *agent, listener_report report, void *context)
{
	_cleanup_free_ struct fence_listener *rows = NULL;
	const int count = fence_listeners(agent->fence, &rows);
	const size_t before = agent->listener_count;
	int code = 0, nodes = 0;

	if (count < 0)
		return count;
	if (before)
		qsort(agent->listeners, before, sizeof(*agent->listeners), compare_sockets);
	for (size_t i = 0; i < before; i++)
		agent->listeners[i].seen = false;
	for (int i = 0; i < count && !code; i++) {
		struct known_listener *known = find_known(agent, before, &rows[i]);

		if (rows[i].listener.standing == STANDING_GONE)
			continue;
		if (known) {
			known->seen = true;
			known->kernel.standing = rows[i].listener.standing;
		} else {
			code = add_listener(agent, &rows[i]);
		}
	}
	for (size_t i = before; i < agent->listener_count; i++) {
		judge_new(agent, &agent->listeners[i]);
		report(context, LISTENER_CAME, &agent->listeners[i]);
		nodes += agent->listeners[i].kernel.kind != LISTENER_EPMD;
	}
	remove_unseen(agent, report, context);
	agent->listeners_read = true;
	return code ? code : nodes;
}

void listener_set_node(struct agent *agent, struct known_listener *listener, const char *node)
{
	char *copy;

	listener->wants_name = false;
	if (listener->node && !strcmp(listener->node, node))
		return;
	copy = strdup(node);
	if (!copy)
		return;
	free(listener->node);
	listener->node = copy;
	listener->told = false;
	listener->node_logged = false;
	fence_assign(agent->fence, &listener->kernel, members_cluster(agent->config, node));
}

/* The cluster that a listener's port goes into under @config; an earlier agent's word counts until
 * this one has heard the name. */
static uint8_t next_cluster(const struct agent *agent, const struct config *config,
			    const struct known_listener *listener)
{
	const char *name;
	int cluster;

	if (listener->kernel.kind == LISTENER_EPMD)
		return CLUSTER_ANY;
	if (listener->node)
		return members_cluster(config, listener->node);
	if (agent->policy)
		return CLUSTER_NOBODY;
	name = fence_cluster_name(agent->fence, &listener->kernel);
	if (!*name) /* an agent before 0.2 did not tell a port's addresses apart */
		name = fence_port_cluster_name(agent->fence, &listener->kernel);
	cluster = *name ? policy_cluster_index(config, name) : -ENOENT;
	return cluster >= 0 ? (uint8_t)cluster : CLUSTER_NOBODY;
}

static struct policy_listener assignment(const struct agent *agent, const struct config *config,
					 const struct known_listener *listener)
{
	struct policy_listener assigned = {
		.port = listener->kernel.port,
		.reach = listener->kernel.reach,
		.cluster = next_cluster(agent, config, listener),
	};

	memcpy(assigned.address, listener->kernel.address, sizeof(assigned.address));
	return assigned;
}

/*
 * Before anything was read: discovered ports stay in the clusters that an earlier agent put them
 * into, until their names are known.
 */
static int assign_as_before(const struct agent *agent, const struct config *config,
			    struct policy_listener **assigned)
{
	_cleanup_free_ struct fence_listener *rows = NULL;
	const int count = fence_listeners(agent->fence, &rows);

	if (count <= 0)
		return count;
	*assigned = calloc((size_t)count, sizeof(**assigned));
	if (!*assigned)
		return -ENOMEM;
	for (int i = 0; i < count; i++) {
		const struct known_listener listener = {.kernel = rows[i].listener};

		(*assigned)[i] = assignment(agent, config, &listener);
	}
	return count;
}

int listeners_assign(const struct agent *agent, const struct config *config,
		     struct policy_listener **assigned)
{
	if (!agent->listeners_read)
		return assign_as_before(agent, config, assigned);
	*assigned = calloc(agent->listener_count + 1, sizeof(**assigned));
	if (!*assigned)
		return -ENOMEM;
	for (size_t i = 0; i < agent->listener_count; i++)
		(*assigned)[i] = assignment(agent, config, &agent->listeners[i]);
	return (int)agent->listener_count;
}

void listeners_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		free_listener(&agent->listeners[i]);
	free(agent->listeners);
	agent->listeners = NULL;
	agent->listener_count = 0;
}

const char *listener_source(const struct agent *agent, const struct known_listener *listener)
{
	if (has_bit(agent->policy->ports, listener->kernel.port))
		return "config";
	if (listener_is_loopback(listener) || !fence_protects(agent->fence, &listener->kernel))
		return NULL;
	if (listener->kernel.kind == LISTENER_EPMD)
		return "epmd-listener";
	if (listener->kernel.kind == LISTENER_AUTOBOUND && agent->policy->protect_autobound)
		return "autobound";
	if (listener->evidence == EVIDENCE_NONE || listener->evidence == EVIDENCE_REFUTED)
		return "fixed";
	if (listener->evidence == EVIDENCE_CMDLINE)
		return "cmdline";
	return fence_claimed(agent->fence, listener->kernel.account, listener->kernel.port) ==
			       CLAIM_CMDLINE
		       ? "cmdline"
		       : "registered";
}

bool listener_is_wildcard(const struct known_listener *listener)
{
	return !(listener->kernel.reach & REACH_BINDING);
}

bool listener_is_loopback(const struct known_listener *listener)
{
	return listener_is_local(&listener->kernel);
}

const char *listener_address(const struct known_listener *listener,
			     char text[static PREFIX_TEXT_SIZE])
{
	struct prefix prefix = {.length = 128};

	memcpy(prefix.address, listener->kernel.address, sizeof(prefix.address));
	prefix_format(&prefix, text);
	text[strcspn(text, "/")] = '\0';
	return text;
}

bool listener_stays(const struct known_listener *listener)
{
	const int64_t since_s = (int64_t)(listener->kernel.since_ns / NS_OF_S);

	return boottime_ms() / 1000 - since_s >= LISTENER_STAYS_S;
}

bool listener_is_exposed(const struct agent *agent, const struct known_listener *listener)
{
	return listener->kernel.kind != LISTENER_EPMD && !listener_is_loopback(listener) &&
	       !listener_source(agent, listener) &&
	       !has_bit(agent->policy->exempt, listener->kernel.port) &&
	       !config_is_client_port(agent->config, listener->kernel.port);
}

bool listener_is_orphan(const struct agent *agent, const struct known_listener *listener)
{
	return listener->node && listener_source(agent, listener) &&
	       !has_bit(agent->policy->ports, listener->kernel.port) &&
	       members_cluster(agent->config, listener->node) == CLUSTER_NOBODY;
}
