// SPDX-License-Identifier: BSD-2-Clause
/*
 * Bytes on the metrics endpoint, over real connections: by loopback, by a unix socket, or by
 * loopback where the pages are answered later, as their number says. A byte that no text has begins
 * another connection, beside those before; others are stage directions: time passes, accept(2)
 * fails, the metrics cannot be read (or are answered at once), a crowd, what waits is answered.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
/* For its clock and its limits. */
#include "user/daemon/http.c"

#define TURNS		4
#define CONNECTIONS	6
#define CROWD_INPUT_MAX 48
#define PIECE		700 /* requests come in pieces */

enum direction {
	NEXT_CONNECTION = 0xff,
	TIME_PASSES = 0xfe,
	ACCEPT_FAILS = 0xfd,
	METRICS_FAIL = 0xfc,
	CROWD = 0xfb, /* as the first byte of few: it takes as long as a thousand requests */
	ANSWER = 0xfa,
	FIRST_DIRECTION = ANSWER,
};

static struct event_base *base;
static struct http *by_loopback, *by_path, *later;
static uint64_t wanted[HTTP_PAGE_HEALTH + 1];
static struct sockaddr_un path = {.sun_family = AF_UNIX};
static bool ill;

static int write_metrics(void *context, struct evbuffer *text)
{
	(void)context;
	evbuffer_add_printf(text, "beamfence_up 1\n");
	return ill ? -EIO : 0;
}

static int tell_health(void *context, struct error *reason)
{
	(void)context;
	return ill ? error_set(reason, -EIO, "ill") : 0;
}

static void answer(enum http_page page)
{
	http_answer(later, page, wanted[page], HTTP_OK, "an answer\n");
}

static void on_asked(void *context, enum http_page page, uint64_t number)
{
	(void)context;
	DEMAND(number > wanted[page]);
	wanted[page] = number;
	if (ill)
		answer(page);
}

/* The socket has to stay while it is dialled. */
static void leave_nothing(void)
{
	unlink(path.sun_path);
	*strrchr(path.sun_path, '/') = '\0';
	rmdir(path.sun_path);
}

static void start(void)
{
	struct http_settings settings = {.host = "127.0.0.1",
					 .group = (gid_t)-1,
					 .metrics = write_metrics,
					 .health = tell_health,
					 .life_ms = 1};
	char directory[] = "/tmp/beamfence-fuzz-XXXXXX";
	struct error error;

	signal(SIGPIPE, SIG_IGN);
	base = event_base_new();
	DEMAND(base && http_open(base, &settings, &by_loopback, &error) == 0);
	DEMAND(mkdtemp(directory));
	snprintf(path.sun_path, sizeof(path.sun_path), "%s/s", directory);
	settings.host = path.sun_path;
	DEMAND(http_open(base, &settings, &by_path, &error) == 0);
	settings.host = "127.0.0.1";
	settings.asked = on_asked;
	DEMAND(http_open(base, &settings, &later, &error) == 0);
	DEMAND(atexit(leave_nothing) == 0);
}

/* Nobody may listen there twice, and what is no address is refused. */
static void open_wrongly(void)
{
	static const char *const hosts[] = {"localhost", "192.0.2.1", "/dev/null/s", "::1"};
	struct http_settings settings = {.group = (gid_t)-1, .port = http_port(by_loopback)};
	struct http *other = NULL;
	struct error error = {""};

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		settings.host = hosts[i];
		if (http_open(base, &settings, &other, &error))
			demand_line(error.text, sizeof(error.text));
		else
			http_close(other);
	}
}

static int dial(const struct http *http)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(http_port(http)),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct linger reset = {.l_onoff = 1}; /* leaves no port in TIME_WAIT */
	const bool ip = http != by_path;
	const int fd = socket(ip ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	DEMAND(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	/* Where the queue is full, the connection is not made, and nothing is sent. */
	if (ip)
		(void)!connect(fd, (const struct sockaddr *)&address, sizeof(address));
	else
		(void)!connect(fd, (const struct sockaddr *)&path, sizeof(path));
	return fd;
}

static void turn(void)
{
	for (int i = 0; i < TURNS; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* One reply at most, and a whole one: "Connection: close" ends it. */
static void check_reply(int fd)
{
	char reply[4096];
	const ssize_t got = recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT);

	if (got <= 0)
		return;
	reply[got] = '\0';
	if (reply[0] == '<')
		return; /* to a request of HTTP/0.9 */
	DEMAND(!strncmp(reply, "HTTP/1.", 7) || !strncmp(reply, "HTTP/0.", 7) ||
	       !strncmp(reply, "HTTP/", 5));
	DEMAND(strstr(reply, "\r\n\r\n"));
}

/* More than are served at a time. They say nothing. */
static void crowd(struct http *http)
{
	int fds[HTTP_CONNECTIONS_MAX + 2];
	const size_t count = sizeof(fds) / sizeof(fds[0]);

	for (size_t i = 0; i < count; i++) {
		fds[i] = dial(http);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	/* On a busy machine the kernel may take a while to bring them. */
	for (int i = 0; i < 1000 && !http->paused; i++) {
		poll(NULL, 0, 1);
		turn();
	}
	DEMAND(http->paused);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	turn();
	on_tick(-1, 0, http);
	DEMAND(!http->paused);
}

static void direct(struct http *http, uint8_t direction)
{
	if (direction == ACCEPT_FAILS) {
		on_accept_error(http->listener, NULL);
		DEMAND(http->paused);
		on_tick(-1, 0, http);
	} else if (direction == METRICS_FAIL) {
		ill = !ill;
	} else if (direction == TIME_PASSES) {
		for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
			http->connections[i].opened_ms = 0;
		on_tick(-1, 0, http);
	} else if (direction == CROWD && !http->paused) {
		crowd(http);
	} else if (direction == ANSWER) {
		answer(HTTP_PAGE_METRICS);
		answer(HTTP_PAGE_HEALTH);
	}
}

/* Sends what comes before the next direction, and returns how much that was. */
static size_t say(int fd, const uint8_t *data, size_t size)
{
	size_t length = 0;

	while (length < size && length < PIECE && data[length] < FIRST_DIRECTION)
		length++;
	if (length)
		(void)!send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fds[CONNECTIONS], count = 0;
	struct http *http;

	if (!base) {
		start();
		open_wrongly();
	}
	http = (struct http *[]){by_loopback, by_path, later}[size % 3];
	ill = false;
	fds[count++] = dial(http);
	for (size_t at = 0; at < size;) {
		const size_t said = say(fds[count - 1], data + at, size - at);

		turn();
		at += said;
		if (said || at == size)
			continue;
		if (data[at] == NEXT_CONNECTION && count < CONNECTIONS)
			fds[count++] = dial(http);
		else if (data[at] != CROWD || (!at && size < CROWD_INPUT_MAX))
			direct(http, data[at]);
		at++;
	}
	turn();
	for (int i = 0; i < count; i++) {
		check_reply(fds[i]);
		close(fds[i]);
	}
	direct(http, ANSWER);
	turn();
	on_tick(-1, 0, http);
	DEMAND(!http->paused && !http->waiting);
	for (size_t i = 0; i < HTTP_CONNECTIONS_MAX; i++)
		DEMAND(!http->connections[i].used);
	return 0;
}
