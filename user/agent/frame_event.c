// SPDX-License-Identifier: BSD-2-Clause
#include "agent/frame_event.h"

#include <string.h>

#include "agent/listeners.h"
#include "core/asked.h"
#include "core/clock.h"

double wall_clock(uint64_t boot_ns)
{
	/* Whole microseconds: a double holds no more of today's date. */
	return (double)(wall_clock_ns(boot_ns) / 1000) / 1e6;
}

/* FNV-1a; a stranger is told from another, no more. */
static uint64_t hash_of(const struct event *event)
{
	uint64_t hash = 0xcbf29ce484222325;

	for (size_t i = 0; i < sizeof(event->source); i++)
		hash = (hash ^ event->source[i]) * 0x100000001b3;
	hash = (hash ^ (event->destination_port & 0xff)) * 0x100000001b3;
	return (hash ^ (event->destination_port >> 8)) * 0x100000001b3;
}

static bool first_sight(struct strangers *strangers, const struct event *event)
{
	const uint64_t hash = hash_of(event);
	uint64_t *place = &strangers->seen[(hash ^ hash >> 32) % STRANGERS_MAX];

	if (*place == hash)
		return false;
	*place = hash;
	return true;
}

static json_t *address_json(const uint8_t address[static 16])
{
	struct prefix prefix = {.length = 128};
	char text[PREFIX_TEXT_SIZE];

	memcpy(prefix.address, address, sizeof(prefix.address));
	prefix_format(&prefix, text);
	text[strcspn(text, "/")] = '\0';
	return json_string(text);
}

/* Adds who to whom; where the headers were not read there is nothing to add. */
static void add_ends(json_t *object, const struct event *event)
{
	static const uint8_t nobody[sizeof(event->source)];
	static const char letters[] = "FSRPAUEC";
	char flags[sizeof(letters)] = "";
	size_t used = 0;

	if (!memcmp(event->source, nobody, sizeof(nobody)) &&
	    !memcmp(event->destination, nobody, sizeof(nobody)))
		return;
	json_object_set_new(object, "source", address_json(event->source));
	json_object_set_new(object, "source_port", json_integer(event->source_port));
	json_object_set_new(object, "destination", address_json(event->destination));
	json_object_set_new(object, "port", json_integer(event->destination_port));
	for (size_t i = 0; letters[i]; i++)
		if (event->tcp_flags >> i & 1)
			flags[used++] = letters[i];
	flags[used] = '\0';
	json_object_set_new(object, "flags", json_string(flags));
}

static bool is_epmd_port(const struct agent *agent, uint16_t port)
{
	if (fence_configured_cluster(agent->fence, port) == CLUSTER_ANY)
		return true;
	for (size_t i = 0; i < agent->listener_count; i++)
		if (agent->listeners[i].kernel.port == port &&
		    agent->listeners[i].kernel.kind == LISTENER_EPMD)
			return true;
	return false;
}

static void add_asked(json_t *object, const struct agent *agent, const struct event *event)
{
	const uint8_t *payload;
	const size_t size = asked_payload(event->frame, event->frame_size, event->ethernet,
					  &payload);
	struct asked asked = {};

	if (!size)
		return;
	if (is_epmd_port(agent, event->destination_port))
		asked_epmd(payload, size, &asked);
	else
		asked_dist(payload, size, &asked);
	if (asked.protocol)
		json_object_set_new(object, "asked",
				    json_pack("{s:s, s:s, s:s*}", "protocol", asked.protocol,
					      "request", asked.request, "name",
					      asked.name[0] ? asked.name : NULL));
}

static enum verdict verdict_of(const struct event *event)
{
	return event->mode == MODE_AUDIT ? VERDICT_PASS : VERDICT_DROP;
}

json_t *frame_event_json(const struct agent *agent, struct strangers *strangers,
			 const struct event *event, const char *interface)
{
	json_t *object = json_pack(
		"{s:f, s:s, s:s, s:i, s:s, s:s, s:s, s:s}", "time", wall_clock(event->time_ns),
		"event", "drop", "interface", interface, "vlan", (int)event->vlan, "zone",
		zone_name(event->zone), "mode", mode_name(event->mode), "verdict",
		verdict_name(verdict_of(event)), "reason", reason_name(event->reason));

	if (!object)
		return NULL;
	add_ends(object, event);
	json_object_set_new(object, "length", json_integer(event->wire_size));
	json_object_set_new(object, "repeats", json_integer(event->repeats));
	json_object_set_new(object, "first_sight", json_boolean(first_sight(strangers, event)));
	add_asked(object, agent, event);
	return object;
}

json_t *frame_capture_json(const struct event *event, const char *interface)
{
	static const char digits[] = "0123456789abcdef";
	char text[2 * EVENT_FRAME_SIZE + 1];

	for (size_t i = 0; i < event->frame_size; i++) {
		text[2 * i] = digits[event->frame[i] >> 4];
		text[2 * i + 1] = digits[event->frame[i] & 15];
	}
	text[2 * (size_t)event->frame_size] = '\0';
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "time_ns",
			 (json_int_t)wall_clock_ns(event->time_ns), "interface", interface, "zone",
			 zone_name(event->zone), "verdict", verdict_name(verdict_of(event)),
			 "reason", reason_name(event->reason), "length", (int)event->wire_size,
			 "ethernet", (int)event->ethernet, "frame", text);
}
