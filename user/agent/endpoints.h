/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the agent answers: the control socket, the one for readers, and the metrics. */
#ifndef BEAMFENCE_ENDPOINTS_H
#define BEAMFENCE_ENDPOINTS_H

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/http.h"

struct endpoints {
	struct event_base *base;
	struct agent *agent;
	struct commands *commands;
	struct control *control;
	struct control *readers; /* the socket for those who may look; or NULL */
	struct http *http;
	char *metrics_host; /* where http listens; NULL: off */
	uint16_t metrics_port;
	char *control_socket; /* as started: a change takes a restart */
	char *control_group;
	char *control_readers;
};

/* Opens the control sockets; the first three members are set. Returns 0 or a negative errno. */
int endpoints_open_control(struct endpoints *endpoints, struct error *error);

/* Notes, and logs, whether the configuration wants other control sockets than there are. */
void endpoints_check_control(struct endpoints *endpoints);

/*
 * Opens the metrics where the configuration wants them, then closes what was open. To fence without
 * metrics beats not to fence: a failure is logged and shown by status, no more.
 */
void endpoints_open_metrics(struct endpoints *endpoints);

void endpoints_close(struct endpoints *endpoints);

#endif
