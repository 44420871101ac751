// SPDX-License-Identifier: BSD-2-Clause
#include "agent/discovery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "agent/discovery_log.h"
#include "agent/doubts.h"
#include "agent/epmd_asks.h"
#include "agent/listeners.h"
#include "agent/nodes.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/log.h"

#define LOOK_MS	    5	/* between looks at changes that come in a flood, for which ... */
#define LOOKS	    4	/* ... so many were looked at on the spot: a start of a node makes three */
#define RESTART_MS  20	/* rounds begin anew no more often */
#define LIST_MS	    100 /* other processes than BEAMs are listed no more often */
#define CATCH_UP_MS 200 /* and all of them, where the kernel keeps events from the watch */
#define ALL_MS	    60000 /* for sockets that were handed over from process to process */
#define HEARD_MS    15000 /* for bystanders that come and go ... */
#define HEARD_COST  100	  /* ... or so many times as long as the last listing took */

/*
 * When epmd is asked after a change: a node registers within milliseconds of its listen(), and the
 * change is heard of before that. The last is for others than BEAMs: see QUESTION_MAX_NS.
 */
static const unsigned int delays_ms[] = {1, 4, 20, 100, 400, 500};

#define ROUNDS (sizeof(delays_ms) / sizeof(delays_ms[0]))

struct discovery {
	struct event_base *base;
	struct agent *agent;
	struct epmd_asks *asks;
	struct doubts *doubts;
	struct event *changes; /* NULL: not watching */
	struct event *next_look, *next_round;
	size_t round;
	int64_t looks_since_ms, round_began_ms, listed_ms, caught_up_ms, all_listed_ms,
		heard_from_ms;
	unsigned int looks;	   /* since looks_since_ms */
	uint64_t bystanders_heard; /* up to the last listing */
	bool begin_again; /* when the round that is due is over: something has changed since */
	struct said said;
};

static void on_listener(void *context, enum listener_event event,
			const struct known_listener *listener)
{
	struct discovery *discovery = context;

	log_listener(&discovery->said, discovery->agent, event, listener);
}

static void on_settled(void *context, enum evidence was, struct known_listener *listener)
{
	const struct discovery *discovery = context;

	log_settled(discovery->agent, was, listener);
}

static void look(struct discovery *discovery);

/* Processes that are no BEAM by name are listed, and what was said is taken in once more. */
static struct heard hear(struct discovery *discovery, const struct hearing *hearing)
{
	struct heard heard = nodes_hear(discovery->agent, hearing);
	struct error error = {};

	if (heard.code || !heard.stray || boottime_ms() - discovery->listed_ms < LIST_MS)
		return heard;
	discovery->listed_ms = boottime_ms();
	if (nodes_list_others(discovery->agent, hearing, &error) <= 0)
		return heard;
	look(discovery);
	return nodes_hear(discovery->agent, hearing);
}

/* Of those that epmd has named, or of all. */
static void tell_of_nodes(const struct agent *agent, bool named)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		struct known_listener *listener = &agent->listeners[i];

		if (listener->node && !listener->told && (listener->named || !named))
			emit_node(agent, listener);
	}
}

static void on_heard(void *context, const struct hearing *hearing)
{
	struct discovery *discovery = context;
	struct agent *agent = discovery->agent;
	const struct heard heard = hear(discovery, hearing);

	log_heard(&discovery->said, &heard);
	if (fence_configured_cluster(agent->fence, hearing->epmd_port) == CLUSTER_ANY) {
		agent->epmd_heard = true;
		if (!agent->stray_names)
			agent->stray_since_ms = boottime_ms();
		agent->stray_names = heard.stray;
	}
	tell_of_nodes(agent, true);
	doubts_look(discovery->doubts, false);
}

static void set_timer(struct event *timer, unsigned int delay_ms)
{
	const struct timeval delay = {.tv_sec = delay_ms / 1000,
				      .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000};

	event_add(timer, &delay);
}

static void begin_rounds(struct discovery *discovery)
{
	discovery->round = 0;
	discovery->begin_again = false;
	discovery->round_began_ms = boottime_ms();
	epmd_asks_all(discovery->asks);
	set_timer(discovery->next_round, delays_ms[0]);
}

/*
 * At once, since a peer waits for it; but rounds that have just begun go on, so that a flood of
 * changes, which are looked at every LOOK_MS, begins none anew each time.
 */
void discovery_ask(struct discovery *discovery)
{
	if (boottime_ms() - discovery->round_began_ms >= RESTART_MS) {
		begin_rounds(discovery);
		return;
	}
	discovery->begin_again = true;
	epmd_asks_all(discovery->asks);
}

static void on_round(evutil_socket_t fd, short events, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)events;
	if (discovery->begin_again && boottime_ms() - discovery->round_began_ms >= RESTART_MS) {
		begin_rounds(discovery);
		return;
	}
	epmd_asks_all(discovery->asks);
	if (++discovery->round < ROUNDS) {
		set_timer(discovery->next_round, delays_ms[discovery->round]);
		return;
	}
	tell_of_nodes(discovery->agent, false);
	doubts_look(discovery->doubts, true);
}

static void look(struct discovery *discovery)
{
	const int nodes = listeners_refresh(discovery->agent, on_listener, discovery);

	if (nodes < 0)
		log_line(LOG_ERR, "cannot read the listeners", "error", strerror(-nodes), NULL);
	log_standing(&discovery->said, discovery->agent);
	log_tables(&discovery->said, discovery->agent->fence);
	if (nodes > 0)
		discovery_ask(discovery);
}

/*
 * Who has a socket may change without a word, as where a service manager passes it on; and of what
 * is not followed only that something happened is heard.
 */
static void list_all(struct discovery *discovery)
{
	struct error error = {};

	discovery->bystanders_heard = fence_bystanders_heard(discovery->agent->fence);
	discovery->all_listed_ms = boottime_ms();
	if (fence_list(discovery->agent->fence, &error))
		log_line(LOG_ERR, "listener watch", "error", error.text, NULL);
}

/* Anybody can make himself heard time and again: that costs no more than a hundredth of the time.
 */
static void list_heard(struct discovery *discovery)
{
	const int64_t began_ms = boottime_ms();
	int64_t pause_ms;

	if (began_ms < discovery->heard_from_ms ||
	    fence_bystanders_heard(discovery->agent->fence) == discovery->bystanders_heard)
		return;
	list_all(discovery);
	pause_ms = (boottime_ms() - began_ms) * HEARD_COST;
	discovery->heard_from_ms = began_ms + (pause_ms > HEARD_MS ? pause_ms : HEARD_MS);
}

static void catch_up(struct discovery *discovery)
{
	struct watch_findings findings = {};
	struct error error = {};

	if (boottime_ms() - discovery->caught_up_ms < CATCH_UP_MS)
		return;
	discovery->caught_up_ms = boottime_ms();
	if (fence_watch_catch_up(discovery->agent->fence, &findings.missed, &findings.dropped,
				 &error))
		log_line(LOG_ERR, "listener watch", "error", error.text, NULL);
	log_findings(&discovery->said, discovery->agent->fence, &findings);
}

void discovery_check(struct discovery *discovery)
{
	_cleanup_free_ struct fence_registration *rows = NULL;
	struct watch_findings findings;
	struct error error = {};
	int count;

	if (!discovery->changes)
		return;
	if (fence_watch_check(discovery->agent->fence, &findings, &error))
		log_line(LOG_ERR, "listener watch", "error", error.text, NULL);
	log_findings(&discovery->said, discovery->agent->fence, &findings);
	if (boottime_ms() - discovery->all_listed_ms >= ALL_MS)
		list_all(discovery);
	else
		list_heard(discovery);
	if (findings.missed || findings.dropped)
		look(discovery);
	log_standing(&discovery->said, discovery->agent);
	count = fence_registrations(discovery->agent->fence, &rows);
	nodes_note_check(discovery->agent, rows, count);
	doubts_turn(discovery->doubts);
	if (nodes_are_unsettled(discovery->agent, rows, count))
		epmd_asks_all(discovery->asks);
	doubts_look(discovery->doubts, true);
}

static void take_changes(struct discovery *discovery)
{
	const uint32_t changes = fence_changes(discovery->agent->fence);

	if (!changes)
		return;
	catch_up(discovery);
	if (changes & 1u << CHANGE_UNBOUND)
		fence_list(discovery->agent->fence, NULL);
	look(discovery);
	if (changes & (1u << CHANGE_REGISTRATIONS | 1u << CHANGE_OTHERS))
		discovery_ask(discovery);
}

static bool may_look(struct discovery *discovery)
{
	const int64_t now_ms = boottime_ms();

	if (now_ms - discovery->looks_since_ms >= LOOKS * LOOK_MS) {
		discovery->looks_since_ms = now_ms;
		discovery->looks = 0;
	}
	return discovery->looks++ < LOOKS;
}

/* The first of many changes are looked at on the spot, those that follow all at once. */
static void on_changes(evutil_socket_t fd, short events, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)events;
	if (may_look(discovery)) {
		take_changes(discovery);
		return;
	}
	event_del(discovery->changes);
	set_timer(discovery->next_look, LOOK_MS);
}

static void on_look(evutil_socket_t fd, short events, void *context)
{
	struct discovery *discovery = context;

	(void)fd, (void)events;
	if (!discovery->changes)
		return;
	event_add(discovery->changes, NULL);
	take_changes(discovery);
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
	if (fd >= 0)
		list_all(discovery); /* by the ports that the configuration has now */
	look(discovery);
	discovery_ask(discovery);
}

static struct discovery *make(struct event_base *base, struct agent *agent, struct network *network)
{
	struct discovery *discovery = calloc(1, sizeof(*discovery));

	if (!discovery)
		return NULL;
	*discovery = (struct discovery){.base = base, .agent = agent};
	discovery->next_round = evtimer_new(base, on_round, discovery);
	discovery->next_look = evtimer_new(base, on_look, discovery);
	if (discovery->next_round && discovery->next_look &&
	    !epmd_asks_open(agent, network, on_heard, discovery, &discovery->asks) &&
	    !doubts_open(agent, network, on_settled, discovery, &discovery->doubts))
		return discovery;
	discovery_close(discovery);
	return NULL;
}

int discovery_open(struct event_base *base, struct agent *agent, struct network *network,
		   struct discovery **result, struct error *error)
{
	struct discovery *discovery = make(base, agent, network);

	if (!discovery)
		return error_set(error, -ENOMEM, "out of memory");
	discovery_restart(discovery);
	*result = discovery;
	return 0;
}

static void free_event(struct event *event)
{
	if (event)
		event_free(event);
}

void discovery_close(struct discovery *discovery)
{
	if (!discovery)
		return;
	epmd_asks_close(discovery->asks);
	doubts_close(discovery->doubts);
	free_event(discovery->changes);
	free_event(discovery->next_look);
	free_event(discovery->next_round);
	free(discovery);
}
