// SPDX-License-Identifier: BSD-2-Clause
#include "agent/control_stream.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent/control_internal.h"

struct control_stream {
	struct client *client;
	struct control_stream_settings settings;
	uint64_t lost;
	uint64_t told; /* of those lost, the reader knows of so many */
	bool ended;
};

int control_stream_begin(const struct control_peer *peer,
			 const struct control_stream_settings *settings,
			 struct control_stream **result, struct error *error)
{
	struct client *client = peer->connection;
	struct control_stream *stream;
	unsigned int count = 0;

	for (const struct client *other = client->control->clients; other; other = other->next)
		count += other->lines != NULL;
	if (count >= CONTROL_STREAMS_MAX || client->lines)
		return error_set(error, -EBUSY, "%u clients follow events already: end one first",
				 count);
	stream = malloc(sizeof(*stream));
	if (!stream)
		return error_set(error, -ENOMEM, "the agent is out of memory");
	*stream = (struct control_stream){.client = client, .settings = *settings};
	client->lines = stream;
	/* A reader may be stopped for as long as it likes: it holds no more than pending_max. */
	bufferevent_set_timeouts(client->stream, NULL, NULL);
	*result = stream;
	return 0;
}

void control_stream_send_last(struct control_stream *stream, const char *line, size_t length)
{
	if (bufferevent_write(stream->client->stream, line, length))
		stream->lost++;
}

bool control_stream_send(struct control_stream *stream, const char *line, size_t length)
{
	if (stream->ended)
		return false;
	if (client_pending(stream->client) + length > stream->settings.pending_max ||
	    stream->lost > stream->told) {
		stream->lost++;
		return false;
	}
	control_stream_send_last(stream, line, length);
	return true;
}

void control_stream_end(struct control_stream *stream)
{
	client_end(stream->client);
}

uint64_t control_stream_lost(const struct control_stream *stream)
{
	return stream->lost;
}

static void tell_lost(struct control_stream *stream)
{
	char line[64];
	const int length = snprintf(line, sizeof(line),
				    "{\"event\":\"lost\",\"count\":%" PRIu64 "}\n",
				    stream->lost - stream->told);

	stream->told = stream->lost;
	control_stream_send_last(stream, line, (size_t)length);
}

void control_stream_advance(struct control_stream *stream)
{
	struct client *client = stream->client;
	struct evbuffer *input = bufferevent_get_input(client->stream);

	evbuffer_drain(input, evbuffer_get_length(input));
	event_del(client->timer);
	if (!client_pending(client) && stream->lost > stream->told && !stream->ended)
		tell_lost(stream);
	if (client->input_ended && !stream->ended) {
		const struct timeval stall = control_interval(client->control->settings.stall_ms);

		stream->ended = true;
		stream->settings.ending(stream->settings.context, stream);
		bufferevent_set_timeouts(client->stream, NULL, &stall);
	}
	if (!stream->ended)
		bufferevent_enable(client->stream, EV_READ);
	else if (!client_pending(client))
		client_end(client);
}

void control_stream_free(struct control_stream *stream)
{
	if (!stream)
		return;
	stream->settings.closed(stream->settings.context);
	free(stream);
}
