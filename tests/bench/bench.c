// SPDX-License-Identifier: BSD-2-Clause
/*
 * Nanoseconds that a frame costs, over an empty XDP program: one interleaved run of many rounds, so
 * that whatever disturbs the machine disturbs all cases alike. Medians and quartiles.
 */
#include <err.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tests/bench/cases.h"

#define ROUNDS_DEFAULT 101
#define REPEAT	       100000
#define TEXT_SIZE      64

/* A case, or a figure that is made of several. */
struct result {
	const char *group;
	const char *name;
	double median, low, high; /* quartiles */
	double target;		  /* at most; 0: none */
	uint32_t peers;
	bool missing;
};

static int compare_doubles(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

static double quantile(double *samples, size_t count, double share)
{
	qsort(samples, count, sizeof(*samples), compare_doubles);
	return samples[(size_t)floor(share * (double)(count - 1) + 0.5)];
}

static void open_cases(const char *part, size_t rounds)
{
	for (size_t i = 0; i < bench_case_count; i++) {
		struct bench_case *bench = &bench_cases[i];

		if (part && !strstr(bench->name, part)) {
			bench->group = NULL;
			continue;
		}
		bench->samples_ns = calloc(rounds, sizeof(*bench->samples_ns));
		if (!bench->samples_ns)
			err(1, "samples");
		case_open(bench);
	}
}

/*
 * One look at each base a round is enough, and half the time: most of it goes into what the kernel
 * does around a run. @empty_ns is what an empty program takes by itself.
 */
static void run_rounds(size_t rounds, double *empty_ns)
{
	const struct harness any = {.ifindex = 1};
	static struct test_frame frame;

	frame_syn(&frame, CLIENT_IPV4, OPEN_PORT);
	for (size_t round = 0; round < rounds; round++) {
		empty_ns[round] = harness_time(&any, empty_program(), &frame, REPEAT);
		for (size_t i = 0; i < bench_case_count; i++) {
			struct bench_case *bench = &bench_cases[i];
			double base = empty_ns[round];

			if (!bench->group || bench->missing)
				continue;
			if (bench->base != empty_program())
				base = harness_time(&any, bench->base, &bench->frame, REPEAT);
			bench->samples_ns[round] =
				harness_time(&any, bench->program, &bench->frame, REPEAT) - base;
		}
	}
}

static bool met(const struct result *result)
{
	return result->median <= result->target;
}

static void print_result(const struct result *result, const char *unit)
{
	char target[TEXT_SIZE] = "";

	if (result->missing) {
		printf("%-48s skipped: not installed (Debian: xdp-tools)\n", result->name);
		return;
	}
	if (result->target > 0)
		snprintf(target, sizeof(target), "%8.1f  %s", result->target,
			 met(result) ? "met" : "MISSED");
	if (*unit)
		printf("%-48s%8.1f%8.1f%8.1f%s\n", result->name, result->median, result->low,
		       result->high, target);
	else
		printf("%-48s%8.2f%16s%s\n", result->name, result->median, "", target);
}

static json_t *result_json(const struct result *result, const char *unit)
{
	json_t *object = json_pack("{s:s, s:s, s:s}", "group", result->group, "name", result->name,
				   "unit", unit);

	if (!object)
		errx(1, "out of memory");
	if (result->missing) {
		json_object_set_new(object, "skipped", json_string("not installed"));
		return object;
	}
	json_object_set_new(object, "median", json_real(result->median));
	json_object_set_new(object, "low", json_real(result->low));
	json_object_set_new(object, "high", json_real(result->high));
	if (result->target > 0) {
		json_object_set_new(object, "target", json_real(result->target));
		json_object_set_new(object, "met", json_boolean(met(result)));
	}
	if (result->peers)
		json_object_set_new(object, "peers", json_integer(result->peers));
	return object;
}

static void report(json_t *results, const struct result *result, const char *unit)
{
	print_result(result, unit);
	json_array_append_new(results, result_json(result, unit));
}

static struct result case_result(const struct bench_case *bench, size_t rounds)
{
	return (struct result){
		.group = bench->group,
		.name = bench->name,
		.median = quantile(bench->samples_ns, rounds, 0.5),
		.low = quantile(bench->samples_ns, rounds, 0.25),
		.high = quantile(bench->samples_ns, rounds, 0.75),
		.target = bench->target_ns,
		.peers = bench->setup ? bench->setup->peers : 0,
		.missing = bench->missing,
	};
}

static double median_of(const char *name, size_t rounds)
{
	for (size_t i = 0; i < bench_case_count; i++) {
		const struct bench_case *bench = &bench_cases[i];

		if (bench->group && !bench->missing && !strcmp(bench->name, name))
			return quantile(bench->samples_ns, rounds, 0.5);
	}
	return NAN;
}

/* How much more an accepted peer costs among many than among few, of one family and kind. */
static double growth(bool ipv4, enum peer_kind kind, size_t rounds)
{
	double smallest = INFINITY, largest = 0;

	for (size_t i = 0; i < bench_case_count; i++) {
		const struct bench_case *bench = &bench_cases[i];
		double median;

		if (!bench->group || bench->shuffled || bench->reason != REASON_PEER ||
		    !bench->setup || bench->setup->ipv4 != ipv4 || bench->setup->kind != kind)
			continue;
		median = quantile(bench->samples_ns, rounds, 0.5);
		smallest = fmin(smallest, median);
		largest = fmax(largest, median);
	}
	return largest / smallest; /* without a case: 0 */
}

static void report_ratio(json_t *results, const char *name, double ratio, double target)
{
	const struct result result = {.group = "ratios",
				      .name = name,
				      .median = ratio,
				      .low = ratio,
				      .high = ratio,
				      .target = target};

	if (ratio > 0)
		report(results, &result, "");
}

/* What the targets say of one figure by another. */
static void report_ratios(json_t *results, size_t rounds)
{
	const double other = median_of("TCP to another port, IPv4", rounds);

	report_ratio(results, "another port, by xdp-filter's with all features",
		     other / median_of("xdp-filter, all: another port, IPv4", rounds), 0.1);
	report_ratio(results, "another port, by xdp-filter's with ports alone",
		     other / median_of("xdp-filter, ports: another port, IPv4", rounds), 0.1);
	report_ratio(results, "peer, largest by smallest, IPv4 hosts",
		     growth(true, PEERS_HOSTS, rounds), 1.3);
	report_ratio(results, "peer, largest by smallest, IPv6 hosts",
		     growth(false, PEERS_HOSTS, rounds), 1.3);
	report_ratio(results, "peer, largest by smallest, IPv4 prefixes",
		     growth(true, PEERS_MIXED, rounds), 1.3);
	report_ratio(results, "peer, largest by smallest, IPv6 prefixes",
		     growth(false, PEERS_MIXED, rounds), 1.3);
}

static void report_all(json_t *results, size_t rounds, double empty_ns)
{
	const char *group = NULL;

	printf("%zu rounds of %d frames a case, interleaved; an empty program takes %.1f ns\n\n",
	       rounds, REPEAT, empty_ns);
	printf("%-48s%8s%8s%8s%15s\n", "ns a frame over an empty program", "median", "25 %", "75 %",
	       "target");
	for (size_t i = 0; i < bench_case_count; i++) {
		struct result result;

		if (!bench_cases[i].group)
			continue;
		if (group && group != bench_cases[i].group)
			printf("\n");
		group = bench_cases[i].group;
		result = case_result(&bench_cases[i], rounds);
		report(results, &result, "ns");
	}
	printf("\n");
	report_ratios(results, rounds);
}

static void write_json(const char *path, json_t *results, size_t rounds, double empty_ns)
{
	struct utsname host;
	json_t *all;

	uname(&host);
	all = json_pack("{s:s, s:s, s:I, s:i, s:f, s:O}", "kernel", host.release, "machine",
			host.machine, "rounds", (json_int_t)rounds, "frames_a_round", REPEAT,
			"empty_ns", empty_ns, "results", results);
	if (!all || json_dump_file(all, path, JSON_INDENT(1) | JSON_REAL_PRECISION(4)))
		err(1, "%s", path);
	json_decref(all);
}

static _Noreturn void usage(void)
{
	errx(2, "usage: bench [--json FILE] [ROUNDS [PART OF A CASE'S NAME]], ROUNDS at least 3, "
		"as root");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"json", required_argument, NULL, 'j'}, {}};
	const char *json_path = NULL, *part = NULL;
	size_t rounds = ROUNDS_DEFAULT;
	json_t *results = json_array();
	double *empty_ns, empty;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			usage();
		json_path = optarg;
	}
	if (optind < argc)
		rounds = (size_t)atoi(argv[optind]);
	if (optind + 1 < argc)
		part = argv[optind + 1];
	if (rounds < 3 || rounds > 100000)
		usage();
	empty_ns = calloc(rounds, sizeof(*empty_ns));
	if (!empty_ns || !results)
		err(1, "samples");
	open_cases(part, rounds);
	run_rounds(rounds, empty_ns);
	empty = quantile(empty_ns, rounds, 0.5);
	report_all(results, rounds, empty);
	if (json_path)
		write_json(json_path, results, rounds, empty);
	json_decref(results);
	return 0;
}
