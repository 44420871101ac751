// SPDX-License-Identifier: BSD-2-Clause
/*
 * The corpus of the frame fuzzer through the real program: what is loaded has to read and judge
 * each frame as bpf/frame.h and bpf/verdict.h do natively, and as the reference decoder reads it.
 * The directories are those in BEAMFENCE_FRAMES, parted by colons, else the corpus that is kept.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/verdict.h"
#include "tests/bpf/harness.h"
#include "tests/fuzz/reference.h"
#include "tests/unit/native_frame.h"
#include "user/core/cleanup.h"

#define PLAIN_SLOT 1 /* harness.c's, for what has no other */
#define VLAN_SLOT  2
#define BASE	   1
#define ETHER_SIZE 14 /* that BPF_PROG_TEST_RUN wants at least */

/* An input of fuzz_frame.c: a byte for "without Ethernet", one for the end of the first buffer. */
struct input {
	const char *name;
	struct test_frame frame;
	size_t near;
	bool ethernet;
	enum shape shape; /* as read natively */
	struct view view;
	bool leads_on;
};

static struct harness harnesses[2]; /* by "with Ethernet" */
static bool cuts_buffers;
static unsigned int compared, of_shape[SHAPE_UNCOMMON];

#define DEMAND(input, condition) \
	cr_assert(condition, "%s (near %zu): not so: " #condition, (input)->name, (input)->near)

static bool on_port(enum shape shape)
{
	return shape == SHAPE_TCP || shape == SHAPE_FLAGS_TRUNCATED;
}

/* Natively, from buffers that end where the frame does, and by the reference. */
static void read_natively(struct input *input)
{
	struct test_frame *frame = &input->frame;
	const struct reference reference = reference_read(frame->bytes, frame->size,
							  input->ethernet);
	struct frame_source source = {.data = frame->bytes,
				      .data_end = frame->bytes + input->near,
				      .far = frame->bytes + input->near,
				      .far_size = (__u32)(frame->size - input->near)};

	input->view = (struct view){};
	input->shape = frame_parse(&source, input->ethernet, &input->view);
	input->leads_on = input->shape == SHAPE_TCP && frame_leads_on(&source, &input->view);
	DEMAND(input, input->shape == reference.shape);
	DEMAND(input, input->view.vlan == reference.vlan);
	DEMAND(input, frame_ntohs(input->view.destination_port) == reference.destination_port);
	DEMAND(input, input->view.tcp_flags == reference.flags);
	DEMAND(input, !memcmp(input->view.source, reference.source, 16));
}

/* The reason by bpf/verdict.h, in a namespace that has no sockets. */
static __u32 reason_natively(const struct input *input, enum zone zone, bool protected, bool peer)
{
	const struct facts facts = {
		.shape = input->shape,
		.zone = zone,
		.new_connection = (input->view.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN,
		.peer = peer ? FACT_YES : FACT_NO,
		.owner = input->leads_on ? OWNER_LISTENER : OWNER_NOBODY,
	};

	if (input->shape == SHAPE_NOT_TCP)
		return REASON_NOT_TCP;
	if (input->shape == SHAPE_LATER_FRAGMENT)
		return REASON_LATER_FRAGMENT;
	if (on_port(input->shape) && !protected)
		return REASON_OTHER_PORT;
	return verdict(&facts);
}

static struct harness *harness_for(const struct input *input)
{
	struct harness *harness = &harnesses[input->ethernet];

	harness->near = cuts_buffers && input->near >= ETHER_SIZE ? input->near : 0;
	return harness;
}

/* Has @port alone protected, or all but it. */
static void protect(struct tables *tables, __u16 port, bool alone)
{
	__u64 *suspects = tables->here.suspects[0];

	memset(suspects, alone ? 0 : 0xff, sizeof(tables->here.suspects[0]));
	suspects[port / 64] ^= 1ull << port % 64;
	memcpy(tables->policy[0].configured, suspects, sizeof(tables->here.suspects[0]));
}

/* What an event tells of a frame that is dropped is the view, and so may be compared in full. */
static void compare_event(struct harness *harness, const struct input *input, __u32 reason)
{
	const struct view *view = &input->view;
	struct event event;

	if (!reason_drops(reason)) {
		DEMAND(input, !harness_event(harness, &event));
		return;
	}
	DEMAND(input, harness_event(harness, &event));
	DEMAND(input, event.reason == reason);
	DEMAND(input, event.vlan == view->vlan);
	DEMAND(input, !memcmp(event.source, view->source, 16));
	DEMAND(input, !memcmp(event.destination, view->destination, 16));
	DEMAND(input, event.source_port == frame_ntohs(view->source_port));
	DEMAND(input, event.destination_port == frame_ntohs(view->destination_port));
	DEMAND(input, event.tcp_flags == view->tcp_flags);
	DEMAND(input, event.payload == (event.mode == MODE_AUDIT && view->payload));
	DEMAND(input, event.wire_size == input->frame.size);
}

static void expect(const struct input *input, enum zone zone, bool protected, bool peer)
{
	struct harness *harness = harness_for(input);
	const bool audit = harness->tables->policy[0].mode == MODE_AUDIT;
	const __u32 reason = reason_natively(input, zone, protected, peer);
	const struct outcome outcome = harness_run(harness, &input->frame);

	if (outcome.reason != reason)
		cr_assert_fail("%s (near %zu): natively shape %d, reason %u; loaded, reason %d",
			       input->name, harness->near, input->shape, reason, outcome.reason);
	DEMAND(input, outcome.slot == (input->view.vlan ? VLAN_SLOT : PLAIN_SLOT));
	DEMAND(input, (outcome.action == XDP_DROP) == (!audit && reason_drops(reason)));
	compare_event(harness, input, reason);
}

static void set_zone(struct harness *harness, const struct input *input, enum zone zone)
{
	memset(harness->tables->policy[0].slot_of[BASE], PLAIN_SLOT, VLAN_IDS);
	harness->tables->host.slots[PLAIN_SLOT].zone = (__u8)(input->view.vlan ? ZONE_NONE : zone);
	if (!input->view.vlan)
		return;
	harness->tables->policy[0].slot_of[BASE][input->view.vlan] = VLAN_SLOT;
	harness->tables->host.slots[VLAN_SLOT] = (struct slot){
		.ifindex = 1, .vlan = input->view.vlan, .zone = (__u8)zone, .used = 1};
}

/* Runs the frame with its source as a peer, or an address that differs from it in one bit. */
static void expect_with_peer(struct harness *harness, const struct input *input, bool near_miss,
			     bool peer)
{
	struct peer_key key = {.length = 128};

	memcpy(key.address, input->view.source, sizeof(key.address));
	if (near_miss)
		key.address[15 - input->frame.size % 4] ^= (uint8_t)(1 << input->frame.size % 7);
	harness_peer_key(harness, &key, ~0ull);
	expect(input, ZONE_CLUSTER, true, peer);
	harness_peer_key(harness, &key, 0);
}

static bool looks_mapped(const struct view *view)
{
	return !view->ipv4 && !view->source[0] && (__u32)view->source[1] == IPV4_MAPPED_HIGH_WORD;
}

static void compare(struct input *input)
{
	struct harness *harness = harness_for(input);
	struct policy_tables *policy = &harness->tables->policy[0];
	const __u16 port = frame_ntohs(input->view.destination_port);
	const bool source = input->view.has_source && !looks_mapped(&input->view);

	memset(policy->cluster_of, CLUSTER_ANY, sizeof(policy->cluster_of));
	protect(harness->tables, port, true);
	set_zone(harness, input, ZONE_CLIENT);
	policy->mode = MODE_AUDIT;
	expect(input, ZONE_CLIENT, true, false);
	policy->mode = MODE_ENFORCE;
	protect(harness->tables, port, false);
	expect(input, ZONE_CLIENT, false, false);
	protect(harness->tables, port, true);
	set_zone(harness, input, ZONE_CLUSTER);
	expect_with_peer(harness, input, false, source);
	expect_with_peer(harness, input, true, false);
	of_shape[input->shape]++;
	compared++;
}

static void take(const char *path, const char *name)
{
	static struct input input;
	static uint8_t bytes[FRAME_SIZE_MAX + 2];
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	size_t size;

	cr_assert(file, "%s: %s", path, strerror(errno));
	size = fread(bytes, 1, sizeof(bytes), file);
	if (size < 2 + ETHER_SIZE)
		return; /* such cannot be run, and hold no IP header */
	input = (struct input){.name = name, .ethernet = !(bytes[0] & 1)};
	input.frame.size = size - 2;
	input.near = bytes[1] < input.frame.size ? bytes[1] : input.frame.size;
	memcpy(input.frame.bytes, bytes + 2, input.frame.size);
	read_natively(&input);
	compare(&input);
	input.near = input.frame.size;
	read_natively(&input);
	compare(&input);
}

static void take_directory(const char *directory)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	char path[4096];

	cr_assert(entries, "%s: %s", directory, strerror(errno));
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		take(path, entry->d_name);
	}
	closedir(entries);
}

/* Events are kept by CPU. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(0, &one);
	cr_assert_eq(sched_setaffinity(0, sizeof(one), &one), 0);
}

Test(agreement, the_loaded_program_reads_and_judges_the_fuzzers_frames_like_the_native_code)
{
	const struct prefix_lengths whole = {.count = 1, .masks = {{~0ull, ~0ull, 128, 0}}};
	const char *given = getenv("BEAMFENCE_FRAMES");
	char directories[4096], *rest = directories;
	const char *directory;

	snprintf(directories, sizeof(directories), "%s", given ? given : "tests/fuzz/corpus/frame");
	stay_on_one_cpu();
	for (int ethernet = 0; ethernet < 2; ethernet++) {
		harness_open(&harnesses[ethernet], ethernet);
		harness_events(&harnesses[ethernet], EVENTS_ALL, 0, UINT32_MAX);
		harnesses[ethernet].tables->policy[0].ipv4_lengths = whole;
		harnesses[ethernet].tables->policy[0].ipv6_lengths = whole;
	}
	cuts_buffers = harness_cuts_buffers(&harnesses[1]);
	while ((directory = strsep(&rest, ":")))
		take_directory(directory);
	fprintf(stderr, "%u frames, first buffers %s; by shape:", compared,
		cuts_buffers ? "cut" : "whole (the kernel cuts none: before Linux 6.18)");
	for (int shape = 0; shape < SHAPE_UNCOMMON; shape++)
		fprintf(stderr, " %u", of_shape[shape]);
	fprintf(stderr, "\n");
	for (int shape = 0; shape < SHAPE_UNCOMMON; shape++)
		cr_expect_gt(of_shape[shape], 0, "no frame of shape %d", shape);
	harness_close(&harnesses[0]);
	harness_close(&harnesses[1]);
}
