// SPDX-License-Identifier: BSD-2-Clause
/* What the loaded program would do with a frame, and what it has done with those that came. */
#include <errno.h>
#include <string.h>

#include "agent/commands_internal.h"
#include "core/cleanup.h"

int command_counters(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		     json_t **result, struct error *error)
{
	_cleanup_free_ struct counter *counters = NULL;
	size_t count;
	int code;

	(void)peer, (void)arguments;
	code = fence_counters(commands->agent->fence, &counters, &count, error);
	if (code)
		return code;
	*result = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(*result, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}",
							 "interface", counters[i].interface, "zone",
							 zone_name(counters[i].zone), "verdict",
							 verdict_name(counters[i].verdict),
							 "reason", reason_name(counters[i].reason),
							 "packets", (json_int_t)counters[i].packets,
							 "bytes", (json_int_t)counters[i].bytes));
	return 0;
}

static int get_address(json_t *arguments, const char *name, struct prefix *address,
		       struct error *error)
{
	const char *text;
	const int code = argument_string(arguments, name, NULL, &text, error);

	return code ? code : address_parse(text, address, error);
}

/* TCP flags by their letters, in the order of the header's bits: FIN, SYN, RST, PSH, ... */
static int parse_flags(const char *text, uint8_t *flags, struct error *error)
{
	static const char letters[] = "FSRPAUEC";

	*flags = 0;
	for (const char *c = text; *c; c++) {
		const char *letter = strchr(letters, *c);

		if (!letter)
			return error_set(error, -EINVAL,
					 "TCP flags are letters of \"%s\", not \"%s\"", letters,
					 text);
		*flags |= (uint8_t)(1u << (letter - letters));
	}
	return 0;
}

static int get_question(json_t *arguments, struct fence_question *question, struct error *error)
{
	json_int_t vlan, dport, sport;
	const char *flags;
	int code = argument_string(arguments, "in", NULL, &question->interface, error);

	if (!code)
		code = argument_number(arguments, "vlan", 0, 0, VLAN_IDS - 2, &vlan, error);
	if (!code)
		code = get_address(arguments, "src", &question->source, error);
	if (!code)
		code = get_address(arguments, "dst", &question->destination, error);
	if (!code)
		code = argument_number(arguments, "dport", -1, 0, PORTS - 1, &dport, error);
	if (!code)
		code = argument_number(arguments, "sport", 54321, 0, PORTS - 1, &sport, error);
	if (!code)
		code = argument_string(arguments, "flags", "S", &flags, error);
	if (!code)
		code = parse_flags(flags, &question->tcp_flags, error);
	if (code)
		return code;
	question->vlan = (uint16_t)vlan;
	question->destination_port = (uint16_t)dport;
	question->source_port = (uint16_t)sport;
	return 0;
}

/* That an address is no peer is not why it is refused where nobody can be one. */
static const char *answer_text(const struct fence_answer *answer)
{
	if (answer->cluster != CLUSTER_NOBODY)
		return reason_text(answer->reason);
	switch (answer->reason) {
	case REASON_STRANGER_NEW:
		return "new connection to a protected port that belongs to no cluster: no peer may "
		       "reach it";
	case REASON_STRANGER_SEGMENT:
		return "segment for a protected listener or its connection, whose port belongs to "
		       "no cluster: no peer may reach it";
	default:
		return reason_text(answer->reason);
	}
}

int command_explain(struct commands *commands, const struct control_peer *peer, json_t *arguments,
		    json_t **result, struct error *error)
{
	struct fence_question question = {};
	struct fence_answer answer;
	int code;

	(void)peer;
	code = get_question(arguments, &question, error);
	if (!code)
		code = fence_explain(commands->agent->fence, &question, &answer, error);
	if (code)
		return code;
	*result = json_pack(
		"{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "verdict", verdict_name(answer.verdict),
		"decision", reason_is_drop(answer.reason) ? "drop" : "pass", "reason",
		reason_name(answer.reason), "zone", zone_name(answer.zone), "cluster",
		json_null_or_string(agent_cluster_name(commands->agent, answer.cluster)), "mode",
		mode_name(answer.mode), "interface", question.interface, "text",
		answer_text(&answer));
	return 0;
}
