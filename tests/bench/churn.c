/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Times socket calls over loopback, for watch.py: "churn connect|listen ROUNDS NAME". A round is a
 * connection that is made, accepted and reset at both ends, or a listener that is opened on a port
 * of the kernel's choice and closed. One process, no waiting: connect(2) over loopback is done when
 * it returns. Prints nanoseconds a round. The process calls itself NAME.
 */
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};

static int open_listener(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET,
					.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, 16))
		err(1, "listen");
	return fd;
}

static void connect_once(int listener)
{
	const struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT, which would use up the ports */
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	int accepted;

	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		err(1, "connect");
	accepted = accept(listener, NULL, NULL);
	if (accepted < 0)
		err(1, "accept");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	close(accepted);
}

int main(int count, char **arguments)
{
	socklen_t size = sizeof(address);
	struct timespec begin, end;
	int listener, connects;
	long rounds;

	if (count != 4)
		errx(2, "usage: churn connect|listen ROUNDS NAME");
	connects = !strcmp(arguments[1], "connect");
	rounds = strtol(arguments[2], NULL, 10);
	listener = open_listener(); /* before the name: whoever is no BEAM may be called */
	getsockname(listener, (struct sockaddr *)&address, &size);
	prctl(PR_SET_NAME, arguments[3]);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (long i = 0; i < rounds; i++) {
		if (connects)
			connect_once(listener);
		else
			close(open_listener());
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.1f\n",
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) /
		       (double)rounds);
	return 0;
}
