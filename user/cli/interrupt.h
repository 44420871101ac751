/* SPDX-License-Identifier: BSD-2-Clause */
/* For commands that go on until they are told to stop: they end in order, not in the middle. */
#ifndef BEAMFENCE_INTERRUPT_H
#define BEAMFENCE_INTERRUPT_H

#include <stdbool.h>

/*
 * From now on SIGINT, SIGTERM and SIGHUP are only noted, and heard of while in interrupt_wait().
 * @screen: so are SIGWINCH, SIGCONT and SIGTSTP.
 */
void interrupt_catch(bool screen);

bool interrupted(void);

/* Whether there was a SIGWINCH or SIGCONT; forgets it. */
bool interrupt_resized(void);

/* Whether the terminal asked to stop (^Z); forgets it. */
bool interrupt_suspended(void);

/*
 * Waits until @fd or @other is readable (-1: none), a signal comes, or @timeout_ms is over (-1:
 * never). Returns bits: 1 @fd, 2 @other.
 */
unsigned int interrupt_wait(int fd, int other, int timeout_ms);

#endif
