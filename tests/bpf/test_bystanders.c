// SPDX-License-Identifier: BSD-2-Clause
/* Listeners that the watch does not follow: in other namespaces, and on protected ports. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/watching.h"

TestSuite(bystanders, .init = watching_open, .fini = watching_close);

static const struct bystander *rows;
static size_t left_out;

/* Other tests' processes are listed too. */
static size_t list_of_mine(void)
{
	static struct bystander mine[64];
	size_t count, kept = 0;

	watching_list();
	count = fence_bystanders(&watching.fence, &rows, &left_out);
	for (size_t i = 0; i < count; i++)
		if (rows[i].pid == (uint32_t)getpid())
			mine[kept++] = rows[i];
	rows = mine;
	return kept;
}

static void protect(uint16_t port)
{
	watching.harness.tables->policy[0].configured[port / 64] |= UINT64_C(1) << (port % 64);
}

static void leave_namespace(const char *host)
{
	cr_assert_eq(unshare(CLONE_NEWNET | CLONE_NEWUTS), 0);
	cr_assert_eq(sethostname(host, strlen(host)), 0);
	raise_loopback();
}

Test(bystanders, are_beams_and_epmds_of_other_namespaces_with_their_hosts_name)
{
	static const char *const names[] = {"beam.smp", "epmd"};

	leave_namespace("box");
	for (size_t i = 0; i < 2; i++) {
		uint16_t port;
		int fd;

		call_myself(names[i]);
		fd = autobound(&port);
		cr_assert_eq(list_of_mine(), 1);
		cr_expect_str_eq(rows[0].process, names[i]);
		cr_expect_str_eq(rows[0].host, "box");
		cr_expect_eq(rows[0].port, port);
		cr_expect_eq(rows[0].account, 0);
		cr_expect_neq(rows[0].namespace, 0);
		cr_expect_neq(rows[0].namespace, watching.watch->rodata->namespace_inode);
		cr_expect_eq(syn_to(port), REASON_OTHER_PORT);
		close(fd);
	}
	cr_expect_eq(list_of_mine(), 0);
}

Test(bystanders, are_not_what_is_followed_or_on_loopback_or_no_beam)
{
	uint16_t port;

	call_myself("beam.smp");
	autobound(&port);
	cr_expect_eq(list_of_mine(), 0, "followed");
	leave_namespace("box");
	listen_at("127.0.0.1", 0);
	listen_at("::1", 0);
	cr_expect_eq(list_of_mine(), 0, "on loopback");
	call_myself("nginx");
	autobound(&port);
	cr_expect_eq(list_of_mine(), 0, "no BEAM's");
}

Test(bystanders, are_others_on_ports_that_the_configuration_protects)
{
	int fd;

	protect(FIXED_PORT);
	call_myself("exporter");
	fixed(FIXED_PORT + 1);
	listen_at("127.0.0.1", FIXED_PORT);
	cr_expect_eq(list_of_mine(), 0, "on another port, and on loopback");
	fd = listen_at(HOST_IPV4, FIXED_PORT);
	cr_assert_eq(list_of_mine(), 1);
	cr_expect_str_eq(rows[0].process, "exporter");
	cr_expect_eq(rows[0].port, FIXED_PORT);
	cr_expect_eq(rows[0].namespace, 0);
	call_myself("beam.smp");
	cr_expect_eq(list_of_mine(), 0, "it is a BEAM's, and followed");
	close(fd);
}

Test(bystanders, are_not_sockets_that_were_handed_over_to_epmd)
{
	int fd, ready[2];
	pid_t child;
	char byte;

	protect(FIXED_PORT);
	call_myself("manager");
	fd = fixed(FIXED_PORT);
	cr_expect_eq(list_of_mine(), 1);
	cr_assert_eq(pipe(ready), 0);
	child = fork();
	if (!child) {
		call_myself("epmd");
		_exit(write(ready[1], "x", 1) != 1 || pause());
	}
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	cr_expect_eq(list_of_mine(), 0, "in the very listing that finds it");
	cr_expect_eq(count_entries(), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(fd);
}

Test(bystanders, are_heard_of_when_they_come_and_go)
{
	uint64_t heard = fence_bystanders_heard(&watching.fence);
	int fd;

	protect(FIXED_PORT);
	call_myself("exporter");
	fd = fixed(FIXED_PORT);
	cr_expect_gt(fence_bystanders_heard(&watching.fence), heard);
	heard = fence_bystanders_heard(&watching.fence);
	close(fd);
	cr_expect_gt(fence_bystanders_heard(&watching.fence), heard);
	leave_namespace("box");
	call_myself("epmd");
	heard = fence_bystanders_heard(&watching.fence);
	fd = fixed(FIXED_PORT);
	cr_expect_gt(fence_bystanders_heard(&watching.fence), heard);
	heard = fence_bystanders_heard(&watching.fence);
	close(fd);
	cr_expect_gt(fence_bystanders_heard(&watching.fence), heard);
}

Test(bystanders, of_one_user_are_few_and_the_rest_is_counted)
{
	uint16_t port;

	leave_namespace("box");
	call_myself("beam.smp");
	act_for(SOME_USER);
	for (int i = 0; i < 4; i++)
		autobound(&port);
	cr_expect_eq(list_of_mine(), 4);
	for (int i = 0; i < 40; i++)
		autobound(&port);
	cr_expect_eq(list_of_mine(), 4);
	cr_expect_geq(left_out, 40); /* and what other tests may have */
}
