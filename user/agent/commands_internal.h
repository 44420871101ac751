/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of commands share. A command is a row of the table in commands.c. */
#ifndef BEAMFENCE_COMMANDS_INTERNAL_H
#define BEAMFENCE_COMMANDS_INTERNAL_H

#include "agent/commands.h"
#include "core/json_text.h"

/* Carries a command out; arguments and results as of control_handler. */
typedef int command_function(struct commands *commands, const struct control_peer *peer,
			     json_t *arguments, json_t **result, struct error *error);

command_function command_capture;
command_function command_check;
command_function command_confirm;
command_function command_counters;
command_function command_events;
command_function command_explain;
command_function command_metrics;
command_function command_peers_add;
command_function command_peers_del;
command_function command_peers_list;
command_function command_ports;
command_function command_revert;
command_function command_sources;
command_function command_status;
command_function command_try;

/*
 * Fetches a string argument; @fallback NULL means that it must be there. *@value is a string even
 * where this fails. Returns 0 or -EINVAL with a text.
 */
int argument_string(json_t *arguments, const char *name, const char *fallback, const char **value,
		    struct error *error);

/* Fetches whether connections may be cut; as argument_string(). */
int argument_cuts(json_t *arguments, struct review *review, struct error *error);

/* Fetches a whole number from @minimum to @maximum; as argument_string(). */
int argument_number(json_t *arguments, const char *name, json_int_t fallback, json_int_t minimum,
		    json_int_t maximum, json_int_t *value, struct error *error);

#endif
