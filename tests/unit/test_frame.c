// SPDX-License-Identifier: BSD-2-Clause
/* The two readers of frames: they agree with each other, and wherever a buffer ends. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/bpf/frames.h"
#include "tests/seed.h"
#include "tests/unit/native_frame.h"

#define ROUNDS 200000

static unsigned int seed;

static unsigned int any(unsigned int below)
{
	return (unsigned int)rand_r(&seed) % below;
}

static void random_headers(struct test_frame *frame)
{
	static const uint8_t kinds[] = {0, 43, 60, 135, 139, 140};

	for (unsigned int i = any(4); i > 0; i--) {
		if (any(5) == 0)
			frame_ipv6_fragment(frame, any(3) * 8, any(2));
		else if (any(5) == 0)
			frame_ah(frame, 3 + any(4));
		else
			frame_extension(frame, kinds[any(sizeof(kinds))], 1 + any(3));
	}
}

/* Mostly sound, sometimes damaged, sometimes cut. */
static void random_frame(struct test_frame *frame, bool ethernet)
{
	if (ethernet)
		frame_ethernet(frame);
	else
		frame_begin(frame);
	for (unsigned int i = ethernet ? any(6) : 0; i > 0 && any(2); i--)
		frame_tag(frame, any(2) ? 0x8100 : 0x88a8, (uint16_t)any(3));
	if (any(2)) {
		frame_ipv4(frame, "192.0.2.1", "192.0.2.2");
		if (any(3) == 0)
			frame_ipv4_options(frame, 4 * (1 + any(10)));
		if (any(4) == 0)
			frame_ipv4_fragment(frame, 8 * any(3), any(2));
	} else {
		frame_ipv6(frame, "2001:db8::1", "2001:db8::2");
		if (any(2))
			random_headers(frame);
	}
	if (any(4))
		frame_tcp(frame, (uint16_t)any(65536), (uint16_t)any(65536), (uint8_t)any(256));
	else
		frame_udp(frame, 1, 2);
	frame_end(frame);
	for (unsigned int i = any(4) ? 0 : any(3); i > 0; i--)
		frame->bytes[any((unsigned int)frame->size)] = (uint8_t)any(256);
	if (any(4) == 0)
		frame->size = any((unsigned int)frame->size + 1);
}

/* By its word alone, and with the source that the view has. */
static void check_found_again(const struct frame_source *source, bool ethernet,
			      const struct common *common, const struct view *view)
{
	struct common again = {};
	__u64 address[2];

	cr_assert(common_find(source->data, source->data_end,
			      COMMON_WORD(source->data, common, ethernet), &again));
	cr_assert_eq(again.ip, common->ip);
	cr_assert_eq(again.tcp, common->tcp);
	cr_assert_eq(again.ipv4, common->ipv4);
	cr_assert_eq(again.vlan, common->vlan);
	common_source(&again, address);
	cr_assert_eq(memcmp(address, view->source, sizeof(address)), 0);
}

Test(frame, the_short_path_and_the_full_reader_agree)
{
	static struct test_frame frame;
	unsigned int common_count = 0, tcp_count = 0;

	seed = test_seed();
	for (int i = 0; i < ROUNDS; i++) {
		const bool ethernet = any(4);
		struct common common = {};
		struct view view = {};
		struct frame_source source;
		enum shape shape, short_shape;

		random_frame(&frame, ethernet);
		source = (struct frame_source){.data = frame.bytes,
					       .data_end = frame.bytes + frame.size};
		shape = frame_parse(&source, ethernet, &view);
		short_shape = frame_common(source.data, source.data_end, ethernet, &common);
		if (short_shape == SHAPE_UNCOMMON)
			continue;
		common_count++;
		cr_assert_eq(short_shape, shape, "frame %d: %d and %d", i, short_shape, shape);
		cr_assert_eq(common.vlan, view.vlan, "frame %d", i);
		if (shape != SHAPE_TCP)
			continue;
		tcp_count++;
		cr_assert_eq(common.tcp->destination_port, view.destination_port, "frame %d", i);
		check_found_again(&source, ethernet, &common, &view);
	}
	cr_expect_gt(common_count, ROUNDS / 10, "only %u frames of common shape", common_count);
	cr_expect_gt(tcp_count, ROUNDS / 20, "only %u of them TCP", tcp_count);
}

Test(frame, the_reader_of_usual_ipv6_headers_and_the_full_reader_agree)
{
	static struct test_frame frame;
	unsigned int tcp_count = 0;

	seed = test_seed();
	for (int i = 0; i < ROUNDS; i++) {
		const bool ethernet = any(4);
		struct common common = {};
		struct view view = {};
		struct frame_source source;
		enum shape shape, chain_shape;

		random_frame(&frame, ethernet);
		source = (struct frame_source){.data = frame.bytes,
					       .data_end = frame.bytes + frame.size};
		shape = frame_parse(&source, ethernet, &view);
		chain_shape = frame_chain(source.data, source.data_end, ethernet, &common);
		if (chain_shape == SHAPE_UNCOMMON)
			continue;
		cr_assert_eq(chain_shape, shape, "frame %d: %d and %d", i, chain_shape, shape);
		cr_assert_eq(common.vlan, view.vlan, "frame %d", i);
		if (shape != SHAPE_TCP)
			continue;
		tcp_count++;
		cr_assert_eq(common.tcp->destination_port, view.destination_port, "frame %d", i);
	}
	cr_expect_gt(tcp_count, ROUNDS / 20, "only %u of them TCP", tcp_count);
}

Test(frame, where_the_first_buffer_ends_makes_no_difference)
{
	static struct test_frame frame;

	seed = test_seed();
	for (int i = 0; i < ROUNDS; i++) {
		const bool ethernet = any(4);
		struct view whole_view = {}, split_view = {};
		struct frame_source whole, split;
		size_t near;

		random_frame(&frame, ethernet);
		near = any((unsigned int)frame.size + 1);
		whole = (struct frame_source){.data = frame.bytes,
					      .data_end = frame.bytes + frame.size};
		split = (struct frame_source){.data = frame.bytes,
					      .data_end = frame.bytes + near,
					      .far = frame.bytes + near,
					      .far_size = (__u32)(frame.size - near)};
		cr_assert_eq(frame_parse(&whole, ethernet, &whole_view),
			     frame_parse(&split, ethernet, &split_view), "frame %d cut at %zu", i,
			     near);
		cr_assert_eq(memcmp(&whole_view, &split_view, sizeof(whole_view)), 0);
	}
}

/* One that the kernel took out of the frame, as at hooks behind XDP; 0: it has no ID. */
static void check_given_tag(__u16 given, unsigned int tags, __u16 expected)
{
	static struct test_frame frame;
	struct common common = {.vlan = given}, chain = {.vlan = given};
	struct view view = {.vlan = given};
	struct frame_source source;

	frame_ethernet(&frame);
	for (unsigned int i = 0; i < tags; i++)
		frame_tag(&frame, 0x8100, (uint16_t)(200 + i));
	frame_ipv6(&frame, "2001:db8::1", "2001:db8::2");
	frame_end(frame_tcp(&frame, 40000, 4369, FLAG_SYN));
	source = (struct frame_source){.data = frame.bytes, .data_end = frame.bytes + frame.size};
	cr_assert_eq(frame_parse(&source, true, &view), SHAPE_TCP);
	cr_assert_eq(frame_common(source.data, source.data_end, true, &common), SHAPE_TCP);
	cr_assert_eq(frame_chain(source.data, source.data_end, true, &chain), SHAPE_TCP);
	cr_expect_eq(view.vlan, expected, "%u, not %u", view.vlan, expected);
	cr_expect_eq(common.vlan, expected, "%u, not %u", common.vlan, expected);
	cr_expect_eq(chain.vlan, expected, "%u, not %u", chain.vlan, expected);
}

Test(frame, a_tag_that_is_given_is_outside_those_in_the_frame)
{
	check_given_tag(100, 0, 100);
	check_given_tag(100, 1, 100);
	check_given_tag(100, 2, 100);
	check_given_tag(0, 1, 200);
}

/* Each prefix of a frame ends in a page that must not be read: ASan would tell. */
Test(frame, nothing_past_the_end_is_read)
{
	static struct test_frame frame;

	seed = test_seed();
	for (int i = 0; i < 2000; i++) {
		const bool ethernet = any(4);

		random_frame(&frame, ethernet);
		for (size_t size = 0; size <= frame.size; size++) {
			uint8_t *copy = malloc(size ? size : 1);
			struct frame_source source = {.data = copy, .data_end = copy + size};
			struct common common = {};
			struct view view = {};

			memcpy(copy, frame.bytes, size);
			frame_parse(&source, ethernet, &view);
			frame_common(source.data, source.data_end, ethernet, &common);
			frame_chain(source.data, source.data_end, ethernet, &common);
			free(copy);
		}
	}
}
