// SPDX-License-Identifier: BSD-2-Clause
/*
 * Ordinary TCP traffic, measured.
 *
 * stream serve PORT                 answers both kinds below, until it is ended
 * stream push ADDRESS PORT SECONDS  prints the bytes a second that the other end took
 * stream ask ADDRESS PORT SECONDS   prints requests a second, and the median and 99 % latency in ns
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK	    65536
#define MESSAGE	    64
#define SAMPLES_MAX 4000000
#define PUSH	    'p'
#define ASK	    'a'

static char chunk[CHUNK];

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void read_all(int fd, void *to, size_t size)
{
	if (recv(fd, to, size, MSG_WAITALL) != (ssize_t)size)
		errx(1, "the other end is gone");
}

static void write_all(int fd, const void *from, size_t size)
{
	const char *at = from;

	while (size > 0) {
		const ssize_t done = send(fd, at, size, MSG_NOSIGNAL);

		if (done <= 0)
			err(1, "send");
		at += done;
		size -= (size_t)done;
	}
}

static void set_no_delay(int fd)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)))
		err(1, "TCP_NODELAY");
}

static void *serve_one(void *context)
{
	const int fd = (int)(intptr_t)context;
	uint64_t taken = 0;
	char *buffer = malloc(CHUNK);
	ssize_t size;
	char kind;

	if (!buffer || recv(fd, &kind, 1, 0) != 1)
		kind = 0;
	set_no_delay(fd);
	while (kind == ASK && recv(fd, buffer, MESSAGE, MSG_WAITALL) == MESSAGE)
		if (send(fd, buffer, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
			break;
	while (kind == PUSH && (size = recv(fd, buffer, CHUNK, 0)) > 0)
		taken += (uint64_t)size;
	if (kind == PUSH)
		send(fd, &taken, sizeof(taken), MSG_NOSIGNAL);
	free(buffer);
	close(fd);
	return NULL;
}

static void serve(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(listener, (const void *)&address, sizeof(address)) || listen(listener, 16))
		err(1, "port %u", port);
	for (;;) {
		const int fd = accept(listener, NULL, NULL);

		if (fd < 0 || pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
			err(1, "accept");
		pthread_detach(thread);
	}
}

static int dial(const char *host, uint16_t port, char kind)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    connect(fd, (const void *)&address, sizeof(address)))
		err(1, "%s:%u", host, port);
	set_no_delay(fd);
	write_all(fd, &kind, 1);
	return fd;
}

static void push(int fd, double seconds)
{
	const double start = now_s();
	uint64_t taken;

	while (now_s() - start < seconds)
		write_all(fd, chunk, sizeof(chunk));
	shutdown(fd, SHUT_WR);
	read_all(fd, &taken, sizeof(taken));
	printf("%.0f\n", (double)taken / (now_s() - start));
}

static int compare(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void ask(int fd, double seconds)
{
	uint32_t *samples = malloc(SAMPLES_MAX * sizeof(*samples));
	const double start = now_s();
	double before = start, now = start;
	size_t count = 0;
	char message[MESSAGE];

	if (!samples)
		err(1, "samples");
	while (now - start < seconds && count < SAMPLES_MAX) {
		write_all(fd, chunk, MESSAGE);
		read_all(fd, message, MESSAGE);
		now = now_s();
		samples[count++] = (uint32_t)((now - before) * 1e9);
		before = now;
	}
	qsort(samples, count, sizeof(*samples), compare);
	printf("%.0f %u %u\n", (double)count / (now - start), samples[count / 2],
	       samples[count - 1 - count / 100]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve((uint16_t)atoi(argv[2]));
	else if (argc == 5 && !strcmp(argv[1], "push"))
		push(dial(argv[2], (uint16_t)atoi(argv[3]), PUSH), atof(argv[4]));
	else if (argc == 5 && !strcmp(argv[1], "ask"))
		ask(dial(argv[2], (uint16_t)atoi(argv[3]), ASK), atof(argv[4]));
	else
		errx(2, "usage: stream serve PORT | push|ask ADDRESS PORT SECONDS");
	return 0;
}
