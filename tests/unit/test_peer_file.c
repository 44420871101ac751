// SPDX-License-Identifier: BSD-2-Clause
#include "core/peer_file.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BOOT  "0b0b0b0b-0000-4000-8000-000000000001"
#define LATER "0b0b0b0b-0000-4000-8000-000000000002"

static const struct moment start = {.wall_s = 1800000000, .boot_ms = 5000000, .boot_id = BOOT};

static struct runtime_peer peer(const char *cluster, const char *prefix, int64_t ttl_s)
{
	struct runtime_peer one = {.ttl_s = ttl_s, .uid = 1000, .pid = 4711, .added_s = 1799999999};
	struct error error;

	cr_assert_eq(prefix_parse(prefix, &one.prefix, &error), 0);
	strcpy(one.cluster, cluster);
	strcpy(one.comment, "on call, \"remote\" shell\n\x01");
	if (ttl_s)
		one.ends_ms = start.boot_ms + ttl_s * 1000;
	return one;
}

/* The text of @count peers as written @now; the caller's. */
static char *written(const struct runtime_peer *peers, size_t count, const struct moment *now)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(peer_file_write(out, peers, count, now), 0);
	fclose(out);
	return text;
}

static struct runtime_peer *reread(const char *text, const struct moment *now, size_t *count)
{
	struct runtime_peer *peers = NULL;
	struct error error = {""};

	cr_assert_eq(peer_file_read(text, strlen(text), now, &peers, count, &error), 0, "%s",
		     error.text);
	return peers;
}

/* Milliseconds that a peer of one hour has left @now, when it was written at the start; -1: none.
 */
static int64_t left_ms(const struct moment *now)
{
	const struct runtime_peer one = peer("app", "10.0.1.9", 3600);
	char *text = written(&one, 1, &start);
	size_t count;
	struct runtime_peer *read = reread(text, now, &count);
	const int64_t left = count ? read->ends_ms - now->boot_ms : -1;

	free(read);
	free(text);
	return left;
}

Test(peer_file, what_is_written_is_read_again)
{
	const struct runtime_peer peers[] = {peer("app", "10.0.1.9", 3600),
					     peer("db", "fd00:1::/64", 0)};
	char *text = written(peers, 2, &start);
	size_t count;
	struct runtime_peer *read = reread(text, &start, &count);

	cr_assert_eq(count, 2);
	for (size_t i = 0; i < 2; i++) {
		cr_expect_eq(prefix_compare(&read[i].prefix, &peers[i].prefix), 0);
		cr_expect_str_eq(read[i].cluster, peers[i].cluster);
		cr_expect_str_eq(read[i].comment, peers[i].comment);
		cr_expect_eq(read[i].ttl_s, peers[i].ttl_s);
		cr_expect_eq(read[i].ends_ms, peers[i].ends_ms);
		cr_expect_eq(read[i].added_s, peers[i].added_s);
		cr_expect_eq(read[i].uid, 1000);
		cr_expect_eq(read[i].pid, 4711);
	}
	free(read);
	free(text);
}

Test(peer_file, no_peers_are_a_file_too)
{
	char *text = written(NULL, 0, &start);
	size_t count = 7;

	cr_assert_null(reread(text, &start, &count));
	cr_assert_eq(count, 0);
	free(text);
}

Test(peer_file, in_the_same_boot_a_step_of_the_wall_clock_changes_nothing)
{
	struct moment now = start;

	now.boot_ms += 600000;
	for (int64_t step_s = -100000; step_s <= 100000; step_s += 50000) {
		now.wall_s = start.wall_s + 600 + step_s;
		cr_expect_eq(left_ms(&now), 3000000, "step of %lld s", (long long)step_s);
	}
}

Test(peer_file, a_suspend_counts)
{
	struct moment now = start;

	now.boot_ms += 3600000; /* CLOCK_BOOTTIME goes on */
	cr_expect_eq(left_ms(&now), -1);
	now.boot_ms--;
	cr_expect_eq(left_ms(&now), 1);
}

Test(peer_file, in_another_boot_the_wall_clock_counts)
{
	struct moment now = {.wall_s = start.wall_s + 600, .boot_ms = 1000, .boot_id = LATER};

	cr_expect_eq(left_ms(&now), 3000000);
	now.wall_s = start.wall_s + 3600;
	cr_expect_eq(left_ms(&now), -1);
}

Test(peer_file, a_clock_that_went_back_gives_no_more_than_the_time_asked_for)
{
	struct moment now = {.wall_s = 0, .boot_ms = 1000, .boot_id = LATER};

	cr_expect_eq(left_ms(&now), 3600000);
	/* Nor does a boot clock that is behind its own past. */
	now = start;
	now.boot_ms = 0;
	cr_expect_eq(left_ms(&now), 3600000);
}

Test(peer_file, a_boot_without_a_name_is_never_the_same)
{
	struct moment writer = start, now = {.wall_s = start.wall_s + 600, .boot_ms = 0};
	const struct runtime_peer one = peer("app", "10.0.1.9", 3600);
	char *text;
	size_t count;
	struct runtime_peer *read;

	writer.boot_id[0] = '\0';
	text = written(&one, 1, &writer);
	read = reread(text, &now, &count);
	cr_assert_eq(count, 1);
	cr_expect_eq(read->ends_ms, 3000000);
	free(read);
	free(text);
}

Test(peer_file, the_shown_end_follows_the_wall_clock)
{
	const struct runtime_peer one = peer("app", "10.0.1.9", 3600);
	const struct runtime_peer endless = peer("app", "10.0.1.9", 0);
	struct moment now = start;

	cr_expect_eq(peer_expires_s(&one, &now), start.wall_s + 3600);
	now.wall_s -= 5000;
	now.boot_ms += 1500;
	cr_expect_eq(peer_expires_s(&one, &now), now.wall_s + 3599);
	cr_expect_eq(peer_expires_s(&endless, &now), 0);
}

Test(peer_file, peers_that_are_over_are_not_written)
{
	const struct runtime_peer peers[] = {peer("a", "10.0.0.1", 60), peer("a", "10.0.0.2", 0),
					     peer("a", "10.0.0.3", 30)};
	struct moment now = start;
	char *text;
	size_t count;

	now.boot_ms += 60000;
	text = written(peers, 3, &now);
	free(reread(text, &start, &count));
	cr_expect_eq(count, 1);
	free(text);
}

#define HEAD "{\"file\":\"beamfence runtime peers\",\"version\":1,\"boot_id\":\"\",\"peers\":["
#define PEER(cluster, prefix, comment, ttl, expires, uid)                          \
	HEAD "{\"cluster\":" cluster ",\"prefix\":" prefix ",\"comment\":" comment \
	     ",\"added\":1,\"ttl_s\":" ttl ",\"expires\":" expires                 \
	     ",\"ends_boottime_ms\":0,\"uid\":" uid ",\"pid\":1}]}"

Test(peer_file, everything_else_is_refused_with_a_reason)
{
	static const struct {
		const char *text;
		int code;
		const char *part;
	} bad[] = {
		{"", -EINVAL, "not valid JSON"},
		{"\n", -EINVAL, "not valid JSON"},
		{"GIF89a\1\2", -EINVAL, "not valid JSON"},
		{"[]", -EINVAL, "no file of beamfence"},
		{"{}", -EINVAL, "no file of beamfence"},
		{"7", -EINVAL, "not valid JSON"},
		{"{\"version\":1,\"peers\":[]}", -EINVAL, "no file of beamfence"},
		{"{\"file\":\"other\",\"version\":1}", -EINVAL, "no file of beamfence"},
		{"{\"file\":\"beamfence runtime peers\"}", -EINVAL, "no file of beamfence"},
		{"{\"file\":\"beamfence runtime peers\",\"version\":2,\"peers\":[]}",
		 -EPROTONOSUPPORT, "version 2"},
		{"{\"file\":\"beamfence runtime peers\",\"version\":1}", -EINVAL, "no list"},
		{"{\"file\":\"beamfence runtime peers\",\"version\":1,\"peers\":{}}", -EINVAL,
		 "no list"},
		{HEAD "7]}", -EINVAL, "peer 1: it is no object"},
		{HEAD "{}]}", -EINVAL, "peer 1: its cluster"},
		{HEAD, -EINVAL, "not valid JSON"},
		{PEER("\"\"", "\"10.0.0.1\"", "\"\"", "0", "0", "0"), -EINVAL, "no name"},
		{PEER("\"a\\u0000b\"", "\"10.0.0.1\"", "\"\"", "0", "0", "0"), -EINVAL,
		 "not valid JSON"},
		{PEER("\"a\"", "\"10.0.0.1/24\"", "\"\"", "0", "0", "0"), -EINVAL,
		 "\"10.0.0.1/24\" is no prefix"},
		{PEER("\"a\"", "7", "\"\"", "0", "0", "0"), -EINVAL, "its prefix"},
		{PEER("\"a\"", "\"10.0.0.1\"", "null", "0", "0", "0"), -EINVAL, "its comment"},
		{PEER("\"a\"", "\"10.0.0.1\"", "\"\"", "-1", "0", "0"), -EINVAL, "its ttl_s"},
		{PEER("\"a\"", "\"10.0.0.1\"", "\"\"", "1.5", "0", "0"), -EINVAL, "its ttl_s"},
		{PEER("\"a\"", "\"10.0.0.1\"", "\"\"", "9", "9223372036854775807", "0"), -EINVAL,
		 "its expires"},
		{PEER("\"a\"", "\"10.0.0.1\"", "\"\"", "0", "0", "4294967296"), -EINVAL, "its uid"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct runtime_peer *peers = NULL;
		struct error error = {""};
		size_t count = 0;

		cr_expect_eq(peer_file_read(bad[i].text, strlen(bad[i].text), &start, &peers,
					    &count, &error),
			     bad[i].code, "%s", bad[i].text);
		cr_expect(strstr(error.text, bad[i].part), "%s: %s", bad[i].text, error.text);
		cr_expect_null(peers);
	}
}

Test(peer_file, a_file_cut_anywhere_is_refused)
{
	const struct runtime_peer peers[] = {peer("app", "10.0.1.9", 3600),
					     peer("db", "fd00:1::/64", 0)};
	char *text = written(peers, 2, &start);
	const size_t whole = strlen(text) - 1; /* the last newline says nothing */

	for (size_t size = 0; size < whole; size++) {
		struct runtime_peer *read = NULL;
		size_t count = 0;

		cr_assert_eq(peer_file_read(text, size, &start, &read, &count, NULL), -EINVAL,
			     "cut at %zu", size);
		cr_assert_null(read);
	}
	free(text);
}

Test(peer_file, more_peers_than_there_may_be_are_refused)
{
	struct runtime_peer *peers = calloc(RUNTIME_PEERS_MAX + 1, sizeof(*peers)), *read = NULL;
	size_t count = 0;
	struct error error = {""};
	char *text;

	for (size_t i = 0; i <= RUNTIME_PEERS_MAX; i++)
		peers[i] = peer("app", "10.0.1.9", 0);
	text = written(peers, RUNTIME_PEERS_MAX, &start);
	cr_assert_leq(strlen(text), PEER_FILE_SIZE_MAX);
	free(reread(text, &start, &count));
	cr_assert_eq(count, RUNTIME_PEERS_MAX);
	free(text);
	text = written(peers, RUNTIME_PEERS_MAX + 1, &start);
	cr_assert_eq(peer_file_read(text, strlen(text), &start, &read, &count, &error), -EINVAL);
	free(text);
	free(peers);
}
