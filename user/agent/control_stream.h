/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to the control socket on which the agent goes on sending lines after its reply. It
 * never waits for the reader: what finds too much unread is lost, counted, and told of in a line
 * {"event":"lost","count":N} as soon as the reader has caught up.
 */
#ifndef BEAMFENCE_CONTROL_STREAM_H
#define BEAMFENCE_CONTROL_STREAM_H

#include "agent/control.h"

#define CONTROL_STREAMS_MAX 16

struct control_stream;

struct control_stream_settings {
	size_t pending_max; /* bytes that may wait for the reader */
	/* The reader has ended its side: the last line may be sent, whatever waits. */
	void (*ending)(void *context, struct control_stream *stream);
	/* The stream is gone; always called, once. */
	void (*closed)(void *context);
	void *context;
};

/*
 * Makes a stream of the connection whose request is being handled; what the client sends after it
 * means nothing. Returns 0, or -EBUSY with a text when there are CONTROL_STREAMS_MAX already. The
 * stream belongs to the connection, and ends with it.
 */
int control_stream_begin(const struct control_peer *peer,
			 const struct control_stream_settings *settings,
			 struct control_stream **stream, struct error *error);

/* Sends @line, which ends with a newline. Returns whether it is on its way; if not, it is lost. */
bool control_stream_send(struct control_stream *stream, const char *line, size_t length);

/* For ending(): sends @line even where much waits. */
void control_stream_send_last(struct control_stream *stream, const char *line, size_t length);

/* Ends the connection, whatever waits: closed() is called. Not for callbacks of the stream's own.
 */
void control_stream_end(struct control_stream *stream);

/* Lines that were lost. */
uint64_t control_stream_lost(const struct control_stream *stream);

#endif
