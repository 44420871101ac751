// SPDX-License-Identifier: BSD-2-Clause
/* The same queries, answered by the real epmd. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/unit/fake_epmd.h"

#define EPMD "/usr/bin/epmd"

TestSuite(epmd_query_real, .init = start, .fini = stop);

/* Starts the real epmd on a free port. It ends with this process at the latest. */
static pid_t start_epmd(void)
{
	long deadline = now_ms() + DEADLINE_MS;
	char number[8];
	pid_t pid;

	close(listener); /* and epmd takes its port */
	listener = -1;
	snprintf(number, sizeof(number), "%u", port);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(EPMD, EPMD, "-port", number, "-address", "127.0.0.1", NULL);
		_exit(127);
	}
	do {
		cr_assert_lt(now_ms(), deadline, "epmd does not answer");
		ask_within(DEADLINE_MS);
		await_answer();
		poll(NULL, 0, outcome.code ? 10 : 0);
	} while (outcome.code == -ECONNREFUSED);
	return pid;
}

/* Registers @name with epmd (ALIVE2_REQ) for as long as the connection that is returned is open. */
static int register_node(const char *name, uint16_t dist_port)
{
	size_t length = strlen(name), size = 13 + length;
	unsigned char request[2048] = {(unsigned char)(size >> 8),
				       (unsigned char)size,
				       'x',
				       (unsigned char)(dist_port >> 8),
				       (unsigned char)dist_port,
				       'M',
				       0,
				       0,
				       6,
				       0,
				       5,
				       (unsigned char)(length >> 8),
				       (unsigned char)length};
	int fd = connect_tcp(port);
	unsigned char reply[6];

	memcpy(request + 13, name, length); /* and two zeros: no extra */
	cr_assert_eq(send(fd, request, 2 + size, 0), (ssize_t)(2 + size));
	cr_assert_eq(recv(fd, reply, sizeof(reply), MSG_WAITALL), (ssize_t)sizeof(reply));
	cr_assert_eq(reply[1], 0, "epmd refused the name");
	return fd;
}

static void ask_epmd(void)
{
	ask_within(DEADLINE_MS);
	await_answer();
	cr_assert_eq(outcome.code, 0, "%s", strerror(-outcome.code));
}

static void expect_real_names(void)
{
	char longest[EPMD_NAME_SIZE] = "";
	long deadline = now_ms() + DEADLINE_MS;
	int first, second, lying;

	ask_epmd();
	expect_outcome(0, 0, 0);
	first = register_node("app", 9100);
	ask_epmd();
	expect_outcome(0, 1, 0);
	cr_expect_str_eq(outcome.first, "app");
	cr_expect_eq(outcome.first_port, 9100);
	for (int i = 0; i < 255; i++)
		strcat(longest, "\xf0\x9f\x90\x87");
	second = register_node(longest, 65535);
	lying = register_node("x at port 22\x1b[2J", 22);
	ask_epmd();
	expect_outcome(0, 2, 1);
	cr_expect_str_eq(outcome.first, longest); /* epmd names the latest first */
	close(second);
	close(lying);
	do {
		cr_assert_lt(now_ms(), deadline, "the registrations stay");
		ask_epmd();
	} while (outcome.count != 1 || outcome.refused);
	cr_expect_str_eq(outcome.first, "app");
	close(first);
}

Test(epmd_query_real, the_real_epmd_is_understood)
{
	pid_t pid;

	if (access(EPMD, X_OK))
		cr_skip_test("this host has no " EPMD);
	pid = start_epmd();
	expect_real_names();
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	ask_within(DEADLINE_MS);
	await_answer();
	expect_outcome(-ECONNREFUSED, 0, 0);
}
