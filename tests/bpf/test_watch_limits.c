// SPDX-License-Identifier: BSD-2-Clause
/* What one user may take of the watch's tables, and that he takes it from nobody else. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/watching.h"
#include "user/core/clock.h"

#define OVER 5 /* past a limit */

static void start(void)
{
	const struct rlimit files = {.rlim_cur = 8192, .rlim_max = 8192};

	watching_start();
	watching_load(4 * USER_LISTENERS_MAX);
	watching_attach();
	raise_loopback();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &files), 0);
	call_myself("beam.smp");
}

TestSuite(limits, .init = start, .fini = watching_close);

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

Test(limits, a_user_s_listeners_past_the_limit_are_not_followed_and_others_are)
{
	uint16_t ports[USER_LISTENERS_MAX + OVER], port;
	int fds[USER_LISTENERS_MAX + OVER], other;
	size_t protected = 0;

	act_for(SOME_USER);
	for (size_t i = 0; i < USER_LISTENERS_MAX + OVER; i++)
		fds[i] = autobound(&ports[i]);
	for (size_t i = 0; i < USER_LISTENERS_MAX; i++)
	protected += syn_to(ports[i]) == REASON_CLIENT_NEW;
	cr_expect_eq(protected, USER_LISTENERS_MAX);
	for (size_t i = USER_LISTENERS_MAX; i < USER_LISTENERS_MAX + OVER; i++)
		cr_expect_eq(syn_to(ports[i]), REASON_OTHER_PORT, "past the limit");
	cr_expect_eq(user_of(SOME_USER).listeners, USER_LISTENERS_MAX);
	cr_expect_eq(user_of(SOME_USER).refused, OVER);
	cr_expect_eq(fence_listeners_refused(&watching.fence), OVER);
	cr_expect_eq(count_entries(), USER_LISTENERS_MAX);
	act_for(OTHER_USER);
	other = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "another user's");
	close(other);
	close_all(fds, USER_LISTENERS_MAX + OVER);
	for (size_t i = 0; i < USER_LISTENERS_MAX + OVER; i++)
		cr_assert_eq(counted(ports[i], STANDING_AUTOBOUND), 0);
	cr_expect_eq(user_of(SOME_USER).listeners, 0);
	cr_expect_eq(count_entries(), 0);
	act_for(SOME_USER);
	fds[0] = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "there is room again");
	close(fds[0]);
}

/* Only begun: whether anybody accepts them does not matter. */
static int begin_connection(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(EPMD_PORT),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert(!connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
			  errno == EINPROGRESS,
		  "%m");
	return fd;
}

static int registrations(void)
{
	struct fence_registration *list = NULL;
	const int count = fence_registrations(&watching.fence, &list);

	free(list);
	return count;
}

Test(limits, a_user_s_registrations_past_the_limit_are_not_followed_and_others_are)
{
	const uint64_t deadline_ms = monotonic_ms() + 30000;
	int fds[USER_REGISTRATIONS_MAX + OVER], epmd, other;

	call_myself("epmd");
	epmd = fixed(EPMD_PORT);
	call_myself("beam.smp");
	act_for(SOME_USER);
	for (size_t i = 0; i < USER_REGISTRATIONS_MAX + OVER; i++)
		fds[i] = begin_connection();
	cr_expect_eq(registrations(), USER_REGISTRATIONS_MAX);
	cr_expect_eq(user_of(SOME_USER).registrations, USER_REGISTRATIONS_MAX);
	cr_expect_eq(user_of(SOME_USER).refused, OVER);
	cr_expect_eq(fence_listeners_refused(&watching.fence), OVER);
	act_for(OTHER_USER);
	other = begin_connection();
	cr_expect_eq(registrations(), USER_REGISTRATIONS_MAX + 1);
	close(other);
	close_all(fds, USER_REGISTRATIONS_MAX + OVER);
	while (registrations() && monotonic_ms() < deadline_ms)
		usleep(1000); /* until the other side has acknowledged each end */
	cr_expect_eq(registrations(), 0);
	cr_expect_eq(user_of(SOME_USER).registrations, 0);
	close(epmd);
}

Test(limits, a_user_with_too_many_bindings_gets_no_more_addresses_but_other_listeners)
{
	const struct user user = {.bindings = USER_BINDINGS_MAX};
	struct watch_findings findings;
	uint16_t port, wild;
	int one, all;

	set_user(SOME_USER, &user);
	act_for(SOME_USER);
	one = listen_at(HOST_IPV4, 0);
	port = port_of(one);
	all = autobound(&wild);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(counted(port, STANDING_AUTOBOUND), 0);
	cr_expect_eq(syn_to(wild), REASON_CLIENT_NEW);
	cr_expect_eq(user_of(SOME_USER).listeners, 1, "the refused one is none");
	cr_expect_eq(user_of(SOME_USER).refused, 1);
	act_for(OTHER_USER);
	close(listen_at(HOST_IPV4, port ^ 1));
	cr_expect_eq(user_of(OTHER_USER).bindings, 1);
	cr_expect_eq(user_of(OTHER_USER).refused, 0);
	/* The next check finds that he has none in truth: then there is room. */
	cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
	act_for(SOME_USER);
	watching_list();
	cr_expect_eq(user_of(SOME_USER).bindings, 1);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(one);
	close(all);
}

static int bound_again(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0, "%m");
	return fd;
}

Test(limits, a_listen_that_fails_counts_against_its_user_and_a_brief_listener_does_not)
{
	const uint16_t port = 21999;
	int first, second;

	act_for(SOME_USER);
	first = bound_again(port);
	second = bound_again(port);
	cr_assert_eq(listen(first, 1), 0);
	cr_expect_eq(listen(second, 1), -1);
	cr_expect_eq(user_of(SOME_USER).failed, 1);
	close(second);
	close(first);
	cr_expect_eq(user_of(SOME_USER).failed, 1);
	cr_expect_eq(user_of(SOME_USER).listeners, 0);
	cr_expect_eq(user_of(0).failed, 0);
}

Test(limits, a_user_with_many_failed_listeners_is_protected_when_they_are_listed)
{
	const struct user user = {.failed = USER_FAILED_MAX + 1};
	struct watch_findings findings;
	uint16_t port, other_port;
	int fd, other;

	set_user(SOME_USER, &user);
	act_for(OTHER_USER);
	other = autobound(&other_port);
	cr_expect_eq(syn_to(other_port), REASON_CLIENT_NEW, "another user's");
	act_for(SOME_USER);
	watching_changes();
	fd = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
	cr_expect_eq(watching_changes(), 1u << CHANGE_UNBOUND, "the agent is told to list");
	watching_list();
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW);
	close(fd);
	cr_assert_eq(fence_watch_check(&watching.fence, &findings, NULL), 0);
	cr_expect_eq(user_of(SOME_USER).failed, (USER_FAILED_MAX + 1) / 2);
	fd = autobound(&port);
	cr_expect_eq(syn_to(port), REASON_CLIENT_NEW, "at once, after a while");
	close(fd);
	close(other);
}

/* A user who makes himself a user namespace. */

struct container {
	int ready[2], mapped[2]; /* pipes */
	uint16_t port;		 /* shared with the parent */
};

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&address, size) || listen(fd, 1) ||
	    getsockname(fd, (struct sockaddr *)&address, &size))
		return -1;
	*port = ntohs(address.sin_port);
	return fd;
}

/* As "newuidmap" does it: the child has other IDs than its user's. Exits, with 0 for success. */
static void live_in_container(struct container *container)
{
	char byte = 0;

	close(container->mapped[1]);
	if (setresuid(SOME_USER, SOME_USER, SOME_USER) || unshare(CLONE_NEWUSER) ||
	    write(container->ready[1], &byte, 1) != 1 ||
	    read(container->mapped[0], &byte, 1) != 1 || setresuid(5, 5, 5) ||
	    prctl(PR_SET_NAME, "beam.smp") || listen_somewhere(&container->port) < 0 ||
	    write(container->ready[1], &byte, 1) != 1)
		_exit(1);
	_exit(read(container->mapped[0], &byte, 1) != 0);
}

static void map_ids(pid_t pid)
{
	static const char map[] = "0 1000 1\n1 100000 1000\n";
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	fd = open(path, O_WRONLY);
	cr_assert_eq(write(fd, map, sizeof(map) - 1), (ssize_t)sizeof(map) - 1, "%m");
	close(fd);
}

Test(limits, what_a_user_does_in_a_namespace_of_his_own_is_put_down_to_him)
{
	struct container *container = mmap(NULL, sizeof(*container), PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct fence_listener known;
	int status;
	char byte;
	pid_t pid;

	cr_assert_eq(pipe(container->ready), 0);
	cr_assert_eq(pipe(container->mapped), 0);
	pid = fork();
	if (!pid)
		live_in_container(container);
	close(container->ready[1]);
	cr_assert_eq(read(container->ready[0], &byte, 1), 1, "no user namespace");
	map_ids(pid);
	cr_assert_eq(write(container->mapped[1], &byte, 1), 1);
	cr_assert_eq(read(container->ready[0], &byte, 1), 1, "no listener");
	cr_assert(find_listener(container->port, &known));
	cr_expect_eq(known.listener.account, SOME_USER);
	cr_expect_eq(user_of(SOME_USER).listeners, 1);
	cr_expect_eq(user_of(100004).listeners, 0, "the ID that it has in the container");
	close(container->mapped[1]);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect_eq(status, 0);
	cr_expect_eq(user_of(SOME_USER).listeners, 0);
	munmap(container, sizeof(*container));
}
