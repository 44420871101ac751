// SPDX-License-Identifier: BSD-2-Clause
/* Bytes on the metrics endpoint, over a real connection on loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/http.h"
#include "tests/fuzz/fuzz.h"

#define TURNS 4

static struct event_base *base;
static struct http *http;

static int write_metrics(void *context, struct evbuffer *text)
{
	(void)context;
	return evbuffer_add_printf(text, "beamfence_up 1\n") > 0 ? 0 : -1;
}

/* Well and ill in turns. */
static int tell_health(void *context, struct error *reason)
{
	static int asked;

	(void)context;
	return asked++ % 2 ? error_set(reason, -EIO, "ill") : 0;
}

static void start(void)
{
	const struct http_settings settings = {
		.host = "127.0.0.1", .metrics = write_metrics, .health = tell_health};
	struct error error;

	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	DEMAND(base && http_open(base, &settings, &http, &error) == 0);
}

static int dial(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(http_port(http)),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct linger reset = {.l_onoff = 1}; /* leaves no port in TIME_WAIT */
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	DEMAND(fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address)));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reply[4096];
	ssize_t got;
	int fd;

	if (!base)
		start();
	fd = dial();
	for (size_t sent = 0, part; sent < size; sent += part) {
		part = size - sent < 700 ? size - sent : 700; /* requests come in pieces */
		if (send(fd, data + sent, part, MSG_NOSIGNAL) < 0)
			break;
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	for (int i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	got = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
	DEMAND(got <= 0 || (got > 12 && !memcmp(reply, "HTTP/", 5)) || !memcmp(reply, "<", 1));
	close(fd);
	for (int i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	return 0;
}
