// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/judging.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct agent judge;
const char *early_name;

static char *globs[] = {"app@*"};
static struct cluster_config clusters[] = {{.name = "app", .nodes = globs, .node_count = 1}};
static struct config config = {.clusters = clusters, .cluster_count = 1};
static int epmd;

void judging_open(void)
{
	watching_open();
	raise_loopback();
	call_myself("epmd");
	epmd = listen_at("127.0.0.1", EPMD_PORT);
	judge = (struct agent){.config = &config,
			       .policy = calloc(1, sizeof(struct policy)),
			       .fence = &watching.fence};
	cr_assert_not_null(judge.policy);
}

void judging_close(void)
{
	listeners_free(&judge);
	free(judge.policy);
	close(epmd);
	watching_close();
}

static int connect_to_epmd(void)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons(EPMD_PORT),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	return connect(fd, (const struct sockaddr *)&address, sizeof(address));
}

static int listen_on(uint16_t port)
{
	const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) || listen(fd, 1) ? -1
											     : 0;
}

/* Until it is killed, or the test ends. */
static void live(const struct process *process, int ready)
{
	bool failed = prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NAME, process->name);

	for (size_t i = 0; i < PROCESS_PORTS_MAX && process->ports[i]; i++)
		failed = failed || listen_on(process->ports[i]);
	for (size_t i = 0; i < process->connections; i++)
		failed = failed || connect_to_epmd();
	if (failed || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

void process_start(struct process *process)
{
	int ready[2];
	char byte;

	cr_assert_eq(pipe(ready), 0);
	process->pid = fork();
	cr_assert_geq(process->pid, 0);
	if (!process->pid)
		live(process, ready[1]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "%s has not all of its sockets", process->name);
	close(ready[0]);
}

void process_end(const struct process *process)
{
	kill(process->pid, SIGKILL);
	cr_assert_eq(waitpid(process->pid, NULL, 0), process->pid);
}

static void ignore(void *context, enum listener_event event, const struct known_listener *listener)
{
	(void)context;
	(void)event;
	(void)listener;
}

void look(void)
{
	cr_assert_geq(listeners_refresh(&judge, ignore, NULL), 0);
}

struct known_listener *known_on(uint16_t port)
{
	for (size_t i = 0; i < judge.listener_count; i++)
		if (judge.listeners[i].kernel.port == port)
			return &judge.listeners[i];
	cr_assert_fail("nothing is known of port %u", port);
	return NULL;
}

struct fence_registration *registrations_now(int *count)
{
	struct fence_registration *list = NULL;

	*count = fence_registrations(&watching.fence, &list);
	cr_assert_geq(*count, 0);
	return list;
}

struct heard hear_between(const struct told *told, const struct fence_registration *before,
			  int before_count, const struct fence_registration *now, int now_count)
{
	struct epmd_node items[8];
	struct epmd_nodes nodes = {.items = items};
	uint64_t since_ns[8];
	const struct hearing hearing = {.epmd_port = EPMD_PORT,
					.nodes = &nodes,
					.since_ns = since_ns,
					.before = before,
					.before_count = before_count,
					.now = now,
					.now_count = now_count};
	struct heard heard;

	for (; told->name; told++) {
		const bool early = early_name && !strcmp(told->name, early_name);

		since_ns[nodes.count] = early ? 1 : UINT64_MAX;
		items[nodes.count++] = (struct epmd_node){.name = (char *)told->name,
							  .port = told->port};
	}
	look();
	heard = nodes_hear(&judge, &hearing);
	cr_assert_eq(heard.code, 0);
	return heard;
}

struct heard hear(const struct told *told)
{
	int count;
	struct fence_registration *rows = registrations_now(&count);
	const struct heard heard = hear_between(told, rows, count, rows, count);

	free(rows);
	return heard;
}

void answer(uint16_t port, enum handshake_outcome outcome, const char *name)
{
	struct handshake_answer said = {.outcome = outcome};

	strncpy(said.name, name, sizeof(said.name) - 1);
	node_answered(&judge, known_on(port), 0, &said);
}

void fail_to_answer(uint16_t port, int code)
{
	const struct handshake_answer nothing = {.outcome = HANDSHAKE_UNKNOWN};

	node_answered(&judge, known_on(port), code, &nothing);
}

/* Checks in which every epmd has answered, be it that it named nobody. */
void pass_checks(unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		judge.epmd_heard = true;
		for (size_t j = 0; j < judge.listener_count; j++)
			judge.listeners[j].epmd_heard = true;
		nodes_note_check(&judge, NULL, 0);
	}
}
