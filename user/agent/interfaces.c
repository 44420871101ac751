// SPDX-License-Identifier: BSD-2-Clause
#include "agent/interfaces.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/netlink.h"

/*
 * Looks at the interfaces are paid from a purse: one costs the time that it took, within bounds,
 * and what is taken out comes back at a tenth of the pace of the clock. So a burst is looked at
 * event by event, and a storm takes a tenth of one CPU.
 */
#define PURSE_NS       100000000 /* what there is after a calm time */
#define PURSE_REFILL   10	 /* ns for 1 ns to come back */
#define LOOK_MIN_NS    500000	 /* the least that a look costs */
#define LOOK_MAX_NS    5000000	 /* more is spent on attaching, which has to be */
#define DELAY_MIN_NS   2000000	 /* for which events are collected when the purse is empty */
#define MESSAGES_MAX   4096	 /* read at a time: more are as good as lost, and looked up */
#define BUFFER_RECEIVE (1 << 20)

struct interface_watch {
	struct mnl_socket *socket;
	struct event *readable;
	struct event *later; /* runs while the purse is empty: then nothing is read */
	struct interface_calls calls;
	void *context;
	int64_t purse_ns;
	int64_t counted_ns; /* when the purse was last filled */
};

enum { LINKS = 1, ADDRESSES = 2 };

/* What the messages in a buffer say has changed, as bits. */
static int changes_in(const char *buffer, ssize_t size)
{
	int left = (int)size, changes = 0;

	for (const struct nlmsghdr *message = (const void *)buffer; netlink_fits(message, left);
	     message = mnl_nlmsg_next(message, &left)) {
		const uint16_t type = message->nlmsg_type;

		if (type == RTM_NEWLINK || type == RTM_DELLINK)
			changes |= LINKS;
		else if (type == RTM_NEWADDR || type == RTM_DELADDR)
			changes |= ADDRESSES;
	}
	return changes;
}

/* Empties the socket. What changed is looked up, so messages that were lost are no loss. */
static int read_messages(const struct interface_watch *watch)
{
	char buffer[MNL_SOCKET_BUFFER_SIZE] __attribute__((aligned(8)));
	int changes = 0;

	for (int i = 0; i < MESSAGES_MAX; i++) {
		const ssize_t size = mnl_socket_recvfrom(watch->socket, buffer, sizeof(buffer));

		if (size > 0)
			changes |= changes_in(buffer, size);
		else if (size < 0 && (errno == ENOBUFS || errno == ENOSPC))
			changes = LINKS | ADDRESSES;
		else if (size == 0 || errno != EINTR)
			return changes;
	}
	return LINKS | ADDRESSES;
}

static void fill_purse(struct interface_watch *watch, int64_t now)
{
	watch->purse_ns += (now - watch->counted_ns) / PURSE_REFILL;
	if (watch->purse_ns > PURSE_NS)
		watch->purse_ns = PURSE_NS;
	watch->counted_ns = now;
}

/* Reads no more until the purse has something in it again. */
static void rest(struct interface_watch *watch)
{
	const int64_t ns = -watch->purse_ns * PURSE_REFILL;
	const int64_t delay_ns = ns > DELAY_MIN_NS ? ns : DELAY_MIN_NS;
	const struct timeval delay = {.tv_sec = (time_t)(delay_ns / 1000000000),
				      .tv_usec = (suseconds_t)(delay_ns % 1000000000 / 1000)};

	if (!event_add(watch->later, &delay))
		event_del(watch->readable);
}

static void on_readable(evutil_socket_t fd, short events, void *argument)
{
	struct interface_watch *watch = argument;
	const int changes = read_messages(watch);
	int64_t start, cost;

	(void)fd, (void)events;
	if (!changes)
		return;
	start = (int64_t)monotonic_ns();
	fill_purse(watch, start);
	if (changes & LINKS)
		watch->calls.links(watch->context);
	if (changes & ADDRESSES)
		watch->calls.addresses(watch->context);
	cost = (int64_t)monotonic_ns() - start;
	watch->purse_ns -= cost < LOOK_MIN_NS	? LOOK_MIN_NS
			   : cost > LOOK_MAX_NS ? LOOK_MAX_NS
						: cost;
	if (watch->purse_ns <= 0)
		rest(watch);
}

static void on_later(evutil_socket_t fd, short events, void *argument)
{
	struct interface_watch *watch = argument;

	(void)fd, (void)events;
	event_add(watch->readable, NULL);
}

static bool open_events(struct event_base *base, struct interface_watch *watch)
{
	const int size = BUFFER_RECEIVE;
	const unsigned int groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	int fd;

	watch->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (!watch->socket || mnl_socket_bind(watch->socket, groups, MNL_SOCKET_AUTOPID) < 0)
		return false;
	fd = mnl_socket_get_fd(watch->socket);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	watch->later = evtimer_new(base, on_later, watch);
	watch->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, watch);
	return watch->later && watch->readable && !event_add(watch->readable, NULL);
}

int interface_watch_open(struct event_base *base, struct interface_calls calls, void *context,
			 struct interface_watch **result, struct error *error)
{
	struct interface_watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return error_set(error, -ENOMEM, "out of memory");
	watch->calls = calls;
	watch->context = context;
	watch->purse_ns = PURSE_NS;
	watch->counted_ns = (int64_t)monotonic_ns();
	if (!open_events(base, watch)) {
		const int code = -errno;

		interface_watch_close(watch);
		return error_set(error, code, "cannot watch the interfaces: %s", strerror(-code));
	}
	*result = watch;
	return 0;
}

void interface_watch_close(struct interface_watch *watch)
{
	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	if (watch->later)
		event_free(watch->later);
	if (watch->socket)
		mnl_socket_close(watch->socket);
	free(watch);
}
