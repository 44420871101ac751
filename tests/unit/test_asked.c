// SPDX-License-Identifier: BSD-2-Clause
#include "core/asked.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bpf/frames.h"
#include "tests/seed.h"

static struct asked asked;
static struct test_frame frame;

#define EPMD(bytes) asked_epmd((const uint8_t *)(bytes), sizeof(bytes) - 1, &asked)
#define DIST(bytes) asked_dist((const uint8_t *)(bytes), sizeof(bytes) - 1, &asked)

static void expect(const char *protocol, const char *request, const char *name)
{
	cr_expect_str_eq(asked.protocol ?: "", protocol);
	cr_expect_str_eq(asked.request ?: "", request);
	cr_expect_str_eq(asked.name, name);
}

Test(asked, requests_to_epmd_are_told_with_the_name_that_they_give)
{
	EPMD("\0\1n");
	expect("epmd", "NAMES", "");
	EPMD("\0\4zapp");
	expect("epmd", "PORT_PLEASE2", "app");
	EPMD("\0\20x\x23\x8cM\0\0\6\0\5\0\3foo\0\0");
	expect("epmd", "ALIVE2", "foo");
	EPMD("\0\1k");
	expect("epmd", "KILL", "");
	EPMD("\0\1d");
	expect("epmd", "DUMP", "");
	EPMD("\0\4sfoo");
	expect("epmd", "STOP", "foo");
}

Test(asked, anything_else_is_not_understood)
{
	EPMD("");
	expect("", "", "");
	EPMD("\0\1");
	expect("", "", "");
	EPMD("GET / HTTP/1.0\r\n");
	expect("", "", "");
	EPMD("\0\0n");
	expect("", "", "");
	DIST("SSH-2.0-x");
	expect("", "", "");
}

Test(asked, what_a_name_hides_is_shown_and_does_no_harm)
{
	EPMD("\0\7z\33[31m\n");
	expect("epmd", "PORT_PLEASE2", "\\x1b[31m\\x0a");
	EPMD("\0\3z\xff\\");
	expect("epmd", "PORT_PLEASE2", "\\xff\\x5c");
	EPMD("\0\4z\xe2\x80\xae");
	expect("epmd", "PORT_PLEASE2", "\\xe2\\x80\\xae");
	EPMD("\0\3z\xc3\xa9");
	expect("epmd", "PORT_PLEASE2", "\xc3\xa9");
}

Test(asked, a_name_that_does_not_end_within_the_frame_is_marked)
{
	uint8_t long_name[3 + 250];

	EPMD("\0\20zapp");
	expect("epmd", "PORT_PLEASE2", "app...");
	memset(long_name, 1, sizeof(long_name));
	memcpy(long_name, "\0\373z", 3);
	asked_epmd(long_name, sizeof(long_name), &asked);
	cr_expect_lt(strlen(asked.name), ASKED_NAME_SIZE);
	cr_expect_str_eq(asked.name + strlen(asked.name) - 3, "...");
}

Test(asked, a_handshake_names_the_node_in_both_versions)
{
	DIST("\0\24N\0\0\0\15\7\337\177\275\21\42\63\104\0\5aa@vm");
	expect("dist", "handshake", "aa@vm");
	DIST("\0\14n\0\5\0\0\1\4aa@vm");
	expect("dist", "handshake", "aa@vm");
	DIST("\26\3\1\0\5");
	expect("tls", "handshake", "");
}

static void expect_payload(size_t size, const char *what)
{
	const uint8_t *payload;
	const size_t found = asked_payload(frame.bytes, frame.size, true, &payload);

	cr_expect_eq(found, size, "%s: %zu bytes", what, found);
	if (found)
		cr_expect_eq(payload - frame.bytes, (ptrdiff_t)(frame.size - size), "%s", what);
}

Test(asked, the_payload_is_found_behind_tags_and_options_in_either_version)
{
	frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_payload(frame_tcp(&frame, 1, 4369, FLAG_ACK), 3));
	expect_payload(3, "IPv4");
	frame_ipv4(frame_tag(frame_tag(frame_ethernet(&frame), 0x88a8, 1), 0x8100, 2), CLIENT_IPV4,
		   HOST_IPV4);
	frame_end(frame_payload(frame_tcp(frame_ipv4_options(&frame, 12), 1, 4369, FLAG_ACK), 7));
	expect_payload(7, "two tags and options");
	frame_ipv6(frame_ethernet(&frame), CLIENT_IPV6, HOST_IPV6);
	frame_end(frame_payload(frame_tcp(&frame, 1, 4369, FLAG_ACK), 5));
	expect_payload(5, "IPv6");
}

Test(asked, padding_is_no_payload)
{
	frame_ipv4(frame_ethernet(&frame), CLIENT_IPV4, HOST_IPV4);
	frame_end(frame_tcp(&frame, 1, 4369, FLAG_ACK));
	frame_payload(&frame, 6);
	expect_payload(0, "padding");
}

/* The sanitizers say whether it reads where it must not. */
Test(asked, any_bytes_may_be_given)
{
	unsigned int seed = test_seed();

	for (int i = 0; i < 300000; i++) {
		const size_t size = (size_t)rand_r(&seed) % 80;
		uint8_t *bytes = malloc(size + 1);
		const uint8_t *payload;

		for (size_t j = 0; j < size; j++)
			bytes[j] = (uint8_t)((unsigned int)rand_r(&seed) >> (rand_r(&seed) % 9));
		bytes = realloc(bytes, size ?: 1);
		if (size > 16 && rand_r(&seed) % 2)
			memcpy(bytes + 12, "\x08\0\x45", 3);
		if (size > 2 && rand_r(&seed) % 2)
			bytes[2] = (uint8_t) "nzxkdsN"[rand_r(&seed) % 7];
		asked_payload(bytes, size, rand_r(&seed) % 2, &payload);
		asked_epmd(bytes, size, &asked);
		asked_dist(bytes, size, &asked);
		cr_assert_lt(strlen(asked.name), ASKED_NAME_SIZE);
		free(bytes);
	}
}
