/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The whole command line, main() too, run within the test against an agent that a thread plays. A
 * suite starts with start() and ends with stop().
 */
#pragma once

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/protocol.h"
#include "tests/unit/scratch.h"

#define DEADLINE_S 120

/* main() of cli/main.c, which test_cli.c takes in under this name. */
int beamfence_main(int argc, char **argv);

static char directory[SCRATCH_MAX];
static char path[80]; /* of the agent's socket */
static char config_path[80];

static struct {
	int listener;
	const char *reply; /* NULL: hangs up */
	char request[PROTOCOL_LINE_MAX];
	pthread_t thread;
} agent = {.listener = -1};

static inline void start(void)
{
	alarm(DEADLINE_S); /* where something blocks after all */
	scratch_make(directory);
	snprintf(path, sizeof(path), "%s/control.sock", directory);
	snprintf(config_path, sizeof(config_path), "%s/beamfence.yaml", directory);
}

static inline void stop(void)
{
	unlink(path);
	unlink(config_path);
	rmdir(directory);
}

static inline void *play_agent(void *context)
{
	int fd = accept(agent.listener, NULL, NULL);
	size_t length = 0;

	(void)context;
	while (!memchr(agent.request, '\n', length)) {
		ssize_t got = recv(fd, agent.request + length, sizeof(agent.request) - 1 - length,
				   0);

		if (got <= 0)
			break;
		length += (size_t)got;
	}
	for (const char *reply = agent.reply; reply && *reply;) {
		ssize_t sent = send(fd, reply, strlen(reply), MSG_NOSIGNAL);

		if (sent <= 0)
			break;
		reply += sent;
	}
	close(fd);
	return NULL;
}

static inline void listen_here(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	strcpy(address.sun_path, path);
	agent.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(agent.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(agent.listener, 4), 0);
}

/* From here on an agent takes one request, and sends @reply. */
static inline void answer(const char *reply)
{
	agent.reply = reply;
	memset(agent.request, 0, sizeof(agent.request));
	listen_here();
	cr_assert_eq(pthread_create(&agent.thread, NULL, play_agent, NULL), 0);
}

/* What the agent was asked, once it is done. */
static inline const char *asked(void)
{
	pthread_join(agent.thread, NULL);
	return agent.request;
}

/* Makes room for the next agent. */
static inline void dismiss(void)
{
	close(agent.listener);
	unlink(path);
}

static char output[1 << 20];
static char errors[1 << 16];

static inline void read_back(int fd, char *text, size_t size)
{
	ssize_t got = pread(fd, text, size - 1, 0);

	text[got > 0 ? got : 0] = '\0';
	close(fd);
}

/* Runs beamfence with stdout on @out, and its errors in errors[]. Returns the exit status. */
static inline int run_to(int out, char **words)
{
	int saved_out = dup(STDOUT_FILENO), saved_err = dup(STDERR_FILENO);
	int err = memfd_create("err", 0);
	int count = 0, status;

	while (words[count])
		count++;
	fflush(stdout);
	fflush(stderr);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	status = beamfence_main(count, words);
	dup2(saved_out, STDOUT_FILENO);
	dup2(saved_err, STDERR_FILENO);
	close(saved_out);
	close(saved_err);
	read_back(err, errors, sizeof(errors));
	return status;
}

static inline int run_words(char **words)
{
	int out = memfd_create("out", 0);
	int status = run_to(out, words);

	read_back(out, output, sizeof(output));
	return status;
}

#define RUN(...) run_words((char *[]){"beamfence", __VA_ARGS__, NULL})
#define ASK(...) RUN("--socket", path, __VA_ARGS__)

/* That stderr holds one line, and @part in it. */
static inline void expect_error_line(const char *part)
{
	cr_assert_eq(strncmp(errors, "beamfence: ", 11), 0, "%s", errors);
	cr_assert_eq(strchr(errors, '\n'), errors + strlen(errors) - 1, "%s", errors);
	cr_assert(strstr(errors, part), "no \"%s\" in %s", part, errors);
}

static inline void write_config(const char *text)
{
	FILE *file = fopen(config_path, "w");

	fputs(text, file);
	fclose(file);
}
