/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Busy processes, and one that must not be overlooked among them:
 *
 *   crowd connect         connects over loopback to a port that nobody listens on
 *   crowd listen NAME     opens listeners on ports of the kernel's choice and closes them
 *   crowd hold NAME N MS  opens N of them, one every MS milliseconds, and prints their ports
 *
 * The process calls itself NAME, and goes on until SIGTERM. Then the first two print how many
 * rounds a second they made, and the last one closes its listeners as slowly as it opened them.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DISCARD_PORT 9

static volatile sig_atomic_t ended;

static void stop(int number)
{
	(void)number;
	ended = 1;
}

/* A socket whose connection was refused can try again: that is all it does, so that it is fast. */
static void connect_once(void)
{
	static const struct sockaddr_in nobody = {
		.sin_family = AF_INET,
		.sin_port = __builtin_bswap16(DISCARD_PORT),
		.sin_addr.s_addr = __builtin_bswap32(INADDR_LOOPBACK)};
	static int fd = -1;

	if (fd < 0)
		fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!connect(fd, (const struct sockaddr *)&nobody, sizeof(nobody)) ||
	    (errno != ECONNREFUSED && errno != EINTR))
		err(1, "connect");
}

/* On every address, on a port of the kernel's choice. */
static int open_listener(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, 8))
		err(1, "listen");
	return fd;
}

static void listen_once(void)
{
	close(open_listener());
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void repeat(void (*round)(void))
{
	const double begin = seconds_now();
	long rounds = 0;

	for (; !ended; rounds++)
		round();
	printf("%.0f\n", (double)rounds / (seconds_now() - begin));
}

static void hold(long listeners, long pause_ms)
{
	const struct rlimit files = {(rlim_t)listeners + 16, (rlim_t)listeners + 16};
	const struct timespec between = {pause_ms / 1000, pause_ms % 1000 * 1000000};
	int *fds = calloc((size_t)listeners, sizeof(*fds));
	struct sockaddr_in address;
	socklen_t size = sizeof(address);

	if (!fds || setrlimit(RLIMIT_NOFILE, &files))
		err(1, "hold");
	for (long i = 0; i < listeners; i++) {
		fds[i] = open_listener();
		if (getsockname(fds[i], (struct sockaddr *)&address, &size))
			err(1, "getsockname");
		printf("%d\n", ntohs(address.sin_port));
		nanosleep(&between, NULL);
	}
	puts("all");
	fflush(stdout);
	while (!ended)
		nanosleep(&between, NULL);
	for (long i = 0; i < listeners; i++) {
		close(fds[i]);
		nanosleep(&between, NULL);
	}
	free(fds);
}

int main(int count, char **arguments)
{
	const char *what = count > 1 ? arguments[1] : "";

	signal(SIGTERM, stop);
	if (count > 2)
		prctl(PR_SET_NAME, arguments[2]);
	if (!strcmp(what, "connect") && count == 2)
		repeat(connect_once);
	else if (!strcmp(what, "listen") && count == 3)
		repeat(listen_once);
	else if (!strcmp(what, "hold") && count == 5)
		hold(strtol(arguments[3], NULL, 10), strtol(arguments[4], NULL, 10));
	else
		errx(2, "usage: crowd connect | listen NAME | hold NAME LISTENERS PAUSE_MS");
	return 0;
}
