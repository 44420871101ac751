// SPDX-License-Identifier: BSD-2-Clause
#include "agent/moment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"

struct boot_timer {
	int fd;
	struct event *event;
	void (*callback)(void *context);
	void *context;
};

static void read_boot_id(char boot_id[static BOOT_ID_SIZE])
{
	_cleanup_fclose_ FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	boot_id[0] = '\0';
	if (!file || !fgets(boot_id, BOOT_ID_SIZE, file))
		boot_id[0] = '\0';
	if (strspn(boot_id, "0123456789abcdef-") != BOOT_ID_SIZE - 1)
		boot_id[0] = '\0';
}

void moment_now(struct moment *now)
{
	now->wall_s = time(NULL);
	now->boot_ms = boottime_ms();
	read_boot_id(now->boot_id);
}

static void on_readable(evutil_socket_t fd, short events, void *context)
{
	const struct boot_timer *timer = context;
	uint64_t times;

	(void)events;
	if (read(fd, &times, sizeof(times)) == sizeof(times))
		timer->callback(timer->context);
}

int boot_timer_open(struct event_base *base, void (*callback)(void *context), void *context,
		    struct boot_timer **result)
{
	struct boot_timer *timer = calloc(1, sizeof(*timer));
	int code;

	if (!timer)
		return -ENOMEM;
	timer->callback = callback;
	timer->context = context;
	timer->fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	code = timer->fd < 0 ? -errno : 0;
	if (!code)
		timer->event = event_new(base, timer->fd, EV_READ | EV_PERSIST, on_readable, timer);
	if (!code && (!timer->event || event_add(timer->event, NULL)))
		code = -ENOMEM;
	if (code)
		boot_timer_close(timer);
	else
		*result = timer;
	return code;
}

void boot_timer_set(struct boot_timer *timer, int64_t ends_ms)
{
	struct itimerspec when = {};

	if (ends_ms >= 0) {
		when.it_value.tv_sec = ends_ms / 1000;
		when.it_value.tv_nsec = ends_ms % 1000 * 1000000 + 1; /* nothing at all stops it */
	}
	timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void boot_timer_close(struct boot_timer *timer)
{
	if (!timer)
		return;
	if (timer->event)
		event_free(timer->event);
	if (timer->fd >= 0)
		close(timer->fd);
	free(timer);
}
