/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks a port whether it is the Erlang distribution: the first message of a handshake, and what
 * comes in reply (lib/kernel/src/dist_util.erl; the distribution protocol's documentation). The
 * challenge that a node sends is never answered, so the node knows of no connection.
 */
#ifndef BEAMFENCE_HANDSHAKE_H
#define BEAMFENCE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/epmd.h"

/* Who asks. One name for ever: each new one is an atom that the node never forgets. */
#define HANDSHAKE_NAME	       "beamfence-probe@localhost"
#define HANDSHAKE_REQUEST_SIZE (2 + 1 + 8 + 4 + 2 + sizeof(HANDSHAKE_NAME) - 1)
#define HANDSHAKE_REPLY_MAX    2048 /* bytes: more than status and challenge can have */

enum handshake_outcome {
	HANDSHAKE_UNKNOWN,	/* more bytes are needed */
	HANDSHAKE_DISTRIBUTION, /* the status of a handshake, whichever it is */
	HANDSHAKE_TLS,		/* an alert: TLS, and maybe the distribution in it */
	HANDSHAKE_OTHER,	/* no Erlang node replies so */
	HANDSHAKE_CLOSED,	/* it ended the connection without a byte */
};

struct handshake_answer {
	enum handshake_outcome outcome;
	char name[EPMD_NAME_SIZE]; /* "app@host", as the node has it, harmless; "": not told */
};

/* Writes the first message: of a hidden node that can what OTP 23 to 28 demand. */
void handshake_write(uint8_t request[static HANDSHAKE_REQUEST_SIZE]);

/*
 * Reads all of a reply so far. HANDSHAKE_UNKNOWN with more to come, which takes at most
 * HANDSHAKE_REPLY_MAX bytes. Where nothing follows (@ended), it says what there is to say: a node
 * that sent its status and then no challenge is one without a name.
 */
void handshake_parse(const uint8_t *reply, size_t size, bool ended,
		     struct handshake_answer *answer);

/* Whether a node can have this full name: "app@host", of text as epmd_name_is_acceptable(). */
bool handshake_name_is_acceptable(const char *name, size_t size);

/* An outcome as a word, for messages between programs; NULL for HANDSHAKE_UNKNOWN. */
const char *handshake_outcome_word(enum handshake_outcome outcome);

/* The outcome of a word; HANDSHAKE_UNKNOWN for any other text, and NULL. */
enum handshake_outcome handshake_outcome_of(const char *word);

#endif
