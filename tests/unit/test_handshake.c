// SPDX-License-Identifier: BSD-2-Clause
#include "core/handshake.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define OK	  "\x00\x03sok"
#define N_FIXED	  "N\x00\x00\x00\x0d\x07\xdf\x7f\xbd\x5f\xe7\x58\xb1\x6b\x0a\x61\x87"
#define CHALLENGE "\x00\x1b" N_FIXED "\x00\x08short@vm" /* as OTP 25 sent it */
#define OLD	  "\x00\x13n\x00\x05\x00\x03\x49\x9c\x11\x22\x33\x44short@vm"

/* Of a reply in memory of just its size. */
static struct handshake_answer parse(const char *reply, size_t size, bool ended)
{
	uint8_t *copy = malloc(size);
	struct handshake_answer answer;

	memcpy(copy, reply, size);
	handshake_parse(copy, size, ended, &answer);
	free(copy);
	return answer;
}

#define OUTCOME(reply, ended) parse(reply, sizeof(reply) - 1, ended).outcome

/* That a reply is understood when its last byte is there, and not before. */
static void expect_name_at_the_end(const char *reply, size_t size, const char *name)
{
	struct handshake_answer answer;

	for (size_t i = 0; i < size; i++)
		cr_assert_eq(parse(reply, i, false).outcome, HANDSHAKE_UNKNOWN, "%zu bytes", i);
	answer = parse(reply, size, false);
	cr_assert_eq(answer.outcome, HANDSHAKE_DISTRIBUTION);
	cr_assert_str_eq(answer.name, name);
}

#define EXPECT_NAME(reply, name) expect_name_at_the_end(reply, sizeof(reply) - 1, name)

Test(handshake, the_request_is_that_of_a_hidden_node_with_the_mandatory_flags)
{
	static const char expected[] = "\x00\x28N\x00\x00\x00\x04\x07\x07\x0f\x94\x00\x00\x00\x01"
				       "\x00\x19"
				       "beamfence-probe@localhost";
	uint8_t request[HANDSHAKE_REQUEST_SIZE];

	handshake_write(request);
	cr_assert_eq(sizeof(request), sizeof(expected) - 1);
	cr_assert_arr_eq(request, expected, sizeof(request));
}

Test(handshake, a_node_is_known_by_status_and_challenge_and_names_itself)
{
	EXPECT_NAME(OK CHALLENGE, "short@vm");
	EXPECT_NAME("\x00\x10sok_simultaneous" CHALLENGE, "short@vm");
	EXPECT_NAME(OK OLD, "short@vm");
	/* More after the name, which OTP ignores; and what a talkative node sends next. */
	EXPECT_NAME(OK "\x00\x1d" N_FIXED "\x00\x08short@vmxx", "short@vm");
	cr_assert_eq(OUTCOME(OK CHALLENGE "\x00\x11r", false), HANDSHAKE_DISTRIBUTION);
}

Test(handshake, every_status_is_of_a_node)
{
	EXPECT_NAME("\x00\x04snok", "");
	EXPECT_NAME("\x00\x0csnot_allowed", "");
	EXPECT_NAME("\x00\x06s"
		    "alive",
		    "");
}

Test(handshake, a_node_that_sends_no_challenge_has_no_name)
{
	static const char reply[] = OK CHALLENGE;

	for (size_t i = 5; i < sizeof(reply) - 1; i++) {
		const struct handshake_answer answer = parse(reply, i, true);

		cr_assert_eq(answer.outcome, HANDSHAKE_DISTRIBUTION, "%zu bytes", i);
		cr_assert_str_eq(answer.name, "");
	}
}

Test(handshake, a_name_that_could_do_harm_is_left_out)
{
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08sh\x1b[t@vm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08sh rt@vm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08sh\0rt@vm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08shorttvm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08@hortavm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08shortvm@", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08sh@rt@vm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08sh\xe2\x80\xae@vm", "");
	EXPECT_NAME(OK "\x00\x13" N_FIXED "\x00\x00", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08n\xc5oud@vm", "");
	EXPECT_NAME(OK "\x00\x1b" N_FIXED "\x00\x08n\xc5\x93ud@vm", "n\xc5\x93ud@vm");
}

/* A challenge with a name of @count times @character, and "@h". */
static size_t long_challenge(char *reply, size_t count, const char *character)
{
	const size_t length = count * strlen(character) + 2, size = 19 + length;
	char *at = reply;

	memcpy(at, OK, 5);
	at[5] = (char)(size >> 8);
	at[6] = (char)size;
	memcpy(at + 7, N_FIXED, 17);
	at[24] = (char)(length >> 8);
	at[25] = (char)length;
	at += 26;
	while (count--)
		at = stpcpy(at, character);
	return (size_t)(stpcpy(at, "@h") - reply);
}

Test(handshake, names_are_as_long_as_erlang_has_them)
{
	static char reply[HANDSHAKE_REPLY_MAX];
	size_t size = long_challenge(reply, 253, "\xf0\x9f\x90\x87");

	expect_name_at_the_end(reply, size, reply + 26);
	size = long_challenge(reply, 254, "\xf0\x9f\x90\x87");
	expect_name_at_the_end(reply, size, "");
	long_challenge(reply, 1600, "x");
	cr_assert_eq(parse(reply, 7, false).outcome, HANDSHAKE_OTHER, "it would never end");
}

Test(handshake, what_no_node_says_is_known_at_once)
{
	cr_assert_eq(OUTCOME("H", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("HTTP/1.1 400 Bad Request\r\n\r\n", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("AMQP\x00\x00\x09\x01", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("SSH-2.0-OpenSSH_9.2\r\n", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x00\x11\x11", false), HANDSHAKE_OTHER); /* an epmd */
	cr_assert_eq(OUTCOME("\x00\x01s", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x41s", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x40s", false), HANDSHAKE_UNKNOWN);
	cr_assert_eq(OUTCOME("\x00\x03N", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x03sno", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x05sokay", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x01\x03sok", false), HANDSHAKE_OTHER);
}

Test(handshake, what_follows_a_status_has_to_be_a_challenge)
{
	cr_assert_eq(OUTCOME(OK "\x00\x00", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME(OK "\x00\x20x", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME(OK "\x07\x00N", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME(OK "\x00\x12" N_FIXED "\x00", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME(OK "\x00\x1b" N_FIXED "\x00\x09short@vm", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME(OK "\x00\x0an\x00\x05\x00\x03\x49\x9c\x11\x22\x33", false),
		     HANDSHAKE_OTHER);
}

Test(handshake, an_alert_is_of_tls)
{
	cr_assert_eq(OUTCOME("\x15", false), HANDSHAKE_UNKNOWN);
	cr_assert_eq(OUTCOME("\x15\x03", false), HANDSHAKE_UNKNOWN);
	cr_assert_eq(OUTCOME("\x15\x03\x03\x00\x02\x02\x0a", false), HANDSHAKE_TLS);
	cr_assert_eq(OUTCOME("\x15\x03\x01", false), HANDSHAKE_TLS);
	cr_assert_eq(OUTCOME("\x15\x04", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x15\x03\x05", false), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x16\x03\x03", false), HANDSHAKE_OTHER);
}

Test(handshake, an_end_before_a_status_is_no_node)
{
	cr_assert_eq(OUTCOME("", false), HANDSHAKE_UNKNOWN);
	cr_assert_eq(OUTCOME("", true), HANDSHAKE_CLOSED);
	cr_assert_eq(OUTCOME("\x00", true), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x00\x03so", true), HANDSHAKE_OTHER);
	cr_assert_eq(OUTCOME("\x15\x03", true), HANDSHAKE_OTHER);
}

Test(handshake, outcomes_have_words)
{
	for (enum handshake_outcome i = HANDSHAKE_DISTRIBUTION; i <= HANDSHAKE_CLOSED; i++)
		cr_assert_eq(handshake_outcome_of(handshake_outcome_word(i)), i);
	cr_assert_null(handshake_outcome_word(HANDSHAKE_UNKNOWN));
	cr_assert_eq(handshake_outcome_of("unknown"), HANDSHAKE_UNKNOWN);
	cr_assert_eq(handshake_outcome_of(NULL), HANDSHAKE_UNKNOWN);
}
