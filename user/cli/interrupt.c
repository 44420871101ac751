// SPDX-License-Identifier: BSD-2-Clause
#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t ended, resized, suspended;
static sigset_t while_waiting;

static void note(int signal)
{
	if (signal == SIGWINCH || signal == SIGCONT)
		resized = 1;
	else if (signal == SIGTSTP)
		suspended = 1;
	else
		ended = 1;
}

void interrupt_catch(bool screen)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCONT, SIGTSTP};
	const struct sigaction action = {.sa_handler = note};
	const size_t count = screen ? sizeof(signals) / sizeof(signals[0]) : 3;
	sigset_t blocked;

	sigemptyset(&blocked);
	for (size_t i = 0; i < count; i++) {
		sigaction(signals[i], &action, NULL);
		sigaddset(&blocked, signals[i]);
	}
	sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
}

bool interrupted(void)
{
	return ended;
}

bool interrupt_resized(void)
{
	const bool was = resized;

	resized = 0;
	return was;
}

bool interrupt_suspended(void)
{
	const bool was = suspended;

	suspended = 0;
	return was;
}

unsigned int interrupt_wait(int fd, int other, int timeout_ms)
{
	const struct timespec timeout = {.tv_sec = timeout_ms / 1000,
					 .tv_nsec = timeout_ms % 1000 * 1000000L};
	struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = other, .events = POLLIN}};

	if (ppoll(ready, 2, timeout_ms < 0 ? NULL : &timeout, &while_waiting) <= 0)
		return 0;
	return (ready[0].revents ? 1u : 0u) | (ready[1].revents ? 2u : 0u);
}
