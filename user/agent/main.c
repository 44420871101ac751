// SPDX-License-Identifier: BSD-2-Clause
/* beamfenced: one event loop that joins the stages. */
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/discovery.h"
#include "agent/endpoints.h"
#include "agent/events.h"
#include "agent/features.h"
#include "agent/interfaces.h"
#include "agent/options.h"
#include "agent/privileges.h"
#include "agent/problems_connections.h"
#include "agent/report.h"
#include "agent/runtime.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "daemon/notify.h"
#include "kernel/detach.h"

#define RETRY_S 5 /* what could not be done is tried again */
#define CHECK_S 5
#define DOUBT_S 1
#define EXIT_NO_CONFIG \
	78 /* EX_CONFIG of sysexits.h: no restart mends that, so the unit has failed */

struct daemon {
	struct event_base *base;
	struct agent agent;
	struct commands commands;
	struct endpoints endpoints;
	struct runtime runtime;
	struct boot_timer *trial_end;
	struct interface_watch *interfaces;
	struct discovery *discovery;
	struct event *signals[3];
	struct event *watchdog;
	struct event *check; /* that all is where it should be */
	struct features features;
	struct event *doubt; /* comes while it is not clear whether a driver runs the filter */
	struct report report;
	bool addresses_unknown; /* and it was logged */
	bool no_config;		/* neither the file nor a last good one */
};

static void tell_restored(void *context, const char *interface)
{
	struct daemon *daemon = context;

	event_emit(daemon->agent.events, "interface", "{s:s, s:s}", "what", "reattached",
		   "interface", interface);
	log_line(LOG_WARNING, "something else had taken the filter off: it is back", "interface",
		 interface, NULL);
}

static void replan(struct daemon *daemon)
{
	struct error error;
	const int changed = agent_replan(&daemon->agent, &error);

	fence_restored(daemon->agent.fence, tell_restored, daemon);
	if (fence_is_in_doubt(daemon->agent.fence))
		event_add(daemon->doubt, &(struct timeval){.tv_sec = DOUBT_S});
	if (changed < 0)
		log_line(LOG_ERR, "interfaces changed, but not the filter", "error", error.text,
			 NULL);
	if (changed <= 0)
		return;
	report_interfaces(&daemon->report, &daemon->agent);
}

static void restore_pins(struct daemon *daemon)
{
	struct error error = {};
	const int restored = fence_restore_pins(daemon->agent.fence, &error);

	if (restored < 0)
		log_line(LOG_ERR, "pins are missing", "error", error.text, NULL);
	else if (restored)
		log_line(LOG_WARNING, "somebody had removed pins: they are back", "directory",
			 daemon->agent.pin_dir, NULL);
}

static void look_at_addresses(struct daemon *daemon)
{
	struct error error = {};
	const bool failed = agent_look_at_addresses(&daemon->agent, &error) < 0;

	if (failed && !daemon->addresses_unknown)
		log_line(LOG_ERR, "any address may be this host's: guests may lose connections",
			 "error", error.text, NULL);
	daemon->addresses_unknown = failed;
}

/* Another configuration is in force. */
static void follow_config(struct daemon *daemon)
{
	const struct trial *trial = &daemon->agent.trial;

	/* First: it lets go of a descriptor that is closed by now, and whose number is free. */
	discovery_restart(daemon->discovery);
	report_policy(&daemon->report, &daemon->agent);
	endpoints_check_control(&daemon->endpoints);
	endpoints_open_metrics(&daemon->endpoints);
	boot_timer_set(daemon->trial_end, trial->former ? trial->ends_ms : -1);
	agent_look_at_connections(&daemon->agent);
	report_problems(&daemon->report, &daemon->agent);
	runtime_keep_config(&daemon->runtime);
}

/*
 * Whatever holds an interface may let go of it without a word to anybody, and who takes the filter
 * off says nothing either.
 */
static void on_check(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;

	(void)fd, (void)events;
	if (features_retry(&daemon->features, &daemon->agent) == GAINED_WATCH)
		follow_config(daemon);
	replan(daemon);
	look_at_addresses(daemon);
	restore_pins(daemon);
	discovery_check(daemon->discovery);
	agent_look_at_connections_again(&daemon->agent);
	report_problems(&daemon->report, &daemon->agent);
}

static void on_doubt(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	replan(context);
}

static void on_interfaces_changed(void *context)
{
	replan(context);
}

static void on_addresses_changed(void *context)
{
	look_at_addresses(context);
}

static void on_reloaded(void *context, const struct review *review, int code,
			const struct error *reason)
{
	struct daemon *daemon = context;

	event_emit(daemon->agent.events, "reload", "{s:s, s:s, s:s*}", "what",
		   code ? "refused" : "done", "config", daemon->agent.config_path, "error",
		   code ? reason->text : NULL);
	if (code) {
		log_line(LOG_ERR, "reload refused, nothing changed", "error", reason->text, NULL);
		report_problems(&daemon->report, &daemon->agent);
		return;
	}
	report_reload(&daemon->agent, review);
	follow_config(daemon);
}

/* The time of a trial is over. What cannot be put into force again now may be so later. */
static void on_trial_end(void *context)
{
	struct daemon *daemon = context;
	struct error error = {};

	if (agent_revert(&daemon->agent, &error)) {
		log_line(LOG_ERR, "cannot go back to the configuration before the trial", "error",
			 error.text, NULL);
		boot_timer_set(daemon->trial_end, boottime_ms() + RETRY_S * 1000);
		return;
	}
	event_emit(daemon->agent.events, "trial", "{s:s}", "what", "over");
	log_line(LOG_NOTICE, "the trial is over: back to the configuration before it", NULL);
	follow_config(daemon);
}

static void on_tried(void *context)
{
	struct daemon *daemon = context;
	const struct trial *trial = &daemon->agent.trial;

	event_emit(daemon->agent.events, "trial", "{s:s}", "what",
		   trial->former ? "begun" : "ended");
	follow_config(daemon);
}

static void on_changed(void *context, const struct control_peer *peer, const char *command,
		       const json_t *arguments, int code, const struct error *error)
{
	(void)context;
	report_change(peer, command, arguments, code, error);
}

static void on_sighup(evutil_socket_t signal, short events, void *context)
{
	struct daemon *daemon = context;
	struct review review = {};
	struct error error = {};
	int code;

	(void)signal, (void)events;
	notify_reloading();
	code = agent_reload(&daemon->agent, &review, &error);
	on_reloaded(daemon, &review, code, &error);
	review_free(&review);
	notify_ready(NULL);
}

static void on_terminate(evutil_socket_t signal, short events, void *context)
{
	struct daemon *daemon = context;

	(void)signal, (void)events;
	event_emit(daemon->agent.events, "agent", "{s:s}", "what", "ending");
	log_line(LOG_NOTICE, "ending; the filter stays in force", NULL);
	event_base_loopbreak(daemon->base);
}

static void on_detached(void *context)
{
	struct daemon *daemon = context;

	event_emit(daemon->agent.events, "agent", "{s:s}", "what", "detached");
	log_line(LOG_WARNING, "detached: nothing is fenced any more; ending", NULL);
	/* At once: a check that is due would put back what has just been taken away. */
	event_base_loopbreak(daemon->base);
}

static void on_watchdog(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events, (void)context;
	notify_watchdog();
}

static void on_peers_changed(void *context)
{
	struct daemon *daemon = context;

	runtime_update(&daemon->runtime);
}

static void on_can_ask(void *context)
{
	struct daemon *daemon = context;

	if (daemon->discovery)
		discovery_ask(daemon->discovery);
}

static int add_signal(struct daemon *daemon, int index, int signal, event_callback_fn callback)
{
	daemon->signals[index] = evsignal_new(daemon->base, signal, callback, daemon);
	return daemon->signals[index] && !event_add(daemon->signals[index], NULL) ? 0 : -ENOMEM;
}

static int add_events(struct daemon *daemon, struct error *error)
{
	const uint64_t interval_us = notify_watchdog_interval_us() / 2;
	const struct timeval half = {.tv_sec = (time_t)(interval_us / 1000000),
				     .tv_usec = (suseconds_t)(interval_us % 1000000)};
	const struct timeval interval = {.tv_sec = CHECK_S};
	int code = add_signal(daemon, 0, SIGHUP, on_sighup);

	if (!code)
		code = add_signal(daemon, 1, SIGTERM, on_terminate);
	if (!code)
		code = add_signal(daemon, 2, SIGINT, on_terminate);
	if (!code)
		code = boot_timer_open(daemon->base, on_trial_end, daemon, &daemon->trial_end);
	daemon->check = event_new(daemon->base, -1, EV_PERSIST, on_check, daemon);
	daemon->doubt = evtimer_new(daemon->base, on_doubt, daemon);
	daemon->watchdog = event_new(daemon->base, -1, EV_PERSIST, on_watchdog, NULL);
	if (code || !daemon->check || !daemon->doubt || !daemon->watchdog ||
	    event_add(daemon->check, &interval) ||
	    (interval_us && event_add(daemon->watchdog, &half)))
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

static int watch_interfaces(struct daemon *daemon, struct error *error)
{
	const struct interface_calls calls = {on_interfaces_changed, on_addresses_changed};
	const int code = interface_watch_open(daemon->base, calls, daemon, &daemon->interfaces,
					      error);

	if (code)
		return code;
	/* What came while this was starting. */
	on_interfaces_changed(daemon);
	on_addresses_changed(daemon);
	return 0;
}

/* Puts together what knows of each other. */
static void join_parts(struct daemon *daemon)
{
	daemon->commands = (struct commands){
		.agent = &daemon->agent,
		.reloaded = on_reloaded,
		.detached = on_detached,
		.peers_changed = on_peers_changed,
		.tried = on_tried,
		.changed = on_changed,
		.context = daemon,
	};
	daemon->endpoints = (struct endpoints){
		.base = daemon->base,
		.agent = &daemon->agent,
		.commands = &daemon->commands,
		.can_ask = on_can_ask,
		.context = daemon,
	};
}

static int configure(struct daemon *daemon, const struct options *options, struct error *error)
{
	const int code = runtime_configure(&daemon->runtime, &daemon->agent, options->config,
					   options->state_dir, error);

	daemon->no_config = code != 0;
	return code;
}

/*
 * The whole start. What may be refused comes before the policy; nobody is answered on the control
 * socket before the loop runs.
 */
static int start(struct daemon *daemon, const struct options *options, struct error *error)
{
	int code = privileges_check(error);

	if (!code)
		code = configure(daemon, options, error);
	if (!code)
		code = agent_open(&daemon->agent, options->pin_dir, error);
	if (code)
		return code;
	memory_lay_aside();
	daemon->base = event_base_new();
	if (!daemon->base)
		return error_set(error, -ENOMEM, "out of memory");
	join_parts(daemon);
	runtime_load(&daemon->runtime, &daemon->commands);
	code = endpoints_open_control(&daemon->endpoints, error);
	if (!code)
		code = endpoints_open_network(&daemon->endpoints, options->net_socket, error);
	if (!code)
		code = runtime_start(&daemon->runtime, error);
	if (!code)
		code = events_open(daemon->base, &daemon->agent, &daemon->agent.events, error);
	if (code)
		return code;
	report_start(&daemon->agent);
	report_policy(&daemon->report, &daemon->agent);
	endpoints_open_metrics(&daemon->endpoints);
	code = discovery_open(daemon->base, &daemon->agent, daemon->endpoints.network,
			      &daemon->discovery, error);
	if (!code)
		code = add_events(daemon, error);
	if (!code)
		code = watch_interfaces(daemon, error);
	if (!code)
		code = privileges_drop(!fence_features(daemon->agent.fence).conntrack, error);
	return code ? code : runtime_open(&daemon->runtime, daemon->base, error);
}

static void stop(struct daemon *daemon)
{
	runtime_close(&daemon->runtime);
	discovery_close(daemon->discovery);
	daemon->discovery = NULL;
	endpoints_close(&daemon->endpoints);
	interface_watch_close(daemon->interfaces);
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->watchdog)
		event_free(daemon->watchdog);
	boot_timer_close(daemon->trial_end);
	if (daemon->check)
		event_free(daemon->check);
	if (daemon->doubt)
		event_free(daemon->doubt);
	report_free(&daemon->report);
	events_close(daemon->agent.events);
	daemon->agent.events = NULL;
	agent_close(&daemon->agent);
	if (daemon->base)
		event_base_free(daemon->base);
	libevent_global_shutdown();
}

/* Returns the exit status of a start that came to nothing. */
static int report_failure(const struct daemon *daemon, const struct options *options,
			  const struct error *error)
{
	if (!daemon->no_config) {
		log_line(LOG_ERR, error->text, NULL);
		return 1;
	}
	report_no_config(options->pin_dir, error);
	return EXIT_NO_CONFIG;
}

int main(int argc, char **argv)
{
	struct daemon daemon = {};
	struct options options;
	struct error error = {};
	int code = 0;

	if (!options_read(argc, argv, &options, &code))
		return code;
	signal(SIGPIPE, SIG_IGN);
	log_open(LOG_INFO);
	code = start(&daemon, &options, &error);
	if (!code) {
		notify_ready(NULL);
		event_base_dispatch(daemon.base);
		notify_stopping();
		code = 0;
	} else {
		code = report_failure(&daemon, &options, &error);
	}
	stop(&daemon);
	return code;
}
