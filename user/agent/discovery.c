// SPDX-License-Identifier: BSD-2-Clause
#include "agent/discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "agent/events.h"
#include "agent/listeners.h"
#include "agent/log.h"
#include "core/cleanup.h"

#define EPMDS_MAX	 16 /* epmds on one host that are asked */
#define QUERY_TIMEOUT_MS 2000

/*
 * When epmd is asked after a change: a node registers within milliseconds of its listen(), and the
 * change is heard of before that.
 */
static const unsigned int delays_ms[] = {1, 4, 20, 100, 400};

#define ROUNDS (sizeof(delays_ms) / sizeof(delays_ms[0]))

/* One epmd, and the question to it that is under way. */
struct epmd {
	struct discovery *discovery;
	uint16_t port;
	struct network_ask *query;
	struct fence_registration *before; /* as they were when it was asked */
	int before_count;
	bool again; /* it was due to be asked meanwhile */
};

struct discovery {
	struct event_base *base;
	struct agent *agent;
	struct network *network;
	struct event *changes; /* NULL: not watching */
	struct event *next_round;
	size_t round;
	struct epmd epmds[EPMDS_MAX];
	bool answered; /* an epmd did, since the last change */
	int refused;   /* names, in the last answers */
	uint64_t untracked;
};

static void log_listener(void *context, enum listener_event event,
			 const struct known_listener *listener)
{
	const struct discovery *discovery = context;
	const char *kind = listener->kernel.kind == LISTENER_EPMD ? "epmd" : "dist";
	const char *source = listener_source(discovery->agent, listener);
	const bool was_protected = listener->kernel.kind != LISTENER_FIXED || listener->confirmed;
	char port[16], pid[16], address[PREFIX_TEXT_SIZE];

	snprintf(port, sizeof(port), "%u", listener->kernel.port);
	snprintf(pid, sizeof(pid), "%u", listener->kernel.pid);
	listener_address(listener, address);
	event_emit(discovery->agent->events, "listener",
		   "{s:s, s:i, s:s, s:s*, s:s*, s:s, s:i, s:s}", "what",
		   event == LISTENER_CAME ? "came" : "gone", "port", (int)listener->kernel.port,
		   "kind", kind, "source", source, "node", listener->node, "address", address,
		   "pid", (int)listener->kernel.pid, "process", listener->process);
	if (event == LISTENER_CAME)
		log_line(LOG_INFO, source ? "port protected" : "listener not protected", "port",
			 port, "source", source, "kind", kind, "address", address, "pid", pid,
			 "process", listener->process, NULL);
	else
		log_line(LOG_INFO, was_protected && !source ? "port released" : "listener gone",
			 "port", port, "kind", kind, "node", listener->node, "address", address,
			 "pid", pid, "process", listener->process, NULL);
}

static void log_untracked(struct discovery *discovery)
{
	const uint64_t untracked = fence_listeners_untracked(discovery->agent->fence);
	char count[32];

	if (untracked == discovery->untracked)
		return;
	discovery->untracked = untracked;
	snprintf(count, sizeof(count), "%llu", (unsigned long long)untracked);
	log_line(LOG_WARNING,
		 "more listeners than can be followed: their ports stay protected when they close",
		 "untracked", count, NULL);
}

static void log_names(struct discovery *discovery, int refused)
{
	char count[16];

	if (refused == discovery->refused)
		return;
	discovery->refused = refused;
	if (!refused)
		return;
	snprintf(count, sizeof(count), "%d", refused);
	log_line(LOG_WARNING,
		 "epmd names more nodes on a process's ports than the process registered: ignored",
		 "names", count, NULL);
}

static void log_node(const struct agent *agent, const struct known_listener *listener)
{
	const char *source = listener_source(agent, listener);
	char port[16];

	snprintf(port, sizeof(port), "%u", listener->kernel.port);
	log_line(LOG_INFO, "node registered", "node", listener->node, "port", port, "source",
		 source, NULL);
	event_emit(agent->events, "node", "{s:s, s:s, s:i, s:s*}", "what", "registered", "node",
		   listener->node, "port", (int)listener->kernel.port, "source", source);
	if (listener_is_orphan(agent, listener))
		log_line(LOG_WARNING, "node of no cluster: no peer may reach it", "node",
			 listener->node, "port", port, NULL);
}

static void ask(struct discovery *discovery, uint16_t port);

static void on_answer(void *context, uint16_t port, int code, const struct epmd_nodes *nodes)
{
	struct epmd *epmd = context;
	struct discovery *discovery = epmd->discovery;
	struct agent *agent = discovery->agent;
	_cleanup_free_ bool *named = NULL;

	if (!code) {
		discovery->answered = true;
		named = calloc(agent->listener_count + 1, sizeof(*named));
		for (size_t i = 0; named && i < agent->listener_count; i++)
			named[i] = agent->listeners[i].node != NULL;
		log_names(discovery,
			  listeners_name(agent, port, nodes, epmd->before, epmd->before_count));
		for (size_t i = 0; named && i < agent->listener_count; i++)
			if (!named[i] && agent->listeners[i].node)
				log_node(agent, &agent->listeners[i]);
	}
	free(epmd->before);
	epmd->before = NULL;
	if (epmd->again)
		ask(discovery, port);
}

static void ask(struct discovery *discovery, uint16_t port)
{
	struct fence_registration *before = NULL;
	struct epmd *free_place = NULL;
	int before_count;

	for (size_t i = 0; i < EPMDS_MAX; i++) {
		struct epmd *epmd = &discovery->epmds[i];

		if (epmd->query && epmd->port == port) {
			epmd->again = true; /* when it has answered, for it may not know yet */
			return;
		}
		if (!epmd->query)
			free_place = epmd;
	}
	if (!free_place)
		return;
	before_count = fence_registrations(discovery->agent->fence, &before);
	*free_place = (struct epmd){.discovery = discovery, .port = port};
	if (network_ask(discovery->network, port, QUERY_TIMEOUT_MS, on_answer, free_place,
			&free_place->query)) {
		/* Others may have been answered by that, and have been here meanwhile. */
		free(before);
		*free_place = (struct epmd){};
		return;
	}
	free_place->before = before;
	free_place->before_count = before_count;
}

static void ask_once(struct discovery *discovery, uint64_t *asked, uint16_t port)
{
	const uint64_t bit = UINT64_C(1) << (port % 64);

	if (asked[port / 64] & bit)
		return;
	asked[port / 64] |= bit;
	ask(discovery, port);
}

/*
 * The epmds that listen, and those that nodes are connected to: under systemd another process has
 * opened epmd's listener.
 */
static void ask_all(struct discovery *discovery)
{
	const struct agent *agent = discovery->agent;
	_cleanup_free_ struct fence_registration *rows = NULL;
	const int count = fence_registrations(agent->fence, &rows);
	uint64_t asked[PORTS / 64] = {};

	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].kernel.kind == LISTENER_EPMD)
			ask_once(discovery, asked, agent->listeners[i].kernel.port);
	for (int i = 0; i < count; i++)
		ask_once(discovery, asked, rows[i].registration.epmd_port);
}

static void schedule(struct discovery *discovery)
{
	const unsigned int delay_ms = delays_ms[discovery->round];
	const struct timeval delay = {.tv_sec = delay_ms / 1000,
				      .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	event_add(discovery->next_round, &delay);
}

void discovery_ask(struct discovery *discovery)
{
	discovery->round = 0;
	discovery->answered = false;
	ask_all(discovery);
	schedule(discovery);
}

static void on_round(evutil_socket_t fd, short events, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)events;
	ask_all(discovery);
	if (++discovery->round < ROUNDS)
		schedule(discovery);
	else if (discovery->answered) /* an epmd that says nothing unsays nothing */
		listeners_withdraw(discovery->agent);
}

static void look(struct discovery *discovery, bool registrations)
{
	const int beams = listeners_refresh(discovery->agent, log_listener, discovery);

	if (beams < 0)
		log_line(LOG_ERR, "cannot read the listeners", "error", strerror(-beams), NULL);
	log_untracked(discovery);
	if (beams > 0 || registrations)
		discovery_ask(discovery);
}

static void on_changes(evutil_socket_t fd, short events, void *context)
{
	struct discovery *discovery = context;
	const uint32_t changes = fence_changes(discovery->agent->fence);

	(void)fd, (void)events;
	if (changes & 1u << CHANGE_UNBOUND)
		fence_list(discovery->agent->fence, NULL);
	if (changes)
		look(discovery, changes & 1u << CHANGE_REGISTRATIONS);
}

void discovery_restart(struct discovery *discovery)
{
	const int fd = fence_changes_fd(discovery->agent->fence);

	if (discovery->changes && event_get_fd(discovery->changes) != fd) {
		event_free(discovery->changes);
		discovery->changes = NULL;
	}
	if (fd >= 0 && !discovery->changes) {
		discovery->changes = event_new(discovery->base, fd, EV_READ | EV_PERSIST,
					       on_changes, discovery);
		if (discovery->changes)
			event_add(discovery->changes, NULL);
	}
	look(discovery, true);
}

int discovery_open(struct event_base *base, struct agent *agent, struct network *network,
		   struct discovery **result, struct error *error)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));

	if (discovery)
		discovery->next_round = evtimer_new(base, on_round, discovery);
	if (!discovery || !discovery->next_round) {
		free(discovery);
		return error_set(error, -ENOMEM, "out of memory");
	}
	discovery->base = base;
	discovery->agent = agent;
	discovery->network = network;
	discovery_restart(discovery);
	*result = discovery;
	return 0;
}

void discovery_close(struct discovery *discovery)
{
	if (!discovery)
		return;
	for (size_t i = 0; i < EPMDS_MAX; i++) {
		network_ask_cancel(discovery->epmds[i].query);
		free(discovery->epmds[i].before);
	}
	if (discovery->changes)
		event_free(discovery->changes);
	event_free(discovery->next_round);
	free(discovery);
}
