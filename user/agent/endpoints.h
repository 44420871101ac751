/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the agent answers: the control socket, the one for readers, and the metrics. */
#ifndef BEAMFENCE_ENDPOINTS_H
#define BEAMFENCE_ENDPOINTS_H

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/network.h"
#include "daemon/http.h"

struct endpoints {
	struct event_base *base;
	struct agent *agent;
	struct commands *commands;
	struct control *control;
	struct control *readers; /* the socket for those who may look; or NULL */
	struct network *network;
	struct event *quiet;		/* runs for a while after a line about the network */
	struct error network_logged;	/* what it said; text "": all is well */
	void (*can_ask)(void *context); /* as of struct network_settings */
	void *context;
	struct http *http;  /* the metrics on a unix socket; NULL: they are elsewhere */
	char *metrics_host; /* where they are; NULL: off */
	uint16_t metrics_port;
	char *control_socket; /* as started: a change takes a restart */
	char *control_group;
	char *control_readers;
};

/* Opens the control sockets; the first three members are set. Returns 0 or a negative errno. */
int endpoints_open_control(struct endpoints *endpoints, struct error *error);

/*
 * Opens the network, with a socket for a network side where @net_socket is not NULL; can_ask and
 * its context are set. Returns 0 or a negative errno.
 */
int endpoints_open_network(struct endpoints *endpoints, const char *net_socket,
			   struct error *error);

/* Notes, and logs, whether the configuration wants other control sockets than there are. */
void endpoints_check_control(struct endpoints *endpoints);

/*
 * Opens the metrics where the configuration wants them, then closes what was open. To fence without
 * metrics beats not to fence: a failure is logged and shown by status, no more.
 */
void endpoints_open_metrics(struct endpoints *endpoints);

void endpoints_close(struct endpoints *endpoints);

#endif
