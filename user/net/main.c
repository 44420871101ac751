// SPDX-License-Identifier: BSD-2-Clause
/*
 * beamfence-net: speaks TCP with strangers for the agent, without a privilege to lose. It serves
 * the metrics that the agent writes, and asks epmd, and ports, what the agent wants to know.
 */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "core/protocol.h"
#include "core/version.h"
#include "daemon/log.h"
#include "daemon/memory.h"
#include "daemon/net_protocol.h"
#include "daemon/notify.h"
#include "net/asks.h"
#include "net/call.h"
#include "net/orders.h"
#include "net/pages.h"

#define REPORT_PATIENCE_MS 4000
#define REPORT_RETRY_S	   2

static const char usage[] =
	"Usage: beamfence-net [--socket PATH]\n"
	"\n"
	"The network side of beamfenced --net-socket PATH: serves its metrics over TCP and asks "
	"epmd\n"
	"for names and ports whether they are the distribution, so that the agent, which has "
	"privileges, need not. Runs in the foreground, as "
	"a\n"
	"user without any, and logs to stderr. SIGTERM ends it.\n"
	"\n"
	"  --socket PATH  the agent's (default " NET_SOCKET_DEFAULT ")\n"
	"  --version      print the version\n"
	"  --help         print this\n"
	"\n"
	"Exit status: 0 ended by a signal, 1 failed, 2 wrong usage.\n";

struct net {
	struct event_base *base;
	const char *socket;
	struct orders *orders;
	struct pages *pages;
	struct asks *asks;
	struct call *report;
	struct event *report_retry;
	struct event *signals[2];
	struct event *watchdog;
	uint64_t listen_id;
	char address[128];    /* where it is to listen; "": nowhere */
	struct error problem; /* why it does not listen there; text "": it does */
	bool agent_is_there;
	bool told_to_end;
};

static void report(struct net *net);

static void report_later(struct net *net)
{
	static const struct timeval delay = {.tv_sec = REPORT_RETRY_S};

	if (event_add(net->report_retry, &delay))
		event_base_loopbreak(net->base); /* out of memory: to begin anew is best */
}

static void on_reported(void *context, int code, const json_t *result, const struct error *error)
{
	(void)result, (void)error;
	if (code && code != -EREMOTEIO)
		report_later(context);
}

static void on_report_retry(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events;
	report(context);
}

/* Tells the agent how listening goes, until it knows: "status" shows what it was told last. */
static void report(struct net *net)
{
	const char *text = net->problem.text;

	call_cancel(net->report);
	event_del(net->report_retry);
	if (!net->agent_is_there) /* it orders anew when it is back, and is told then */
		return;
	if (call_start(net->base, net->socket, "listening",
		       json_pack("{s:I, s:o}", "id", (json_int_t)net->listen_id, "error",
				 *text ? json_string(text) : json_null()),
		       REPORT_PATIENCE_MS, on_reported, net, &net->report))
		report_later(net);
}

/* Says to log, service manager and agent whether it listens where it should. */
static void on_listening(void *context, const struct error *problem)
{
	struct net *net = context;

	if (problem && !net->problem.text[0])
		log_line(LOG_WARNING, "no metrics yet: trying again", "error", problem->text, NULL);
	else if (!problem && net->address[0])
		log_line(LOG_INFO, "serving metrics", "address", net->address, NULL);
	net->problem = problem ? *problem : (struct error){""};
	notify_status(problem ? problem->text : net->address);
	report(net);
}

static void on_listen(void *context, uint64_t id, const char *host, uint16_t port)
{
	struct net *net = context;

	net->listen_id = id;
	net->address[0] = '\0';
	if (host)
		snprintf(net->address, sizeof(net->address),
			 strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	pages_listen(net->pages, host, port);
}

static void on_ask(void *context, uint64_t id, uint16_t port)
{
	const struct net *net = context;

	asks_ask(net->asks, id, port);
}

static void on_probe(void *context, uint64_t id, const uint8_t address[static 16], uint16_t port,
		     unsigned timeout_ms)
{
	const struct net *net = context;

	asks_probe(net->asks, id, address, port, timeout_ms);
}

static void on_agent(void *context, const struct error *problem)
{
	struct net *net = context;

	net->agent_is_there = !problem;
	if (!problem) {
		log_line(LOG_INFO, "connected to the agent", "socket", net->socket, NULL);
		return;
	}
	asks_cancel(net->asks);
	call_cancel(net->report);
	event_del(net->report_retry);
	log_line(LOG_WARNING, "the agent does not answer: waiting for it", "socket", net->socket,
		 "error", problem->text, NULL);
}

static void on_terminate(evutil_socket_t signal, short events, void *context)
{
	struct net *net = context;

	(void)signal, (void)events;
	net->told_to_end = true;
	event_base_loopbreak(net->base);
}

static void on_watchdog(evutil_socket_t fd, short events, void *context)
{
	(void)fd, (void)events, (void)context;
	notify_watchdog();
}

static bool add_events(struct net *net)
{
	const uint64_t interval_us = notify_watchdog_interval_us() / 2;
	const struct timeval half = {.tv_sec = (time_t)(interval_us / 1000000),
				     .tv_usec = (suseconds_t)(interval_us % 1000000)};

	net->signals[0] = evsignal_new(net->base, SIGTERM, on_terminate, net);
	net->signals[1] = evsignal_new(net->base, SIGINT, on_terminate, net);
	net->watchdog = event_new(net->base, -1, EV_PERSIST, on_watchdog, NULL);
	return net->signals[0] && net->signals[1] && net->watchdog &&
	       !event_add(net->signals[0], NULL) && !event_add(net->signals[1], NULL) &&
	       !(interval_us && event_add(net->watchdog, &half));
}

static bool start(struct net *net)
{
	const struct pages_settings pages = {
		.path = net->socket, .listening = on_listening, .context = net};
	const struct orders_settings orders = {
		.path = net->socket,
		.listen = on_listen,
		.ask = on_ask,
		.probe = on_probe,
		.agent = on_agent,
		.context = net,
	};

	memory_lay_aside(); /* evhttp does not survive without */
	net->base = event_base_new();
	net->asks = net->base ? asks_open(net->base, net->socket) : NULL;
	net->report_retry = net->base ? evtimer_new(net->base, on_report_retry, net) : NULL;
	return net->asks && net->report_retry && !pages_open(net->base, &pages, &net->pages) &&
	       !orders_open(net->base, &orders, &net->orders) && add_events(net);
}

static void stop(struct net *net)
{
	orders_close(net->orders);
	pages_close(net->pages);
	asks_close(net->asks);
	call_cancel(net->report);
	if (net->report_retry)
		event_free(net->report_retry);
	for (size_t i = 0; i < sizeof(net->signals) / sizeof(net->signals[0]); i++)
		if (net->signals[i])
			event_free(net->signals[i]);
	if (net->watchdog)
		event_free(net->watchdog);
	if (net->base)
		event_base_free(net->base);
	libevent_global_shutdown();
}

/* Returns whether the program goes on; if not, *@code is its exit status. */
static bool read_options(int argc, char **argv, const char **socket, int *code)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	int option;

	*code = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			*socket = optarg;
			break;
		case 'V':
			version_print(stdout, "beamfence-net");
			return false;
		case 'h':
			fputs(usage, stdout);
			return false;
		default:
			*code = 2;
			return false;
		}
	}
	*code = 2;
	if (optind < argc)
		fprintf(stderr, "beamfence-net: unexpected argument \"%s\"; try --help\n",
			argv[optind]);
	else if (!**socket || strlen(*socket) >= PROTOCOL_PATH_SIZE)
		fprintf(stderr, "beamfence-net: --socket takes a path of 1 to %zu bytes\n",
			PROTOCOL_PATH_SIZE - 1);
	else
		return true;
	return false;
}

int main(int argc, char **argv)
{
	struct net net = {.socket = NET_SOCKET_DEFAULT};
	int code;

	if (!read_options(argc, argv, &net.socket, &code))
		return code;
	signal(SIGPIPE, SIG_IGN);
	log_identify("beamfence-net");
	log_open(LOG_INFO);
	if (start(&net)) {
		notify_ready(NULL);
		event_base_dispatch(net.base);
		notify_stopping();
	}
	if (!net.told_to_end)
		log_line(LOG_ERR, "out of memory: ending", NULL);
	stop(&net);
	return net.told_to_end ? 0 : 1;
}
