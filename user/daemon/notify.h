/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Talks to the service manager as sd_notify(3) does, over $NOTIFY_SOCKET. None of these blocks.
 * Each returns 0, also when no manager asked to be told, or the negative errno of the datagram;
 * there is seldom more to do about that than to log it.
 */
#ifndef BEAMFENCE_NOTIFY_H
#define BEAMFENCE_NOTIFY_H

#include <stdint.h>

/* The agent protects. Also ends what notify_reloading() began. @status may be NULL. */
int notify_ready(const char *status);

/* A reload begins (Type=notify-reload). */
int notify_reloading(void);

int notify_stopping(void);

/* One line for "systemctl status". Control characters become spaces. */
int notify_status(const char *status);

/* A sign of life. */
int notify_watchdog(void);

/*
 * The time in microseconds within which the manager expects a sign of life: send one every half
 * of it. 0: none is expected from this process.
 */
uint64_t notify_watchdog_interval_us(void);

#endif
