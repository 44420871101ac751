// SPDX-License-Identifier: BSD-2-Clause
/*
 * oracle: does any frame that this kernel's TCP would hand to a protected listener get through the
 * filter, and is any other frame lost? Ends with the counts. Exit status: 0 no finding, 1
 * findings, 2 the oracle itself could not work.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../bpf/contract.h"
#include "tests/oracle/compare.h"

#define FINDINGS_SHOWN 20

struct tally_of_shape {
	uint64_t groups, listener, elsewhere, dropped;
};

struct oracle {
	struct world worlds[WORLDS];
	uint64_t seed, wanted_frames;
	const char *object, *save, *replay;
	bool stop_at_first;
	uint32_t identification;
	uint64_t frames, groups, standing_in;
	uint64_t findings[FINDING_COUNT], unrepeated, unread, nobody;
	uint64_t reasons[COUNTER_REASONS];
	struct tally_of_shape total, shapes[FEATURE_COUNT];
	struct group group;
};

static const char *const usage =
	"usage: oracle [OPTION]...\n"
	"  --frames N      about how many frames (100000)\n"
	"  --seed N        what they are drawn from (1)\n"
	"  --object FILE   the filter (build/filter_xdp.bpf.o)\n"
	"  --save DIR      write each finding there, shrunk, as a regression frame\n"
	"  --replay DIR    only the regression frames of that directory\n"
	"  --stop          end at the first finding\n";

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool delivered_elsewhere(const struct deliveries *open)
{
	return open->other || open->tcp_other || open->outbound > open->outbound_syn;
}

static void add_to(struct tally_of_shape *shape, const struct outcome *outcome)
{
	shape->groups++;
	shape->listener += outcome->open.listener != 0;
	shape->elsewhere += delivered_elsewhere(&outcome->open);
	shape->dropped += outcome->dropped != 0;
}

static void record(struct oracle *oracle, const struct outcome *outcome)
{
	const struct group *group = &oracle->group;

	oracle->groups++;
	oracle->frames += group->full.count;
	oracle->standing_in += group->stand_in;
	oracle->unread += outcome->unread;
	oracle->nobody += outcome->nobody;
	add_to(&oracle->total, outcome);
	for (uint32_t i = 0; i < FEATURE_COUNT; i++)
		if (group->features >> i & 1)
			add_to(&oracle->shapes[i], outcome);
	for (uint32_t i = 0; outcome->reasons && i < COUNTER_REASONS; i++)
		oracle->reasons[i] += outcome->reasons >> i & 1;
}

static enum finding try_group(struct oracle *oracle, uint64_t index, uint32_t suppressed,
			      struct outcome *outcome)
{
	generate(&oracle->group, oracle->seed, index, suppressed, ++oracle->identification);
	compare(oracle->worlds, &oracle->group, outcome);
	return outcome->finding;
}

/* Leaves out whatever the finding does not need; oracle->group is the smallest that shows it. */
static void shrink(struct oracle *oracle, uint64_t index, enum finding finding)
{
	uint32_t suppressed = 0;
	struct outcome outcome;

	for (uint32_t i = 0; i < FEATURE_COUNT; i++)
		if (try_group(oracle, index, suppressed | 1u << i, &outcome) == finding)
			suppressed |= 1u << i;
	try_group(oracle, index, suppressed, &outcome);
}

static void write_frames(FILE *file, const char *prefix, const struct frames *frames)
{
	for (uint32_t i = 0; i < frames->count; i++) {
		fputs(prefix, file);
		for (uint32_t j = 0; j < frames->frames[i].size; j++)
			fprintf(file, "%02x", frames->frames[i].bytes[j]);
		fputc('\n', file);
	}
}

static void save(const struct oracle *oracle, uint64_t index, enum finding finding)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%" PRIu64 "-%" PRIu64, oracle->save, oracle->seed, index);
	file = fopen(path, "we");
	if (!file)
		err(2, "%s", path);
	fprintf(file, "# %s\n#", finding_text(finding));
	for (uint32_t i = 0; i < FEATURE_COUNT; i++)
		if (oracle->group.features >> i & 1)
			fprintf(file, " %s;", feature_name((enum feature)i));
	fputc('\n', file);
	write_frames(file, "", &oracle->group.full);
	if (oracle->group.stand_in)
		write_frames(file, "plain ", &oracle->group.plain);
	fclose(file);
}

static void report(struct oracle *oracle, uint64_t index, enum finding finding)
{
	uint64_t shown = 0;

	for (uint32_t i = 1; i < FINDING_COUNT; i++)
		shown += oracle->findings[i];
	if (shown > FINDINGS_SHOWN)
		return;
	shrink(oracle, index, finding);
	printf("finding: %s (seed %" PRIu64 ", group %" PRIu64 "):", finding_text(finding),
	       oracle->seed, index);
	for (uint32_t i = 0; i < FEATURE_COUNT; i++)
		if (oracle->group.features >> i & 1)
			printf(" %s;", feature_name((enum feature)i));
	fputc('\n', stdout);
	write_frames(stdout, "  ", &oracle->group.full);
	if (oracle->save)
		save(oracle, index, finding);
}

/* A finding must show again with a fresh identification: fragments of another group may interfere.
 */
static void check(struct oracle *oracle, uint64_t index)
{
	struct outcome outcome, again;
	const enum finding finding = try_group(oracle, index, 0, &outcome);

	record(oracle, &outcome);
	if (finding == FINDING_NONE)
		return;
	if (try_group(oracle, index, 0, &again) != finding) {
		oracle->unrepeated++;
		printf("once, and not when sent again: %s (seed %" PRIu64 ", group %" PRIu64 ")\n",
		       finding_text(finding), oracle->seed, index);
		return;
	}
	oracle->findings[finding]++;
	report(oracle, index, finding);
}

static uint64_t finding_count(const struct oracle *oracle)
{
	uint64_t count = 0;

	for (uint32_t i = 1; i < FINDING_COUNT; i++)
		count += oracle->findings[i];
	return count;
}

static void print_shape(const char *name, const struct tally_of_shape *shape)
{
	printf("  %-42s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n", name,
	       shape->groups, shape->listener, shape->elsewhere, shape->dropped);
}

static void print_result(const struct oracle *oracle, double seconds)
{
	static const char *const reasons[] = {
#define REASON_NAME(id, name, verdict, text) name,
		REASONS(REASON_NAME)
#undef REASON_NAME
	};

	printf("seed %" PRIu64 ": %" PRIu64 " packets in %" PRIu64 " frames, %.0f s, %.0f frames a "
	       "second\n",
	       oracle->seed, oracle->groups, oracle->frames, seconds,
	       (double)oracle->frames / seconds);
	printf("  %-42s %10s %10s %10s %10s\n", "packets with", "sent", "listener", "elsewhere",
	       "dropped");
	print_shape("anything", &oracle->total);
	for (uint32_t i = 0; i < FEATURE_COUNT; i++)
		print_shape(feature_name((enum feature)i), &oracle->shapes[i]);
	printf("(sent; of these without the filter to a protected listener, and to anything else; "
	       "dropped by it)\ndropped for:");
	for (uint32_t i = 0; i < REASON_COUNT; i++)
		if (oracle->reasons[i])
			printf(" %s %" PRIu64 ";", reasons[i], oracle->reasons[i]);
	printf("\n%" PRIu64 " dropped packets would have been discarded by the stack as well, "
	       "%" PRIu64 " unreadable ones not\n%" PRIu64
	       " were judged by a stand-in without tags or authentication header\n",
	       oracle->nobody, oracle->unread, oracle->standing_in);
	if (oracle->unrepeated)
		printf("%" PRIu64 " packets looked wrong once and not when sent again\n",
		       oracle->unrepeated);
}

static void print_verdict(const struct oracle *oracle)
{
	printf("through: %" PRIu64 ", wrongly dropped: %" PRIu64 ", changed: %" PRIu64
	       ", judged differently: %" PRIu64 "\n",
	       oracle->findings[FINDING_THROUGH], oracle->findings[FINDING_LOST],
	       oracle->findings[FINDING_CHANGED], oracle->findings[FINDING_DISAGREE]);
}

static bool read_frame(struct frame *frame, const char *hex)
{
	unsigned int byte;

	for (frame->size = 0; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
		if (frame->size == FRAME_BYTES)
			return false;
		frame->bytes[frame->size++] = (uint8_t)byte;
	}
	return frame->size >= 14 && (!*hex || *hex == '\n');
}

static void read_group(struct group *group, const char *path)
{
	static const char plain[] = "plain ";
	char line[2 * FRAME_BYTES + 64];
	FILE *file = fopen(path, "re");

	if (!file)
		err(2, "%s", path);
	memset(group, 0, sizeof(*group));
	while (fgets(line, sizeof(line), file)) {
		const bool stand_in = !strncmp(line, plain, strlen(plain));
		struct frames *frames = stand_in ? &group->plain : &group->full;

		if (line[0] == '#')
			continue;
		if (frames->count == GROUP_FRAMES ||
		    !read_frame(&frames->frames[frames->count++],
				line + (stand_in ? strlen(plain) : 0)))
			errx(2, "%s: not frames in hexadecimal", path);
		group->stand_in |= stand_in;
	}
	fclose(file);
}

/* Every regression frame: each went wrong in a filter that had a fault. */
static void replay(struct oracle *oracle)
{
	struct dirent **entries;
	const int count = scandir(oracle->replay, &entries, NULL, alphasort);
	uint64_t stale = 0;

	if (count < 0)
		err(2, "%s", oracle->replay);
	for (int i = 0; i < count; i++) {
		struct outcome outcome;
		char path[4096];

		if (entries[i]->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", oracle->replay, entries[i]->d_name);
		read_group(&oracle->group, path);
		compare(oracle->worlds, &oracle->group, &outcome);
		record(oracle, &outcome);
		if (!outcome.open.tcp_protected && !delivered_elsewhere(&outcome.open)) {
			printf("%s: this host's stack discards it, so it shows nothing\n", path);
			stale++;
		}
		oracle->findings[outcome.finding]++;
		if (outcome.finding)
			printf("%s: %s\n", path, finding_text(outcome.finding));
		free(entries[i]);
	}
	free(entries);
	printf("%" PRIu64 " packets replayed in %" PRIu64 " frames\n", oracle->groups,
	       oracle->frames);
	if (stale)
		errx(2, "%" PRIu64 " regression frames are of no use", stale);
}

static void run(struct oracle *oracle)
{
	const double start = now();

	for (uint64_t index = 0; oracle->frames < oracle->wanted_frames; index++) {
		check(oracle, index);
		if (oracle->stop_at_first && finding_count(oracle))
			break;
	}
	print_result(oracle, now() - start);
}

static void read_arguments(struct oracle *oracle, int argc, char **argv)
{
	static const struct option options[] = {
		{"frames", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"object", required_argument, NULL, 'o'},
		{"save", required_argument, NULL, 'w'},
		{"replay", required_argument, NULL, 'r'},
		{"stop", no_argument, NULL, 'x'},
		{},
	};

	for (int option; (option = getopt_long(argc, argv, "", options, NULL)) >= 0;) {
		switch (option) {
		case 'n':
			oracle->wanted_frames = strtoull(optarg, NULL, 0);
			break;
		case 's':
			oracle->seed = strtoull(optarg, NULL, 0);
			break;
		case 'o':
			oracle->object = optarg;
			break;
		case 'w':
			oracle->save = optarg;
			break;
		case 'r':
			oracle->replay = optarg;
			break;
		case 'x':
			oracle->stop_at_first = true;
			break;
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static struct oracle oracle = {
		.seed = 1, .wanted_frames = 100000, .object = "build/filter_xdp.bpf.o"};

	read_arguments(&oracle, argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	world_make(&oracle.worlds[WORLD_OPEN], FILTER_NONE, NULL);
	world_make(&oracle.worlds[WORLD_NATIVE], FILTER_NATIVE, oracle.object);
	world_make(&oracle.worlds[WORLD_GENERIC], FILTER_GENERIC, oracle.object);
	if (oracle.replay)
		replay(&oracle);
	else
		run(&oracle);
	print_verdict(&oracle);
	return finding_count(&oracle) ? 1 : 0;
}
