// SPDX-License-Identifier: BSD-2-Clause
#include "core/handshake.h"

#include <string.h>

#define STATUS_MAX    64 /* bytes; the longest that is known has 15 */
#define CHALLENGE_MAX 1600
#define TLS_ALERT     21 /* RFC 8446, 5.1: the type of a record; then its version, 3.x */

/* lib/kernel/include/dist.hrl. "Mandatory" is what a node refuses to talk without. */
enum {
	EXTENDED_REFERENCES = 0x4,
	FUN_TAGS = 0x10,
	NEW_FUN_TAGS = 0x80,
	EXTENDED_PIDS_PORTS = 0x100,
	EXPORT_PTR_TAG = 0x200,
	BIT_BINARIES = 0x400,
	NEW_FLOATS = 0x800,
	UTF8_ATOMS = 0x10000,
	MAP_TAG = 0x20000,
	BIG_CREATION = 0x40000,
	HANDSHAKE_23 = 0x1000000,
	UNLINK_ID = 0x2000000,
	MANDATORY_25_DIGEST = 0x4000000, /* which OTP 27 demands in place of those of OTP 25 */
};
#define V4_NC (UINT64_C(4) << 32)
#define MANDATORY_25                                                                            \
	(EXTENDED_REFERENCES | FUN_TAGS | NEW_FUN_TAGS | EXTENDED_PIDS_PORTS | EXPORT_PTR_TAG | \
	 BIT_BINARIES | NEW_FLOATS | UTF8_ATOMS | MAP_TAG | BIG_CREATION | HANDSHAKE_23)
#define FLAGS (V4_NC | MANDATORY_25 | UNLINK_ID | MANDATORY_25_DIGEST)

/* Statuses that answer a name. "ok" and "ok_simultaneous" go on with a challenge. */
static const char *const statuses[] = {"ok", "ok_simultaneous", "nok", "not_allowed", "alive"};

static uint8_t *put(uint8_t *at, uint64_t value, unsigned int bytes)
{
	while (bytes--)
		*at++ = (uint8_t)(value >> 8 * bytes);
	return at;
}

void handshake_write(uint8_t request[static HANDSHAKE_REQUEST_SIZE])
{
	const size_t length = sizeof(HANDSHAKE_NAME) - 1;
	uint8_t *at = put(request, HANDSHAKE_REQUEST_SIZE - 2, 2);

	at = put(at, 'N', 1);
	at = put(at, FLAGS, 8);
	at = put(at, 1, 4); /* the creation: any */
	at = put(at, length, 2);
	memcpy(at, HANDSHAKE_NAME, length);
}

bool handshake_name_is_acceptable(const char *name, size_t size)
{
	const char *at = memchr(name, '@', size);

	return at && at > name && at + 1 < name + size &&
	       !memchr(at + 1, '@', size - (size_t)(at + 1 - name)) &&
	       epmd_name_is_acceptable(name, size);
}

static size_t get16(const uint8_t *at)
{
	return (size_t)(at[0] << 8 | at[1]);
}

/* Whether what there is of a reply, @size bytes, can be the beginning of a status message. */
static bool may_be_status(const uint8_t *reply, size_t size)
{
	const size_t length = size < 2 ? 0 : get16(reply);

	if (size && reply[0])
		return false;
	if (size >= 2 && (length < 2 || length > STATUS_MAX))
		return false;
	return size < 3 || reply[2] == 's';
}

/* Whether the text of a status is one of them; *@goes_on: a challenge follows. */
static bool is_status(const uint8_t *text, size_t size, bool *goes_on)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strlen(statuses[i]) == size && !memcmp(statuses[i], text, size)) {
			*goes_on = i < 2;
			return true;
		}
	return false;
}

/*
 * Whether @message, whole and of @size bytes, is a challenge; its name is in *@name. Either
 * 'N' flags64 challenge32 creation32 nlen16 name, which more may follow, or that of before OTP 23:
 * 'n' version16 flags32 challenge32 name.
 */
static bool is_challenge(const uint8_t *message, size_t size, const uint8_t **name,
			 size_t *name_size)
{
	const size_t fixed = message[0] == 'N' ? 1 + 8 + 4 + 4 + 2 : 1 + 2 + 4 + 4;

	if ((message[0] != 'N' && message[0] != 'n') || size < fixed)
		return false;
	*name = message + fixed;
	*name_size = message[0] == 'N' ? get16(message + fixed - 2) : size - fixed;
	return *name_size <= size - fixed;
}

/* Reads what follows a status that a challenge is to follow. */
static enum handshake_outcome parse_challenge(const uint8_t *reply, size_t size, char *name)
{
	const size_t length = size < 2 ? 0 : get16(reply);
	const uint8_t *text;
	size_t text_size;

	if ((size >= 2 && (!length || length > CHALLENGE_MAX)) ||
	    (size >= 3 && reply[2] != 'N' && reply[2] != 'n'))
		return HANDSHAKE_OTHER;
	if (size < 2 || size < 2 + length)
		return HANDSHAKE_UNKNOWN;
	if (!is_challenge(reply + 2, length, &text, &text_size))
		return HANDSHAKE_OTHER;
	if (handshake_name_is_acceptable((const char *)text, text_size))
		memcpy(name, text, text_size); /* 255 characters at most: with a NUL it fits */
	return HANDSHAKE_DISTRIBUTION;
}

/* Reads the beginning of a TLS alert: its type and version. */
static enum handshake_outcome parse_alert(const uint8_t *reply, size_t size)
{
	if ((size >= 2 && reply[1] != 3) || (size >= 3 && reply[2] > 4))
		return HANDSHAKE_OTHER;
	return size < 3 ? HANDSHAKE_UNKNOWN : HANDSHAKE_TLS;
}

static enum handshake_outcome parse_status(const uint8_t *reply, size_t size, char *name)
{
	const size_t length = size < 2 ? 0 : get16(reply);
	bool goes_on = false;

	if (!may_be_status(reply, size))
		return HANDSHAKE_OTHER;
	if (size < 2 || size < 2 + length)
		return HANDSHAKE_UNKNOWN;
	if (!is_status(reply + 3, length - 1, &goes_on))
		return HANDSHAKE_OTHER;
	return goes_on ? parse_challenge(reply + 2 + length, size - 2 - length, name)
		       : HANDSHAKE_DISTRIBUTION;
}

void handshake_parse(const uint8_t *reply, size_t size, bool ended, struct handshake_answer *answer)
{
	*answer = (struct handshake_answer){.outcome = HANDSHAKE_UNKNOWN};
	if (size)
		answer->outcome = reply[0] == TLS_ALERT ? parse_alert(reply, size)
							: parse_status(reply, size, answer->name);
	if (!ended || answer->outcome != HANDSHAKE_UNKNOWN)
		return;
	if (!size)
		answer->outcome = HANDSHAKE_CLOSED;
	else if (size >= 2 && size >= 2 + get16(reply)) /* the status, and no challenge */
		answer->outcome = HANDSHAKE_DISTRIBUTION;
	else
		answer->outcome = HANDSHAKE_OTHER;
}

static const char *const words[] = {
	[HANDSHAKE_DISTRIBUTION] = "distribution",
	[HANDSHAKE_TLS] = "tls",
	[HANDSHAKE_OTHER] = "other",
	[HANDSHAKE_CLOSED] = "closed",
};

const char *handshake_outcome_word(enum handshake_outcome outcome)
{
	return words[outcome];
}

enum handshake_outcome handshake_outcome_of(const char *word)
{
	for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i] && !strcmp(words[i], word))
			return (enum handshake_outcome)i;
	return HANDSHAKE_UNKNOWN;
}
