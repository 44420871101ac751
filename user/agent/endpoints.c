// SPDX-License-Identifier: BSD-2-Clause
#include "agent/endpoints.h"

#include <errno.h>
#include <event2/buffer.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "agent/snapshot.h"
#include "core/cleanup.h"
#include "core/health.h"
#include "core/protocol.h"
#include "core/text.h"
#include "daemon/log.h"

#define NETWORK_QUIET_S 5

static int write_metrics(void *context, struct evbuffer *buffer)
{
	struct endpoints *endpoints = context;
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int code;

	if (!out)
		return -ENOMEM;
	code = agent_write_metrics(endpoints->agent, out);
	if ((fclose(out) == EOF || !text) && !code) /* glibc leaves no text, and says nothing */
		code = -ENOMEM;
	if (!code && evbuffer_add(buffer, text, size) < 0)
		code = -ENOMEM;
	return code;
}

static int report_health(void *context, struct error *reason)
{
	_cleanup_(snapshot_free) struct snapshot snapshot;
	const struct endpoints *endpoints = context;
	const int code = snapshot_take(endpoints->agent, &snapshot);

	return code ? error_set(reason, code, "out of memory") : health_check(&snapshot, reason);
}

static gid_t group_id(const char *name)
{
	const struct group *group = getgrnam(name);

	return group ? group->gr_gid : (gid_t)-1;
}

static void log_network(struct endpoints *endpoints)
{
	static const struct timeval quiet = {.tv_sec = NETWORK_QUIET_S};
	const struct error *problem = &endpoints->agent->network_error;

	if (!strcmp(endpoints->network_logged.text, problem->text))
		return;
	if (problem->text[0])
		log_line(LOG_ERR,
			 "beamfence-net: metrics over TCP or questions to epmd are unavailable",
			 "error", problem->text, NULL);
	else
		log_line(LOG_NOTICE, "beamfence-net: works again", NULL);
	endpoints->network_logged = *problem;
	event_add(endpoints->quiet, &quiet);
}

static void on_quiet_over(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	log_network(context);
}

/*
 * What the network side reports becomes what "status" says, and a line in the log now and then: it
 * can't crowd out there what others have to say.
 */
static void on_network_changed(void *context)
{
	struct endpoints *endpoints = context;

	endpoints->agent->network_error = *network_problem(endpoints->network);
	if (!event_pending(endpoints->quiet, EV_TIMEOUT, NULL))
		log_network(endpoints);
}

static void on_can_ask(void *context)
{
	const struct endpoints *endpoints = context;

	endpoints->can_ask(endpoints->context);
}

int endpoints_open_network(struct endpoints *endpoints, const char *net_socket, struct error *error)
{
	const struct network_settings settings = {
		.socket = net_socket,
		.metrics = write_metrics,
		.health = report_health,
		.changed = on_network_changed,
		.can_ask = on_can_ask,
		.context = endpoints,
	};
	int code;

	endpoints->quiet = evtimer_new(endpoints->base, on_quiet_over, endpoints);
	if (!endpoints->quiet)
		return error_set(error, -ENOMEM, "out of memory");
	code = network_open(endpoints->base, &settings, &endpoints->network, error);
	if (!code)
		on_network_changed(endpoints);
	return code;
}

/* Opens the unix socket of the metrics. */
static int open_socket(struct endpoints *endpoints, const struct config *config, struct http **http,
		       struct error *error)
{
	const struct http_settings settings = {
		.host = config->metrics_host,
		.group = group_id(config->control_group),
		.metrics = write_metrics,
		.health = report_health,
		.context = endpoints,
	};

	return http_open(endpoints->base, &settings, http, error);
}

/* Opens the metrics anew, then closes what is no longer wanted. */
static int move_metrics(struct endpoints *endpoints, const struct config *config,
			struct error *error)
{
	const char *host = config->metrics_host;
	const bool file = host && host[0] == '/';
	struct http *http = NULL;
	int code = file ? open_socket(endpoints, config, &http, error) : 0;

	if (!code)
		code = network_serve(endpoints->network, file ? NULL : host, config->metrics_port,
				     error);
	if (code) {
		http_close(http);
		return code;
	}
	http_close(endpoints->http);
	endpoints->http = http;
	return 0;
}

void endpoints_open_metrics(struct endpoints *endpoints)
{
	const struct config *config = endpoints->agent->config;
	struct error *error = &endpoints->agent->metrics_error;

	*error = (struct error){};
	if (text_same(config->metrics_host, endpoints->metrics_host) &&
	    (!config->metrics_host || config->metrics_port == endpoints->metrics_port))
		return;
	if (move_metrics(endpoints, config, error)) {
		log_line(LOG_ERR, "no metrics where the configuration wants them", "error",
			 error->text, NULL);
		return;
	}
	free(endpoints->metrics_host);
	endpoints->metrics_host = config->metrics_host ? strdup(config->metrics_host) : NULL;
	endpoints->metrics_port = config->metrics_port;
}

void endpoints_check_control(struct endpoints *endpoints)
{
	const struct config *config = endpoints->agent->config;

	endpoints->agent->control_is_stale =
		!text_same(config->control_socket, endpoints->control_socket) ||
		!text_same(config->control_group, endpoints->control_group) ||
		!text_same(config->control_readers, endpoints->control_readers);
	if (endpoints->agent->control_is_stale)
		log_line(LOG_WARNING, "a change of \"control\" takes effect at the next start",
			 "socket", endpoints->control_socket, NULL);
}

/* The group's id; (gid_t)-1, and a line in the log, when there is no such group. */
static gid_t find_group(const char *name, const char *consequence)
{
	const gid_t group = group_id(name);

	if (group == (gid_t)-1)
		log_line(LOG_WARNING, consequence, "group", name, NULL);
	return group;
}

/* Nobody else's business depends on readers: without their socket the agent goes on. */
static void open_readers(struct endpoints *endpoints, const struct config *config)
{
	char path[PROTOCOL_PATH_SIZE];
	struct control_settings settings = {
		.path = path,
		.handler = commands_handle,
		.context = endpoints->commands,
		.read_only = true,
	};
	struct error error;

	if (!config->control_readers || !protocol_read_socket(config->control_socket, path))
		return;
	settings.group = find_group(config->control_readers,
				    "no such group: there is no socket for readers");
	if (settings.group != (gid_t)-1 &&
	    control_open(endpoints->base, &settings, &endpoints->readers, &error))
		log_line(LOG_WARNING,
			 "there is no socket for readers (is the agent's user in their group?)",
			 "error", error.text, NULL);
}

static int copy_control(struct endpoints *endpoints, const struct config *config,
			struct error *error)
{
	endpoints->control_socket = strdup(config->control_socket);
	endpoints->control_group = strdup(config->control_group);
	if (config->control_readers)
		endpoints->control_readers = strdup(config->control_readers);
	if (!endpoints->control_socket || !endpoints->control_group ||
	    (config->control_readers && !endpoints->control_readers))
		return error_set(error, -ENOMEM, "out of memory");
	return 0;
}

int endpoints_open_control(struct endpoints *endpoints, struct error *error)
{
	const struct config *config = endpoints->agent->config;
	static const char *const long_commands[] = {"try", "check", NULL};
	const struct control_settings settings = {
		.path = config->control_socket,
		.group = find_group(config->control_group,
				    "no such group: the control socket is root's alone"),
		.handler = commands_handle,
		.context = endpoints->commands,
		.long_commands = long_commands,
	};
	int code = copy_control(endpoints, config, error);

	if (!code)
		code = control_open(endpoints->base, &settings, &endpoints->control, error);
	endpoints->commands->control = endpoints->control;
	if (!code)
		open_readers(endpoints, config);
	return code;
}

void endpoints_close(struct endpoints *endpoints)
{
	control_close(endpoints->control);
	control_close(endpoints->readers);
	http_close(endpoints->http);
	network_close(endpoints->network);
	if (endpoints->quiet)
		event_free(endpoints->quiet);
	free(endpoints->metrics_host);
	free(endpoints->control_socket);
	free(endpoints->control_group);
	free(endpoints->control_readers);
}
