// SPDX-License-Identifier: BSD-2-Clause
/* beamfenced: one event loop that joins the stages. Logging happens here alone. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/control.h"
#include "agent/discovery.h"
#include "agent/http.h"
#include "agent/interfaces.h"
#include "agent/log.h"
#include "agent/notify.h"
#include "agent/privileges.h"
#include "core/cleanup.h"
#include "core/version.h"
#include "kernel/detach.h"

#define RETRY_S	       5
#define CONFIG_DEFAULT "/etc/beamfence/beamfence.yaml"

static const char usage[] =
	"Usage: beamfenced [--config FILE] [--pin-dir DIR]\n"
	"\n"
	"Keeps EPMD and the Erlang distribution off client-facing interfaces: attaches the "
	"filter,\n"
	"keeps its tables true, answers \"beamfence\" and serves metrics. Runs in the foreground\n"
	"and logs to stderr. SIGHUP reloads; SIGTERM ends the agent and leaves the filter in\n"
	"force (\"beamfence detach\" takes it away).\n"
	"\n"
	"  --config FILE   the configuration (default " CONFIG_DEFAULT ")\n"
	"  --pin-dir DIR   where the filter is pinned (default " PIN_DIR_DEFAULT ")\n"
	"  --version       print the version\n"
	"  --help          print this\n"
	"\n"
	"Exit status: 0 ended by a signal or by detach, 1 failed, 2 wrong usage.\n";

struct daemon {
	struct event_base *base;
	struct agent agent;
	struct commands commands;
	struct control *control;
	struct http *http;
	struct interface_watch *interfaces;
	struct discovery *discovery;
	struct event *signals[3];
	struct event *watchdog;
	struct event *expiry;
	struct event *retry; /* runs while the filter is missing from an interface */
	char *metrics_host;  /* where http listens; NULL: off */
	uint16_t metrics_port;
	char *control_socket; /* as started: a change takes a restart */
	char *control_group;
};

static void log_outcome(struct daemon *daemon)
{
	char summary[AGENT_SUMMARY_SIZE];
	const struct plan *plan = daemon->agent.plan;
	const struct interface_state *states;
	const size_t count = fence_interfaces(daemon->agent.fence, &states);

	for (size_t i = 0; i < count; i++) {
		const struct interface_state *state = &states[i];

		if (state->attached == ATTACHED_NOT)
			log_line(LOG_ERR, "not attached", "interface", state->name, "zone",
				 zone_name(state->zone), "problem", state->problem, NULL);
		else
			log_line(state->problem[0] ? LOG_WARNING : LOG_INFO, "attached",
				 "interface", state->name, "zone", zone_name(state->zone), "mode",
				 attach_mode_name(state->attached), "problem",
				 state->problem[0] ? state->problem : NULL, NULL);
	}
	for (size_t i = 0; i < plan->absent_count; i++)
		log_line(LOG_WARNING, "no such interface yet", "interface",
			 plan->absent[i]->pattern, "zone", zone_name(plan->absent[i]->zone), NULL);
	for (size_t i = 0; i < plan->ambiguous_count; i++)
		log_line(LOG_WARNING, "entries of two zones fit one interface: the stricter holds",
			 "entry", plan->ambiguous[i]->pattern, "zone",
			 zone_name(plan->ambiguous[i]->zone), NULL);
	for (size_t i = 0; i < plan->unassigned_count; i++)
		log_line(LOG_WARNING, "interface in no zone: left alone", "interface",
			 plan->unassigned[i], NULL);
	if (daemon->agent.policy->mode == MODE_AUDIT)
		log_line(LOG_WARNING, "audit mode: nothing is dropped", NULL);
	notify_status(agent_summary(&daemon->agent, summary));
}

/* Whatever holds an interface may let go of it without a word to anybody. */
static void retry_if_needed(struct daemon *daemon)
{
	const struct timeval delay = {.tv_sec = RETRY_S};

	if (fence_is_whole(daemon->agent.fence))
		event_del(daemon->retry);
	else
		event_add(daemon->retry, &delay);
}

static void on_retry(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;
	struct error error;

	(void)fd, (void)events;
	if (agent_retry(&daemon->agent, &error) > 0)
		log_outcome(daemon);
	retry_if_needed(daemon);
}

static int write_metrics(void *context, struct evbuffer *buffer)
{
	struct daemon *daemon = context;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int code;

	if (!out)
		return -ENOMEM;
	code = agent_write_metrics(&daemon->agent, out);
	if (fclose(out) == EOF && !code)
		code = -ENOMEM;
	if (!code && evbuffer_add(buffer, text, size) < 0)
		code = -ENOMEM;
	return code;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static int open_http(struct daemon *daemon, const struct config *config, struct http **http,
		     struct error *error)
{
	const struct http_settings settings = {
		.host = config->metrics_host,
		.port = config->metrics_port,
		.metrics = write_metrics,
		.context = daemon,
	};

	return http_open(daemon->base, &settings, http, error);
}

/*
 * Opens the endpoint where the configuration wants it, then closes the one that was open. To fence
 * without metrics beats not to fence: a failure is logged and shown by status, no more.
 */
static void open_metrics(struct daemon *daemon)
{
	const struct config *config = daemon->agent.config;
	struct error *error = &daemon->agent.metrics_error;
	struct http *http = NULL;

	if (same_text(config->metrics_host, daemon->metrics_host) &&
	    (!config->metrics_host || config->metrics_port == daemon->metrics_port))
		return;
	*error = (struct error){};
	if (config->metrics_host && open_http(daemon, config, &http, error)) {
		log_line(LOG_ERR, "no metrics where the configuration wants them", "error",
			 error->text, NULL);
		return;
	}
	http_close(daemon->http);
	free(daemon->metrics_host);
	daemon->http = http;
	daemon->metrics_host = config->metrics_host ? strdup(config->metrics_host) : NULL;
	daemon->metrics_port = config->metrics_port;
}

static void warn_of_control_change(struct daemon *daemon)
{
	const struct config *config = daemon->agent.config;

	daemon->agent.control_is_stale = !same_text(config->control_socket,
						    daemon->control_socket) ||
					 !same_text(config->control_group, daemon->control_group);
	if (daemon->agent.control_is_stale)
		log_line(LOG_WARNING, "a change of \"control\" takes effect at the next start",
			 "socket", daemon->control_socket, NULL);
}

static void on_reloaded(void *context, int code, const struct error *reason)
{
	char summary[AGENT_SUMMARY_SIZE];
	struct daemon *daemon = context;

	if (code) {
		log_line(LOG_ERR, "reload refused, nothing changed", "error", reason->text, NULL);
		notify_status(agent_summary(&daemon->agent, summary));
		return;
	}
	log_line(LOG_NOTICE, "reloaded", "config", daemon->agent.config_path, NULL);
	log_outcome(daemon);
	retry_if_needed(daemon);
	warn_of_control_change(daemon);
	open_metrics(daemon);
	discovery_restart(daemon->discovery);
}

static void on_sighup(evutil_socket_t signal, short events, void *context)
{
	struct daemon *daemon = context;
	struct error error = {};
	int code;

	(void)signal, (void)events;
	notify_reloading();
	code = agent_reload(&daemon->agent, &error);
	on_reloaded(daemon, code, &error);
	notify_ready(NULL);
}

static void on_terminate(evutil_socket_t signal, short events, void *context)
{
	struct daemon *daemon = context;

	(void)signal, (void)events;
	log_line(LOG_NOTICE, "ending; the filter stays in force", NULL);
	event_base_loopbreak(daemon->base);
}

static void on_detached(void *context)
{
	struct daemon *daemon = context;

	log_line(LOG_WARNING, "detached: nothing is fenced any more; ending", NULL);
	event_base_loopexit(daemon->base, NULL);
}

static void on_watchdog(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events, (void)context;
	notify_watchdog();
}

static void on_interfaces_changed(void *context)
{
	struct daemon *daemon = context;
	struct error error;
	const int changed = agent_replan(&daemon->agent, &error);

	if (changed < 0)
		log_line(LOG_ERR, "interfaces changed, but not the filter", "error", error.text,
			 NULL);
	else if (changed)
		log_outcome(daemon);
	retry_if_needed(daemon);
}

/* Ends peers whose time is over, and sleeps until the next one's is. */
static void on_expiry(evutil_socket_t fd, short events, void *context)
{
	struct daemon *daemon = context;
	const int64_t next_s = agent_expire_peers(&daemon->agent, time(NULL));
	const struct timeval delay = {.tv_sec = next_s > 0 ? next_s : 1};

	(void)fd, (void)events;
	if (next_s >= 0)
		event_add(daemon->expiry, &delay);
	else
		event_del(daemon->expiry);
}

static void on_peers_changed(void *context)
{
	on_expiry(-1, 0, context);
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
	int code = add_signal(daemon, 0, SIGHUP, on_sighup);

	if (!code)
		code = add_signal(daemon, 1, SIGTERM, on_terminate);
	if (!code)
		code = add_signal(daemon, 2, SIGINT, on_terminate);
	daemon->expiry = evtimer_new(daemon->base, on_expiry, daemon);
	daemon->retry = evtimer_new(daemon->base, on_retry, daemon);
	daemon->watchdog = event_new(daemon->base, -1, EV_PERSIST, on_watchdog, NULL);
	if (code || !daemon->expiry || !daemon->retry || !daemon->watchdog ||
	    (interval_us && event_add(daemon->watchdog, &half)))
		return error_set(error, -ENOMEM, "out of memory");
	code = interface_watch_open(daemon->base, on_interfaces_changed, daemon,
				    &daemon->interfaces, error);
	if (!code)
		on_interfaces_changed(daemon); /* those that came while this was starting */
	return code;
}

static int open_control(struct daemon *daemon, struct error *error)
{
	const struct config *config = daemon->agent.config;
	const struct group *group = getgrnam(config->control_group);
	const struct control_settings settings = {
		.path = config->control_socket,
		.group = group ? group->gr_gid : (gid_t)-1,
		.handler = commands_handle,
		.context = &daemon->commands,
	};

	if (!group)
		log_line(LOG_WARNING, "no such group: the control socket is root's alone", "group",
			 config->control_group, NULL);
	daemon->commands = (struct commands){
		.agent = &daemon->agent,
		.reloaded = on_reloaded,
		.detached = on_detached,
		.peers_changed = on_peers_changed,
		.context = daemon,
	};
	daemon->control_socket = strdup(config->control_socket);
	daemon->control_group = strdup(config->control_group);
	if (!daemon->control_socket || !daemon->control_group)
		return error_set(error, -ENOMEM, "out of memory");
	return control_open(daemon->base, &settings, &daemon->control, error);
}

static void log_start(const struct daemon *daemon)
{
	static const char *const starts[] = {
		[FENCE_FRESH] = "fresh",
		[FENCE_ADOPTED] = "adopted what an earlier agent left in force",
		[FENCE_REPLACED] = "replaced what an earlier, different agent left in force",
	};
	const struct fence_features features = fence_features(daemon->agent.fence);

	log_line(LOG_NOTICE, "started", "version", BEAMFENCE_VERSION, "start",
		 starts[fence_start(daemon->agent.fence)], "mode",
		 mode_name(daemon->agent.policy->mode), "frags",
		 features.multi_buffer ? "yes" : "no", "conntrack",
		 features.conntrack ? "yes" : "no", "gate", features.gate ? "yes" : "no", NULL);
}

/*
 * The whole start. What may be refused comes before the policy; nobody is answered on the control
 * socket before the loop runs.
 */
static int start(struct daemon *daemon, const char *config, const char *pin_dir,
		 struct error *error)
{
	int code = privileges_check(error);

	if (!code)
		code = agent_open(&daemon->agent, config, pin_dir, error);
	if (code)
		return code;
	daemon->base = event_base_new();
	if (!daemon->base)
		return error_set(error, -ENOMEM, "out of memory");
	code = open_control(daemon, error);
	if (!code)
		code = agent_start(&daemon->agent, error);
	if (code)
		return code;
	log_start(daemon);
	log_outcome(daemon);
	open_metrics(daemon);
	code = discovery_open(daemon->base, &daemon->agent, &daemon->discovery, error);
	if (!code)
		code = add_events(daemon, error);
	return code ? code : privileges_drop(error);
}

static void stop(struct daemon *daemon)
{
	control_close(daemon->control);
	http_close(daemon->http);
	interface_watch_close(daemon->interfaces);
	discovery_close(daemon->discovery);
	for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
		if (daemon->signals[i])
			event_free(daemon->signals[i]);
	if (daemon->watchdog)
		event_free(daemon->watchdog);
	if (daemon->expiry)
		event_free(daemon->expiry);
	if (daemon->retry)
		event_free(daemon->retry);
	agent_close(&daemon->agent);
	if (daemon->base)
		event_base_free(daemon->base);
	free(daemon->metrics_host);
	free(daemon->control_socket);
	free(daemon->control_group);
	libevent_global_shutdown();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"pin-dir", required_argument, NULL, 'p'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *config = CONFIG_DEFAULT, *pin_dir = PIN_DIR_DEFAULT;
	struct daemon daemon = {};
	struct error error = {};
	int option, code;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			config = optarg;
			break;
		case 'p':
			pin_dir = optarg;
			break;
		case 'V':
			version_print(stdout, "beamfenced");
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "beamfenced: unexpected argument \"%s\"; try --help\n",
			argv[optind]);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	log_open(LOG_INFO);
	code = start(&daemon, config, pin_dir, &error);
	if (!code) {
		notify_ready(NULL);
		event_base_dispatch(daemon.base);
		notify_stopping();
		agent_forget_peers(&daemon.agent);
	} else {
		log_line(LOG_ERR, error.text, NULL);
	}
	stop(&daemon);
	return code ? 1 : 0;
}
