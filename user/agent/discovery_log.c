// SPDX-License-Identifier: BSD-2-Clause
#include "agent/discovery_log.h"

#include <string.h>
#include <syslog.h>

#include "agent/events.h"
#include "core/clock.h"
#include "daemon/log.h"

#define AGAIN_MS 10000	/* what anybody can bring about is logged no more often */
#define BRIEF_MS 600000 /* and that listeners came and went */

static bool is_due(int64_t *last_ms)
{
	const int64_t now_ms = boottime_ms();

	if (*last_ms && now_ms - *last_ms < AGAIN_MS)
		return false;
	*last_ms = now_ms;
	return true;
}

static const char *kind_of(const struct known_listener *listener)
{
	return listener->kernel.kind == LISTENER_EPMD ? "epmd" : "dist";
}

/* Whether its port is open again. */
static bool is_released(enum listener_event event, const char *source)
{
	return event == LISTENER_WENT && source && strcmp(source, "config") != 0;
}

/* The line of a listener, after what @message says of it. */
static void log_one(const struct known_listener *listener, const char *message, const char *source,
		    const char *node)
{
	char port[16], pid[16], address[PREFIX_TEXT_SIZE];

	snprintf(port, sizeof(port), "%u", listener->kernel.port);
	snprintf(pid, sizeof(pid), "%u", listener->kernel.pid);
	log_line(LOG_INFO, message, "port", port, "source", source, "kind", kind_of(listener),
		 "node", node, "address", listener_address(listener, address), "pid", pid,
		 "process", listener->process, NULL);
}

static void log_went(const struct agent *agent, const struct known_listener *listener)
{
	const bool released = is_released(LISTENER_WENT, listener_source(agent, listener));

	log_one(listener, released ? "port released" : "listener gone", NULL, listener->node);
}

void log_listener(struct said *said, const struct agent *agent, enum listener_event event,
		  const struct known_listener *listener)
{
	const char *source = listener_source(agent, listener);
	char address[PREFIX_TEXT_SIZE];

	event_emit(agent->events, "listener", "{s:s, s:i, s:s, s:s*, s:s*, s:s, s:i, s:s}", "what",
		   event == LISTENER_CAME ? "came" : "gone", "port", (int)listener->kernel.port,
		   "kind", kind_of(listener), "source", is_released(event, source) ? NULL : source,
		   "node", listener->node, "address", listener_address(listener, address), "pid",
		   (int)listener->kernel.pid, "process", listener->process);
	if (event == LISTENER_WENT && listener->logged)
		log_went(agent, listener);
	else if (event == LISTENER_WENT && !said->brief++)
		said->brief_ms = boottime_ms();
}

#define NUMBER_SIZE 24

static const char *digits(uint64_t count, char number[static NUMBER_SIZE])
{
	snprintf(number, NUMBER_SIZE, "%llu", (unsigned long long)count);
	return number;
}

void emit_node(const struct agent *agent, struct known_listener *listener)
{
	listener->told = true;
	event_emit(agent->events, "node", "{s:s, s:s, s:i, s:s*}", "what", "registered", "node",
		   listener->node, "port", (int)listener->kernel.port, "source",
		   listener_source(agent, listener));
}

static void log_node(const struct agent *agent, struct known_listener *listener)
{
	char port[16];

	listener->node_logged = true;
	snprintf(port, sizeof(port), "%u", listener->kernel.port);
	log_line(LOG_INFO,
		 listener->registered || listener->evidence != EVIDENCE_CMDLINE
			 ? "node registered"
			 : "node named by its command line",
		 "node", listener->node, "port", port, "source", listener_source(agent, listener),
		 NULL);
}

static void log_brief(struct said *said)
{
	char number[NUMBER_SIZE];

	if (!said->brief || boottime_ms() - said->brief_ms < BRIEF_MS)
		return;
	log_line(LOG_INFO, "listeners came and went within seconds", "listeners",
		 digits(said->brief, number), NULL);
	said->brief = 0;
}

void log_standing(struct said *said, const struct agent *agent)
{
	for (size_t i = 0; i < agent->listener_count; i++) {
		struct known_listener *listener = &agent->listeners[i];
		const char *source;

		if ((listener->logged && (!listener->node || listener->node_logged)) ||
		    !listener_stays(listener))
			continue;
		source = listener_source(agent, listener);
		if (!listener->logged)
			log_one(listener, source ? "port protected" : "listener not protected",
				source, NULL);
		listener->logged = true;
		if (listener->node && !listener->node_logged)
			log_node(agent, listener);
	}
	log_brief(said);
}

void log_settled(const struct agent *agent, enum evidence was, struct known_listener *listener)
{
	const char *source = listener_source(agent, listener);
	char port[16], pid[16];

	if (listener->node && !listener->told)
		emit_node(agent, listener);
	if (was == listener->evidence)
		return;
	snprintf(port, sizeof(port), "%u", listener->kernel.port);
	snprintf(pid, sizeof(pid), "%u", listener->kernel.pid);
	if (listener->evidence == EVIDENCE_REFUTED)
		log_line(LOG_WARNING,
			 "epmd names this port, but it does not speak the distribution: released",
			 "port", port, "pid", pid, "process", listener->process, NULL);
	else if (!listener_stays(listener))
		return;
	else if (listener->evidence == EVIDENCE_NONE)
		log_line(LOG_INFO, "port released", "port", port, "pid", pid, "process",
			 listener->process, NULL);
	else
		log_line(LOG_INFO, "port is a node's: it answered", "port", port, "pid", pid,
			 "source", source, NULL);
}

void log_tables(struct said *said, const struct fence *fence)
{
	const uint64_t untracked = fence_listeners_untracked(fence);
	const uint64_t refused = fence_listeners_refused(fence);
	char number[NUMBER_SIZE];

	if ((untracked == said->untracked && refused == said->refused) || !is_due(&said->tables_ms))
		return;
	if (untracked != said->untracked)
		log_line(LOG_WARNING,
			 "no room to follow listeners: their ports are protected, and for a "
			 "while after they close",
			 "untracked", digits(untracked, number), NULL);
	if (refused != said->refused)
		log_line(LOG_WARNING,
			 "a user has more listeners than can be followed, or more connections to "
			 "epmd: the rest is not protected (see status)",
			 "refused", digits(refused, number), NULL);
	said->untracked = untracked;
	said->refused = refused;
}

void log_heard(struct said *said, const struct heard *heard)
{
	char number[NUMBER_SIZE];

	if (heard->code) {
		log_line(LOG_ERR, "cannot take in what epmd says", "error", strerror(-heard->code),
			 NULL);
		return;
	}
	if (heard->doubted && heard->doubted != said->doubted)
		log_line(LOG_WARNING,
			 "epmd names more nodes on a process's ports than the process registered: "
			 "the ports are asked",
			 "names", digits(heard->doubted, number), NULL);
	said->doubted = heard->doubted;
}

void log_findings(struct said *said, const struct fence *fence,
		  const struct watch_findings *findings)
{
	const uint64_t missed = fence_watch_missed(fence);
	char number[NUMBER_SIZE];

	if (missed != said->missed && is_due(&said->missed_ms)) {
		log_line(LOG_WARNING,
			 "the kernel kept events from the listener watch: all sockets were listed "
			 "again",
			 "missed", digits(missed - said->missed, number), NULL);
		said->missed = missed;
	}
	if (findings->dropped)
		log_line(LOG_WARNING, "listeners had closed unnoticed: dropped", "listeners",
			 digits(findings->dropped, number), NULL);
	if (findings->corrected)
		log_line(LOG_WARNING, "counts of listeners were wrong: corrected", "ports",
			 digits(findings->corrected, number), NULL);
}
