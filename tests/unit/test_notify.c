// SPDX-License-Identifier: BSD-2-Clause
#include "daemon/notify.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/scratch.h"

#define DEADLINE_S 120

static char directory[SCRATCH_MAX];
static char path[80];
static int manager = -1;

/* Plays the service manager on the socket that @name names as $NOTIFY_SOCKET does. */
static void listen_as(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(name);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	cr_assert_eq(bind(manager, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)),
		     0);
	setenv("NOTIFY_SOCKET", name, 1);
}

static void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/notify", directory);
	listen_as(path);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void stop(void)
{
	close(manager);
	unlink(path);
	rmdir(directory);
}

static const char *told(void)
{
	static char text[4096];
	ssize_t got = recv(manager, text, sizeof(text) - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	return text;
}

TestSuite(notify, .init = start, .fini = stop);

Test(notify, ready_is_told_with_and_without_a_status)
{
	cr_assert_eq(notify_ready(NULL), 0);
	cr_assert_str_eq(told(), "READY=1");
	cr_assert_eq(notify_ready("3 interfaces"), 0);
	cr_assert_str_eq(told(), "READY=1\nSTATUS=3 interfaces");
}

Test(notify, reloading_carries_the_monotonic_time)
{
	struct timespec before, after;
	uint64_t usec;

	clock_gettime(CLOCK_MONOTONIC, &before);
	cr_assert_eq(notify_reloading(), 0);
	clock_gettime(CLOCK_MONOTONIC, &after);
	cr_assert_eq(sscanf(told(), "RELOADING=1\nMONOTONIC_USEC=%" SCNu64, &usec), 1);
	cr_assert_geq(usec, (uint64_t)before.tv_sec * 1000000 + (uint64_t)before.tv_nsec / 1000);
	cr_assert_leq(usec, (uint64_t)after.tv_sec * 1000000 + (uint64_t)after.tv_nsec / 1000);
}

Test(notify, stopping_and_the_watchdog_are_told)
{
	cr_assert_eq(notify_stopping(), 0);
	cr_assert_str_eq(told(), "STOPPING=1");
	cr_assert_eq(notify_watchdog(), 0);
	cr_assert_str_eq(told(), "WATCHDOG=1");
}

Test(notify, a_status_cannot_smuggle_in_another_field)
{
	cr_assert_eq(notify_status("bad\nREADY=1\x1b"), 0);
	cr_assert_str_eq(told(), "STATUS=bad READY=1 ");
}

Test(notify, a_long_status_is_cut)
{
	char status[4096];

	memset(status, 'x', sizeof(status) - 1);
	status[sizeof(status) - 1] = '\0';
	cr_assert_eq(notify_ready(status), 0);
	cr_assert_eq(strncmp(told(), "READY=1\nSTATUS=xxx", 18), 0);
}

Test(notify, an_abstract_socket_is_reached)
{
	char name[64];

	close(manager);
	snprintf(name, sizeof(name), "@beamfence-test-%d", getpid());
	listen_as(name);
	cr_assert_eq(notify_watchdog(), 0);
	cr_assert_str_eq(told(), "WATCHDOG=1");
}

Test(notify, without_a_manager_nothing_happens)
{
	unsetenv("NOTIFY_SOCKET");
	cr_assert_eq(notify_ready(NULL), 0);
	setenv("NOTIFY_SOCKET", "", 1);
	cr_assert_eq(notify_ready(NULL), 0);
	cr_assert_str_empty(told());
}

Test(notify, a_socket_that_cannot_be_is_an_error)
{
	char name[256];

	setenv("NOTIFY_SOCKET", "relative", 1);
	cr_assert_eq(notify_ready(NULL), -EAFNOSUPPORT);
	setenv("NOTIFY_SOCKET", "@", 1);
	cr_assert_eq(notify_ready(NULL), -EAFNOSUPPORT);
	memset(name, '/', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	setenv("NOTIFY_SOCKET", name, 1);
	cr_assert_eq(notify_ready(NULL), -ENAMETOOLONG);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	cr_assert_eq(notify_ready(NULL), -ENOENT);
}

Test(notify, a_manager_that_does_not_read_blocks_nobody)
{
	int code = 0;

	for (int i = 0; i < 100000 && !code; i++)
		code = notify_watchdog();
	cr_assert_eq(code, -EAGAIN);
}

Test(notify, the_watchdog_interval_is_for_this_process_alone)
{
	char pid[16];

	cr_assert_eq(notify_watchdog_interval_us(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	cr_assert_eq(notify_watchdog_interval_us(), 30000000);
	snprintf(pid, sizeof(pid), "%d", getpid());
	setenv("WATCHDOG_PID", pid, 1);
	cr_assert_eq(notify_watchdog_interval_us(), 30000000);
	setenv("WATCHDOG_PID", "1", 1);
	cr_assert_eq(notify_watchdog_interval_us(), 0);
}

Test(notify, a_watchdog_interval_that_is_no_number_is_none)
{
	static const char *const bad[] = {"", "x", "-5", "5x", " 5", "99999999999999999999"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setenv("WATCHDOG_USEC", bad[i], 1);
		cr_assert_eq(notify_watchdog_interval_us(), 0, "\"%s\"", bad[i]);
	}
}
