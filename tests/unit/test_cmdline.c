// SPDX-License-Identifier: BSD-2-Clause
#include "core/cmdline.h"
#include "tests/seed.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_S 120

/* What erlexec of OTP 25 puts first. */
#define EMULATOR   "/usr/lib/erlang/erts-13.1.5/bin/beam.smp -S 2:2 -A 4 "
#define INIT	   "-- -root /usr/lib/erlang -bindir /usr/bin -progname erl -- -home /root -- "

static void start(void)
{
	alarm(DEADLINE_S);
}

TestSuite(cmdline, .init = start);

/* Parses exactly @size bytes, so that the sanitizer sees a byte read beyond. */
static struct cmdline_facts parse_bytes(const char *arguments, size_t size)
{
	char *copy = malloc(size + !size);
	struct cmdline_facts ports;

	memcpy(copy, arguments, size);
	ports = cmdline_parse(copy, size);
	free(copy);
	return ports;
}

/* Parses @line, whose arguments are separated by a space each; two spaces are an empty argument. */
static struct cmdline_facts parse_line(const char *line)
{
	size_t size = strlen(line) + 1;
	char *arguments = strdup(line);
	struct cmdline_facts ports;

	for (size_t i = 0; i < size; i++)
		if (arguments[i] == ' ')
			arguments[i] = '\0';
	ports = parse_bytes(arguments, size);
	free(arguments);
	return ports;
}

static void expect_line(const char *line, unsigned int first, unsigned int last)
{
	struct cmdline_facts ports = parse_line(line);

	cr_expect(ports.first == first && ports.last == last, "%u-%u from %s", ports.first,
		  ports.last, line);
}

/* The same, for the arguments that follow erlexec's own. */
static void expect(const char *arguments, unsigned int first, unsigned int last)
{
	char line[1024] = EMULATOR INIT;

	strcat(line, arguments);
	expect_line(line, first, last);
}

Test(cmdline, nodes_that_pin_no_port_name_none)
{
	expect("-sname x", 0, 0);
	expect("-name a@127.0.0.1 -kernel net_ticktime 15 -noshell -noinput", 0, 0);
	expect("", 0, 0);
}

Test(cmdline, the_range_is_read_from_one_kernel_flag)
{
	expect("-sname x -kernel inet_dist_listen_min 9100 inet_dist_listen_max 9105", 9100, 9105);
	expect("-kernel inet_dist_listen_max 9105 inet_dist_listen_min 9100 -noinput", 9100, 9105);
	expect("-kernel net_ticktime 15 inet_dist_listen_min 9100 logger_level info", 9100, 9100);
}

Test(cmdline, the_range_is_read_from_several_kernel_flags)
{
	expect("-kernel inet_dist_listen_min 25672 -kernel inet_dist_listen_max 25672", 25672,
	       25672);
	expect("-kernel inet_dist_listen_max 9105 -sname x -kernel inet_dist_listen_min 9100", 9100,
	       9105);
}

Test(cmdline, rabbitmq_as_debian_starts_it_is_understood)
{
	expect_line("/usr/lib/erlang/erts-13.1.5/bin/beam.smp -W w -MBas ageffcbf -MHas ageffcbf "
		    "-MBlmbcs 512 -MHlmbcs 512 -MMmcs 30 -pc unicode -P 1048576 -t 5000000 -stbt "
		    "db -zdbbl 128000 -sbwt none -sbwtdcpu none -sbwtdio none -B i -- -root "
		    "/usr/lib/erlang -bindir /usr/lib/erlang/erts-13.1.5/bin -progname erl -- "
		    "-home /var/lib/rabbitmq -- -pa  -noshell -noinput -s rabbit boot -boot "
		    "start_sasl -syslog logger [] -syslog syslog_error_logger false -kernel "
		    "prevent_overlapping_partitions false -kernel inet_dist_listen_min 25672 "
		    "-kernel inet_dist_listen_max 25672",
		    25672, 25672);
}

Test(cmdline, an_epmd_port_of_its_own_is_read)
{
	expect("-start_epmd false -erl_epmd_port 9100 -sname x", 9100, 9100);
	expect("-sname x -erl_epmd_port 9100", 9100, 9100);
	expect("-kernel erl_epmd_node_listen_port 9101 -start_epmd false", 9101, 9101);
}

Test(cmdline, min_alone_means_one_port_and_max_alone_none)
{
	expect("-kernel inet_dist_listen_min 9100", 9100, 9100);
	expect("-kernel inet_dist_listen_min 9100 inet_dist_listen_max atom", 9100, 9100);
	expect("-kernel inet_dist_listen_max 9100", 0, 0);
}

Test(cmdline, the_node_port_beats_the_epmd_port_beats_the_range)
{
	expect("-kernel inet_dist_listen_min 9000 -erl_epmd_port 9100", 9100, 9100);
	expect("-erl_epmd_port 9100 -kernel inet_dist_listen_min 9000", 9100, 9100);
	expect("-kernel inet_dist_listen_min 9000 erl_epmd_node_listen_port 9101", 9101, 9101);
	expect("-erl_epmd_port 9100 -kernel erl_epmd_node_listen_port 9101", 9101, 9101);
	/* Port 0, or none at all, leaves it to the range. */
	expect("-erl_epmd_port 0 -kernel inet_dist_listen_min 9000", 9000, 9000);
	expect("-erl_epmd_port x -kernel inet_dist_listen_min 9000", 9000, 9000);
	expect("-erl_epmd_port -kernel inet_dist_listen_min 9000", 9000, 9000);
	expect("-kernel erl_epmd_node_listen_port x -erl_epmd_port 9100", 9100, 9100);
}

Test(cmdline, of_equals_the_one_that_otp_takes_counts)
{
	expect("-kernel inet_dist_listen_min 1 -kernel inet_dist_listen_min 2", 1, 1);
	expect("-kernel inet_dist_listen_min 1 inet_dist_listen_min 2", 2, 2);
	expect("-kernel inet_dist_listen_min 1 inet_dist_listen_min 2 "
	       "-kernel inet_dist_listen_min 3",
	       2, 2);
	expect("-kernel inet_dist_listen_min -kernel inet_dist_listen_min 5", 5, 5);
	expect("-erl_epmd_port 1 -erl_epmd_port 2", 0, 0);
	expect("-erl_epmd_port 1 -erl_epmd_port", 0, 0);
	expect("-erl_epmd_port -erl_epmd_port 1", 0, 0);
	expect("-erl_epmd_port 1 2", 0, 0);
	expect("-erl_epmd_port 1 2 -kernel inet_dist_listen_min 3", 3, 3);
}

Test(cmdline, a_node_that_does_not_listen_names_no_port)
{
	expect("-dist_listen false -erl_epmd_port 9100", 0, 0);
	expect("-kernel inet_dist_listen_min 9100 -dist_listen false", 0, 0);
	expect("-dist_listen false x -erl_epmd_port 9100", 0, 0);
	expect("-dist_listen false -dist_listen true -erl_epmd_port 9100", 0, 0);
	expect("-dist_listen true -dist_listen false -erl_epmd_port 9100", 9100, 9100);
	expect("-dist_listen -dist_listen false -erl_epmd_port 9100", 9100, 9100);
	expect("-dist_listen x false -erl_epmd_port 9100", 9100, 9100);
	expect("-dist_listen -- false -erl_epmd_port 9100", 9100, 9100);
}

Test(cmdline, values_that_are_no_port_name_none)
{
	static const char *const values[] = {"0",
					     "65536",
					     "-1",
					     "+1",
					     "9100x",
					     "x",
					     "1.",
					     "",
					     "0x10",
					     "9,1",
					     "99999999999999999999",
					     "4294967297"};
	char arguments[128];

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		snprintf(arguments, sizeof(arguments), "-erl_epmd_port %s", values[i]);
		expect(arguments, 0, 0);
		snprintf(arguments, sizeof(arguments), "-kernel inet_dist_listen_min %s",
			 values[i]);
		expect(arguments, 0, 0);
		snprintf(arguments, sizeof(arguments), "-kernel erl_epmd_node_listen_port %s",
			 values[i]);
		expect(arguments, 0, 0);
	}
	expect("-erl_epmd_port 65535", 65535, 65535);
	expect("-erl_epmd_port 09100", 9100, 9100);
}

Test(cmdline, a_range_that_cannot_be_names_no_port_and_one_that_is_too_long_ends_at_the_last)
{
	expect("-kernel inet_dist_listen_min 9105 inet_dist_listen_max 9100", 0, 0);
	expect("-kernel inet_dist_listen_min 9105 inet_dist_listen_max 0", 0, 0);
	expect("-kernel inet_dist_listen_min 0 inet_dist_listen_max 9100", 0, 0);
	expect("-kernel inet_dist_listen_min 65536 inet_dist_listen_max 70000", 0, 0);
	expect("-kernel inet_dist_listen_min 9100 inet_dist_listen_max 70000", 9100, 65535);
}

Test(cmdline, arguments_of_the_emulator_are_not_read)
{
	expect_line("beam.smp -erl_epmd_port 1 -kernel inet_dist_listen_min 2 " INIT "-sname x", 0,
		    0);
	expect_line("beam.smp -erl_epmd_port 1 " INIT "-erl_epmd_port 9100", 9100, 9100);
	expect_line("beam.smp -erl_epmd_port 1", 0, 0);
	expect_line("-- -erl_epmd_port 9100", 9100, 9100);
}

Test(cmdline, plain_arguments_are_not_read)
{
	expect("-extra -erl_epmd_port 1 -kernel inet_dist_listen_min 2", 0, 0);
	expect("-erl_epmd_port 9100 -extra -dist_listen false -erl_epmd_port 1", 9100, 9100);
	expect("-kernel -- inet_dist_listen_min 1", 0, 0);
	expect("-kernel inet_dist_listen_min -- 1", 0, 0);
	expect("-erl_epmd_port -- 1", 0, 0);
	expect("inet_dist_listen_min 1", 0, 0);
	/* After "--" a flag is a flag again. */
	expect("a b -- c -kernel inet_dist_listen_min 9100", 9100, 9100);
}

Test(cmdline, other_flags_and_keys_are_not_mistaken)
{
	expect("-stdlib inet_dist_listen_min 1", 0, 0);
	expect("-kernel x inet_dist_listen_min 1 9", 0, 0);
	expect("-kernel x inet_dist_listen_min inet_dist_listen_min 7", 7, 7);
	expect("--kernel inet_dist_listen_min 1", 0, 0);
	expect("-kernelx inet_dist_listen_min 1 -erl_epmd_portx 1 -erl_epmd 1", 0, 0);
	expect("-eval erl_epmd_port -run x erl_epmd_port 1 -s y inet_dist_listen_min 1", 0, 0);
	expect("-epmd_port 4370", 0, 0);
	expect("-kernel inet_dist_listen_min 9100 foo", 9100, 9100);
}

Test(cmdline, an_argument_that_is_cut_off_counts_for_nothing)
{
	static const char arguments[] = "beam.smp\0--\0-erl_epmd_port\0"
					"25672"; /* and its NUL */

	for (size_t size = 0; size < sizeof(arguments); size++)
		cr_expect_eq(parse_bytes(arguments, size).first, 0, "cut at %zu", size);
	cr_expect_eq(parse_bytes(arguments, sizeof(arguments)).first, 25672);
}

static struct cmdline_facts facts_of(const char *arguments)
{
	char line[4096];

	snprintf(line, sizeof(line), "%s%s%s", EMULATOR, INIT, arguments);
	return parse_line(line);
}

static void expect_node(const char *arguments, const char *node)
{
	const struct cmdline_facts facts = facts_of(arguments);

	cr_expect_str_eq(facts.node, node, "\"%s\" from %s", facts.node, arguments);
}

Test(cmdline, the_name_is_read_without_its_host)
{
	expect_node("-sname rabbit", "rabbit");
	expect_node("-name rabbit@host.example", "rabbit");
	expect_node("-sname rabbit@localhost -erl_epmd_port 9100", "rabbit");
	expect_node("-kernel inet_dist_listen_min 9100 -name a@b@c", "a");
	expect_node("-name a@", "a");
	expect_node("-sname -name a", "a");
}

Test(cmdline, a_command_line_without_a_name_or_with_several_tells_none)
{
	expect_node("", "");
	expect_node("-noshell", "");
	expect_node("-sname", "");
	expect_node("-name @host", "");
	expect_node("-sname a -sname b", "");
	expect_node("-name a@x -sname a", "");
	expect_node("-sname a b", "");
	expect_node("-sname -noshell a", "");
	expect_node("-extra -sname a", "");
	expect_node("-snamex a -xname b", "");
	expect_line("beam.smp -sname a " INIT, 0, 0);
	cr_expect_str_empty(parse_line("beam.smp -sname a " INIT).node);
}

Test(cmdline, a_name_is_told_as_long_as_one_can_be_and_no_longer_one)
{
	char arguments[EPMD_NAME_SIZE + 16] = "-sname ";
	const size_t start = strlen(arguments);

	memset(arguments + start, 'a', EPMD_NAME_SIZE - 1);
	cr_expect_eq(strlen(facts_of(arguments).node), EPMD_NAME_SIZE - 1);
	arguments[start + EPMD_NAME_SIZE - 1] = '@';
	cr_expect_eq(strlen(facts_of(arguments).node), EPMD_NAME_SIZE - 1);
	arguments[start + EPMD_NAME_SIZE - 1] = 'a';
	cr_expect_str_empty(facts_of(arguments).node);
}

Test(cmdline, the_name_and_the_carrier_are_told_without_a_port)
{
	const struct cmdline_facts facts = facts_of("-name a@b -proto_dist inet_tls "
						    "-dist_listen false -erl_epmd_port 9100");

	cr_expect_eq(facts.first, 0);
	cr_expect_eq(facts.last, 0);
	cr_expect_str_eq(facts.node, "a");
	cr_expect(facts.tls);
}

Test(cmdline, carriers_with_tls_are_told_from_others)
{
	static const struct {
		const char *arguments;
		bool tls;
	} rows[] = {{"", false},
		    {"-proto_dist inet_tls", true},
		    {"-proto_dist inet6_tls", true},
		    {"-proto_dist inet_tcp", false},
		    {"-proto_dist inet6_tcp", false},
		    {"-proto_dist", false},
		    {"-proto_dist -noshell inet_tls", false},
		    {"-proto_distx inet_tls", false},
		    {"-sname inet_tls", false},
		    {"-extra -proto_dist inet_tls", false}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(facts_of(rows[i].arguments).tls, rows[i].tls, "%s", rows[i].arguments);
}

Test(cmdline, mutated_command_lines_yield_a_range_or_none)
{
	static const char *const words[] = {"beam.smp",
					    "--",
					    "-kernel",
					    "inet_dist_listen_min",
					    "inet_dist_listen_max",
					    "9100",
					    "9105",
					    "65536",
					    "-erl_epmd_port",
					    "erl_epmd_node_listen_port",
					    "-dist_listen",
					    "false",
					    "-sname",
					    "-name",
					    "-proto_dist",
					    "a@b",
					    "-extra",
					    "",
					    "x",
					    "-"};
	const size_t count = sizeof(words) / sizeof(words[0]);
	const unsigned int seed = test_seed();
	unsigned int named = 0;

	srand(seed);
	for (unsigned int round = 0; round < 100000; round++) {
		char arguments[512] = "beam.smp\0--";
		size_t size = sizeof("beam.smp\0--");
		struct cmdline_facts ports;

		for (int i = rand() % 12; i > 0; i--)
			size += strlen(strcpy(arguments + size, words[(size_t)rand() % count])) + 1;
		for (int i = rand() % 3; i > 0; i--)
			arguments[(size_t)rand() % size] = (char)rand();
		if (rand() % 4 == 0)
			size = (size_t)rand() % size;
		ports = parse_bytes(arguments, size);
		cr_assert(ports.first <= ports.last && !ports.first == !ports.last,
			  "seed %u, round %u: %u-%u", seed, round, ports.first, ports.last);
		cr_assert(memchr(ports.node, '\0', sizeof(ports.node)) && !strchr(ports.node, '@'),
			  "seed %u, round %u", seed, round);
		named += ports.first != 0;
	}
	cr_assert_gt(named, 100, "seed %u: too few ports to prove anything", seed);
}
