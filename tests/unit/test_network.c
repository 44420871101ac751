// SPDX-License-Identifier: BSD-2-Clause
/* The agent's end of the network side: what it orders, and what it takes for an answer. */
#include "agent/network.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/unit/fake_net_side.h"

TestSuite(network, .init = start, .fini = stop);

Test(network, without_a_network_side_this_process_asks_itself)
{
	const uint16_t port = free_port();

	open_network(false, 0);
	cr_assert_eq(network_ask(network, port, ASK_MS, on_answer, &answers, &query), 0);
	cr_assert_eq(network_ask(network, port, ASK_MS, on_answer, &answers, &query), -EALREADY);
	network_ask_cancel(query);
	cr_assert_null(query);
	cr_assert_eq(network_serve(network, "127.0.0.1", 0, NULL), 0);
	cr_assert_eq(network_serve(network, "no address", 0, NULL), -EINVAL);
	cr_assert_eq(network_serve(network, NULL, 0, NULL), 0);
	cr_assert_str_eq(network_problem(network)->text, "");
	cr_assert(access(path, F_OK));
}

Test(network, without_a_network_side_this_process_probes_itself)
{
	static const uint8_t localhost[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
	uint16_t port = 0;
	const int listener = listen_tcp(&port);
	int fd;

	open_network(false, 0);
	cr_assert_eq(network_probe(network, localhost, port, ASK_MS, on_probed, &probed, &query),
		     0);
	cr_assert_eq(probe(ASK_MS), -EALREADY);
	fd = accept_on(listener);
	tell(fd, "HTTP/1.1 400 Bad Request\r\n\r\n");
	loop_until(probed);
	cr_assert_eq(probed_code, 0);
	cr_assert_eq(probed_answer.outcome, HANDSHAKE_OTHER);
	close(fd);
	cr_assert_eq(network_probe(network, localhost, port, ASK_MS, on_probed, &probed, &query),
		     0);
	network_ask_cancel(query);
	cr_assert_null(query);
	close(listener);
}

/* As RestrictAddressFamilies= of the unit does. */
static void forbid_internet_sockets(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0, "%m");
	cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0, "%m");
}

Test(network, a_unit_that_forbids_internet_sockets_is_a_problem_and_no_silence)
{
	open_network(false, 0);
	forbid_internet_sockets();
	cr_assert_eq(probe(ASK_MS), -EAFNOSUPPORT);
	cr_assert_eq(ask(ASK_MS), -EAFNOSUPPORT);
	cr_assert(strstr(network_problem(network)->text, "--net-socket"));
	cr_assert_eq(changes, 1);
}

Test(network, nobody_can_be_asked_before_a_network_side_is_there)
{
	json_t *order;
	int side;

	open_network(true, 0);
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
	cr_assert_eq(network_serve(network, "::1", 9369, NULL), 0);
	side = connect_side(&order);
	cr_assert_str_eq(
		json_string_value(json_object_get(json_object_get(order, "listen"), "host")),
		"::1");
	json_decref(order);
	cr_assert_eq(calls_to_ask, 1);
	ordered_ask(side);
	close(side);
	loop_until(answers == 1);
	cr_assert_eq(answer_code, -ECONNRESET);
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
}

Test(network, names_answer_the_question_with_their_number_and_no_other)
{
	int side, id;

	open_network(true, 0);
	side = connect_side(NULL);
	id = ordered_ask(side);
	cr_assert(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), id + 1)));
	cr_assert_not(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), -id)));
	cr_assert_not(succeeds(request(ARGUMENTS("names", "\"nodes\":[]"))));
	cr_assert_eq(answers, 0);
	cr_assert(succeeds(request(
		ARGUMENTS("names", "\"id\":%d,\"code\":0,\"nodes\":[[\"app\",9100],[\"b\",0]]"),
		id)));
	cr_assert_eq(answers, 1);
	cr_assert_eq(answer_code, 0);
	cr_assert_eq(answer_count, 1);
	cr_assert_eq(answer_refused, 1);
	cr_assert(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), id)));
	cr_assert_eq(answers, 1, "it was answered already");
	close(side);
}

Test(network, an_answer_is_of_the_kind_that_was_asked_for)
{
	int side, id;

	open_network(true, 0);
	cr_assert_eq(probe(ASK_MS), -ENOTCONN);
	side = connect_side(NULL);
	id = ordered_probe(side);
	cr_assert(succeeds(request(ARGUMENTS("names", "\"id\":%d,\"nodes\":[]"), id)));
	cr_assert(succeeds(request(ARGUMENTS("probed", "\"id\":%d,\"code\":-5"), id + 1)));
	cr_assert_not(succeeds(request(ARGUMENTS("probed", "\"outcome\":\"other\""))));
	cr_assert_eq(probed + answers, 0);
	cr_assert(succeeds(request(ARGUMENTS("probed", "\"id\":%d,\"outcome\":\"other\""), id)));
	cr_assert_eq(probed, 1);
	cr_assert_eq(probed_code, 0);
	id = ordered_ask(side);
	cr_assert(succeeds(request(ARGUMENTS("probed", "\"id\":%d,\"outcome\":\"other\""), id)));
	cr_assert_eq(answers, 0);
	network_ask_cancel(query);
	ordered_probe(side);
	close(side);
	loop_until(probed == 2);
	cr_assert_eq(probed_code, -ECONNRESET);
}

Test(network, no_more_ports_are_probed_at_once_than_may_be)
{
	struct network_ask *asks[NETWORK_PROBES_MAX] = {};
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	for (unsigned i = 0; i < NETWORK_PROBES_MAX; i++)
		cr_assert_eq(network_probe(network, probe_address, 9100, ASK_MS, on_probed, &probed,
					   &asks[i]),
			     0);
	cr_assert_eq(probe(ASK_MS), -EBUSY);
	cr_assert_null(query);
	cr_assert_eq(ask(ASK_MS), 0); /* epmd can be asked still */
	network_ask_cancel(query);
	network_ask_cancel(asks[0]);
	cr_assert_eq(probe(ASK_MS), 0);
	for (unsigned i = 0; i < NETWORK_PROBES_MAX; i++)
		network_ask_cancel(asks[i]);
	close(side);
}

Test(network, an_answer_that_never_comes_has_a_deadline)
{
	int side;

	open_network(true, 0);
	side = connect_side(NULL);
	cr_assert_eq(ask(50), 0);
	loop_until(answers);
	cr_assert_eq(answer_code, -ETIMEDOUT);
	cr_assert_eq(probe(50), 0);
	loop_until(probed);
	cr_assert_eq(probed_code, -ETIMEDOUT);
	close(side);
}

/* Connects as a network side that is ordered to listen; that order's number. */
static int connect_to_listen(int *id)
{
	json_t *order;
	int side;

	open_network(true, 0);
	network_serve(network, "127.0.0.1", 9369, NULL);
	side = connect_side(&order);
	*id = (int)json_integer_value(json_object_get(order, "id"));
	json_decref(order);
	return side;
}

Test(network, what_keeps_it_from_listening_is_known_until_that_changes)
{
	int id;
	const int side = connect_to_listen(&id);
	json_t *order;

	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"a lie\""), id + 1));
	cr_assert_str_eq(network_problem(network)->text, "");
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\\n\""), id));
	cr_assert_str_eq(network_problem(network)->text, "in use?");
	cr_assert_geq(changes, 1);
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":null"), id));
	cr_assert_str_eq(network_problem(network)->text, "");
	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\""), id));
	network_serve(network, NULL, 0, NULL);
	cr_assert_str_eq(network_problem(network)->text, "", "that was about another place");
	order = hear(side);
	cr_assert(json_is_null(json_object_get(order, "listen")));
	json_decref(order);
	close(side);
}

Test(network, what_keeps_it_from_listening_is_not_over_when_it_is_gone)
{
	int id;
	const int side = connect_to_listen(&id);

	json_decref(request(ARGUMENTS("listening", "\"id\":%d,\"error\":\"in use\""), id));
	ordered_ask(side);
	close(side);
	loop_until(answers == 1);
	cr_assert_str_eq(network_problem(network)->text, "in use");
	network_serve(network, NULL, 0, NULL);
	cr_assert_str_eq(network_problem(network)->text, "", "nobody wants it to listen");
}

Test(network, a_socket_that_cannot_be_made_is_a_problem_and_no_failure)
{
	strcpy(path, "/proc/no/such/directory/net.sock");
	open_network(true, 0);
	cr_assert(strstr(network_problem(network)->text, "/proc/no/such"));
	cr_assert_eq(ask(ASK_MS), -ENOTCONN);
	cr_assert_eq(network_serve(network, "127.0.0.1", 9369, NULL), 0);
}
