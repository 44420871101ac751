// SPDX-License-Identifier: BSD-2-Clause
/*
 * Whose segment it is, where the connection and the listener on its port are of different users: a
 * service restarts, and somebody else takes its port meanwhile.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

#define PORT	    5000
#define REMOTE_PORT 33333
#define ROOT	    0

static void start(void)
{
	watching_start();
	raise_loopback();
}

TestSuite(owner_users, .init = start, .fini = watching_close);

/* As the agent or the watch would have it for a node that listens everywhere. */
static void discover_port(void)
{
	struct tables *tables = watching.harness.tables;

	tables->here.suspects[0][PORT / 64] |= 1ull << PORT % 64;
	tables->here.listeners[PORT].counts[STANDING_SURE] = COUNT_IPV4 | COUNT_IPV6;
}

/* Sockets belong to the effective user of the process that makes or accepts them. */
static void become(uint32_t user)
{
	cr_assert_eq(seteuid(ROOT), 0);
	cr_assert_eq(seteuid(user), 0, "%m");
}

struct session {
	int client, accepted;
};

/* A connection to a listener of @user, which is gone then. */
static struct session make_session(const char *address, uint32_t user)
{
	const struct linger reset = {.l_onoff = 1};
	struct session session;
	struct sockaddr_storage own = {.ss_family = AF_INET};
	struct sockaddr_storage other;
	socklen_t size = sizeof(other);
	int listener;

	become(user);
	listener = listen_at(address, PORT);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&other, &size), 0);
	own.ss_family = other.ss_family;
	((struct sockaddr_in *)&own)->sin_port = htons(REMOTE_PORT);
	session.client = socket(own.ss_family, SOCK_STREAM, 0);
	setsockopt(session.client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	cr_assert_eq(bind(session.client, (struct sockaddr *)&own, size), 0, "%m");
	cr_assert_eq(connect(session.client, (struct sockaddr *)&other, size), 0, "%m");
	session.accepted = accept(listener, NULL, NULL);
	cr_assert_geq(session.accepted, 0);
	close(listener);
	become(ROOT);
	return session;
}

static void end_session(const struct session *session)
{
	close(session->client); /* with a reset: the port is free at once */
	close(session->accepted);
}

/* What becomes of a segment of the session while a listener of @user has its port. */
static enum reason reason_beside(const char *address, uint32_t user)
{
	int listener;
	enum reason reason;

	become(user);
	listener = listen_at(address, PORT);
	become(ROOT);
	frame_ethernet(&watching.frame);
	if (address[0] == ':')
		frame_ipv6(&watching.frame, address, address);
	else
		frame_ipv4(&watching.frame, address, address);
	frame_end(frame_tcp(&watching.frame, REMOTE_PORT, PORT, FLAG_ACK | FLAG_PSH));
	reason = harness_run(&watching.harness, &watching.frame).reason;
	close(listener);
	return reason;
}

static const char *const addresses[] = {"127.0.0.1", "::1"};

Test(owner_users, a_session_of_another_user_than_the_listener_s_passes_on_a_discovered_port)
{
	discover_port();
	for (size_t i = 0; i < 2; i++) {
		const struct session session = make_session(addresses[i], SOME_USER);

		cr_expect_eq(reason_beside(addresses[i], OTHER_USER), REASON_NO_LISTENER);
		cr_expect_eq(reason_beside(addresses[i], SOME_USER), REASON_CLIENT_SEGMENT);
		cr_expect_eq(reason_beside(addresses[i], ROOT), REASON_CLIENT_SEGMENT,
			     "root may pass a listener on");
		end_session(&session);
	}
}

Test(owner_users, a_session_of_root_s_is_no_other_user_s_listener_s)
{
	const struct session session = make_session("127.0.0.1", ROOT);

	discover_port();
	cr_expect_eq(reason_beside("127.0.0.1", SOME_USER), REASON_NO_LISTENER);
	cr_expect_eq(reason_beside("127.0.0.1", ROOT), REASON_CLIENT_SEGMENT);
	end_session(&session);
}

Test(owner_users, in_the_cluster_zone_it_is_the_same)
{
	const struct session session = make_session("127.0.0.1", SOME_USER);

	discover_port();
	harness_zone(&watching.harness, ZONE_CLUSTER);
	cr_expect_eq(reason_beside("127.0.0.1", OTHER_USER), REASON_NO_LISTENER);
	cr_expect_eq(reason_beside("127.0.0.1", SOME_USER), REASON_STRANGER_SEGMENT);
	end_session(&session);
}

Test(owner_users, on_a_configured_port_users_mean_nothing)
{
	const struct session session = make_session("127.0.0.1", SOME_USER);
	const uint32_t users[] = {SOME_USER, OTHER_USER, ROOT};

	discover_port();
	harness_protect(&watching.harness, PORT, 0);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++)
		cr_expect_eq(reason_beside("127.0.0.1", users[i]), REASON_CLIENT_SEGMENT);
	end_session(&session);
}
