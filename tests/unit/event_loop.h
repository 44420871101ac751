/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests of what libevent drives: its loop, which a test turns by hand, and what the process
 * takes meanwhile. All of it belongs to the one test that the process runs.
 */
#pragma once

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"

#define DEADLINE_MS 20000 /* for what has to happen */
#define DEADLINE_S  120	  /* for a whole test */

static struct event_base *base;

static inline void loop_start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
}

static inline void loop_stop(void)
{
	event_base_free(base);
}

/* Turns the loop once, then waits until @fd (-1: none) has something to read, or 1 ms. */
static inline void turn(int fd)
{
	struct pollfd waits = {.fd = fd, .events = POLLIN};

	event_base_loop(base, EVLOOP_NONBLOCK);
	poll(&waits, 1, 1);
}

static inline long now_ms(void)
{
	return (long)monotonic_ms();
}

/* Turns the loop until @condition is true. */
#define loop_until(condition)                                                \
	do {                                                                 \
		const long deadline_ = now_ms() + DEADLINE_MS;               \
		while (!(condition)) {                                       \
			cr_assert_lt(now_ms(), deadline_, "%s", #condition); \
			turn(-1);                                            \
		}                                                            \
	} while (0)

static inline long cpu_ms(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

/* The CPU time that the loop takes in half a second with nothing to do. */
static inline long idle_cpu_ms(void)
{
	struct timeval span = {.tv_usec = 500000};
	long before = cpu_ms();

	event_base_loopexit(base, &span);
	event_base_dispatch(base);
	return cpu_ms() - before;
}

static inline unsigned int descriptors(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Until with_descriptors() the process can open nothing more. Returns what to give to that. */
static inline struct rlimit without_descriptors(void)
{
	struct rlimit limit, none;

	getrlimit(RLIMIT_NOFILE, &limit);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
	setrlimit(RLIMIT_NOFILE, &none);
	return limit;
}

static inline void with_descriptors(struct rlimit limit)
{
	setrlimit(RLIMIT_NOFILE, &limit);
}
