// SPDX-License-Identifier: BSD-2-Clause
#include "agent/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/cmdline.h"

#define CMDLINE_MAX 131072 /* bytes: more than any sane command line has */

static bool has_bit(const uint64_t *bits, uint16_t port)
{
	return bits[port / 64] >> (port % 64) & 1;
}

/* The file may be gone with its process, or hidden (hidepid): then it names no port. */
static struct cmdline_ports read_cmdline(uint32_t pid)
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
	return text && size ? cmdline_parse(text, size) : (struct cmdline_ports){};
}

static struct known_listener *find_socket(struct agent *agent, uint64_t socket)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].socket == socket)
			return &agent->listeners[i];
	return NULL;
}

static int64_t wall_clock_s(uint64_t boot_ns)
{
	struct timespec boot;

	if (!boot_ns)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return time(NULL) - (boot.tv_sec - (int64_t)(boot_ns / 1000000000u));
}

/* What can be said of a listener before epmd was asked. */
static void judge_new(struct agent *agent, struct known_listener *listener)
{
	const uint16_t port = listener->kernel.port;
	struct cmdline_ports ports;

	if (listener->kernel.kind == LISTENER_EPMD) {
		fence_assign(agent->fence, port, CLUSTER_ANY);
		return;
	}
	if (listener->kernel.kind != LISTENER_FIXED)
		return;
	/* An earlier agent made that claim; epmd may have lost its memory since. */
	if (!agent->listeners_read && fence_claimed(agent->fence, port) != CLAIM_NONE)
		listener->confirmed = true;
	ports = read_cmdline(listener->kernel.pid);
	if (!ports.first || port < ports.first || port > ports.last)
		return;
	fence_claim(agent->fence, port, CLAIM_CMDLINE);
	listener->confirmed = true;
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

/* Whether a claim on @port holds for a listener that is there. */
static bool is_confirmed(const struct agent *agent, uint16_t port)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].kernel.port == port && agent->listeners[i].confirmed &&
		    agent->listeners[i].seen)
			return true;
	return false;
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
		if (agent->listeners[i].kernel.kind == LISTENER_AUTOBOUND &&
		    !is_confirmed(agent, agent->listeners[i].kernel.port))
			fence_claim(agent->fence, agent->listeners[i].kernel.port, CLAIM_NONE);
		free(agent->listeners[i].node);
	}
	agent->listener_count = kept;
}

int listeners_refresh(struct agent *agent, listener_report report, void *context)
{
	_cleanup_free_ struct fence_listener *rows = NULL;
	const int count = fence_listeners(agent->fence, &rows);
	const size_t before = agent->listener_count;
	int code = 0, beams = 0;

	if (count < 0)
		return count;
	for (size_t i = 0; i < before; i++)
		agent->listeners[i].seen = false;
	for (int i = 0; i < count && !code; i++) {
		struct known_listener *known = find_socket(agent, rows[i].socket);

		if (known && !memcmp(&known->kernel, &rows[i].listener, sizeof(known->kernel)))
			known->seen = true;
		else
			code = add_listener(agent, &rows[i]);
	}
	for (size_t i = before; i < agent->listener_count; i++) {
		judge_new(agent, &agent->listeners[i]);
		report(context, LISTENER_CAME, &agent->listeners[i]);
		beams += agent->listeners[i].kernel.kind != LISTENER_EPMD;
	}
	remove_unseen(agent, report, context);
	agent->listeners_read = true;
	return code ? code : beams;
}

/* "app@*" fits the name "app": epmd knows no host part, since all its nodes are of this host. */
static bool glob_fits(const char *glob, const char *node)
{
	_cleanup_free_ char *name = strndup(glob, strcspn(glob, "@"));

	return name && !fnmatch(name, node, 0);
}

static uint8_t cluster_of_node(const struct config *config, const char *node)
{
	for (size_t c = 0; c < config->cluster_count; c++)
		for (size_t i = 0; i < config->clusters[c].node_count; i++)
			if (glob_fits(config->clusters[c].nodes[i], node))
				return (uint8_t)c;
	return CLUSTER_NOBODY;
}

/* How many connections to this epmd a process held before the question, and still holds. */
static int connections(const struct fence_registration *before, int before_count,
		       const struct fence_registration *now, int now_count, uint32_t pid,
		       uint16_t epmd_port)
{
	int count = 0;

	for (int i = 0; i < before_count; i++) {
		if (before[i].registration.pid != pid ||
		    before[i].registration.epmd_port != epmd_port)
			continue;
		for (int j = 0; j < now_count; j++)
			count += now[j].socket == before[i].socket;
	}
	return count;
}

static struct known_listener *beam_on(const struct agent *agent, uint16_t port)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].kernel.port == port &&
		    agent->listeners[i].kernel.kind != LISTENER_EPMD)
			return &agent->listeners[i];
	return NULL;
}

static int names_of(const struct agent *agent, const struct epmd_nodes *nodes, uint32_t pid)
{
	int count = 0;

	for (size_t i = 0; i < nodes->count; i++) {
		const struct known_listener *listener = beam_on(agent, nodes->items[i].port);

		count += listener && listener->kernel.pid == pid;
	}
	return count;
}

static void set_node(struct agent *agent, struct known_listener *listener, const char *node)
{
	const uint16_t port = listener->kernel.port;
	char *copy = strdup(node);

	if (!copy)
		return;
	free(listener->node);
	listener->node = copy;
	listener->confirmed = true;
	if ((listener->kernel.kind == LISTENER_FIXED || !agent->policy->protect_autobound) &&
	    fence_claimed(agent->fence, port) == CLAIM_NONE)
		fence_claim(agent->fence, port, CLAIM_REGISTERED);
	fence_assign(agent->fence, port, cluster_of_node(agent->config, node));
}

int listeners_name(struct agent *agent, uint16_t epmd_port, const struct epmd_nodes *nodes,
		   const struct fence_registration *before, int before_count)
{
	_cleanup_free_ struct fence_registration *now = NULL;
	const int now_count = fence_registrations(agent->fence, &now);
	int refused = 0;

	for (size_t i = 0; i < nodes->count; i++) {
		const struct epmd_node *node = &nodes->items[i];
		struct known_listener *listener = beam_on(agent, node->port);

		if (!listener || (listener->node && !strcmp(listener->node, node->name)))
			continue;
		if (names_of(agent, nodes, listener->kernel.pid) >
		    connections(before, before_count, now, now_count, listener->kernel.pid,
				epmd_port))
			refused++;
		else
			set_node(agent, listener, node->name);
	}
	return refused;
}

void listeners_withdraw(struct agent *agent)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct known_listener *listener = &agent->listeners[i];

		if (listener->kernel.kind == LISTENER_FIXED &&
		    !is_confirmed(agent, listener->kernel.port))
			fence_claim(agent->fence, listener->kernel.port, CLAIM_NONE);
	}
}

/*
 * Before anything was read: discovered ports stay in the clusters that an earlier agent put them
 * into, until epmd has been asked for their names.
 */
static void assign_as_before(const struct agent *agent, const struct config *config,
			     struct policy *policy)
{
	for (unsigned int i = 0; i < PORTS; i++) {
		const uint16_t port = (uint16_t)i;
		const char *name = fence_cluster_name(agent->fence, port);
		const int cluster = *name ? policy_cluster_index(config, name) : -ENOENT;

		if (has_bit(policy->ports, port))
			continue;
		if (fence_cluster(agent->fence, port) == CLUSTER_ANY)
			policy->cluster_of[port] = CLUSTER_ANY;
		else if (cluster >= 0)
			policy->cluster_of[port] = (uint8_t)cluster;
	}
}

void listeners_assign(const struct agent *agent, const struct config *config, struct policy *policy)
{
	if (!agent->listeners_read)
		assign_as_before(agent, config, policy);
	for (size_t i = 0; i < agent->listener_count; i++) {
		const struct known_listener *listener = &agent->listeners[i];
		const uint16_t port = listener->kernel.port;

		if (has_bit(policy->ports, port))
			continue;
		if (listener->kernel.kind == LISTENER_EPMD)
			policy->cluster_of[port] = CLUSTER_ANY;
		else if (listener->node)
			policy->cluster_of[port] = cluster_of_node(config, listener->node);
	}
}

void listeners_free(struct agent *agent)
{
	for (size_t i = 0; i < agent->listener_count; i++)
		free(agent->listeners[i].node);
	free(agent->listeners);
	agent->listeners = NULL;
	agent->listener_count = 0;
}

const char *listener_source(const struct agent *agent, const struct known_listener *listener)
{
	const uint16_t port = listener->kernel.port;

	if (has_bit(agent->policy->ports, port))
		return "config";
	if (!fence_protects(agent->fence, port))
		return NULL;
	if (listener->kernel.kind == LISTENER_EPMD)
		return "epmd-listener";
	if (listener->kernel.kind == LISTENER_AUTOBOUND && agent->policy->protect_autobound)
		return "autobound";
	return fence_claimed(agent->fence, port) == CLAIM_CMDLINE ? "cmdline" : "registered";
}

bool listener_is_wildcard(const struct known_listener *listener)
{
	static const uint8_t any[16], any_ipv4[16] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(listener->kernel.address, listener->kernel.ipv4 ? any_ipv4 : any,
		       sizeof(any));
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

bool listener_is_exposed(const struct agent *agent, const struct known_listener *listener)
{
	return listener->kernel.kind != LISTENER_EPMD && listener_is_wildcard(listener) &&
	       !listener_source(agent, listener) &&
	       !has_bit(agent->policy->exempt, listener->kernel.port) &&
	       !config_is_client_port(agent->config, listener->kernel.port);
}

bool listener_is_orphan(const struct agent *agent, const struct known_listener *listener)
{
	return listener->node && listener_source(agent, listener) &&
	       !has_bit(agent->policy->ports, listener->kernel.port) &&
	       cluster_of_node(agent->config, listener->node) == CLUSTER_NOBODY;
}
