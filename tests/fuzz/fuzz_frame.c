// SPDX-License-Identifier: BSD-2-Clause
/*
 * Frames through the three readers (bpf/frame_flat.h, bpf/frame.h) and through the reference. The
 * first byte says whether there is an Ethernet header, the second where the first buffer ends.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/reference.h"
#include "tests/unit/native_frame.h"

struct frame {
	const uint8_t *bytes;
	size_t size;
	bool ethernet;
};

/* Both parts in buffers that end where they end. */
static enum shape parse(const struct frame *frame, size_t near, struct view *view, bool *leads_on)
{
	char *first = exact_copy(frame->bytes, near);
	char *rest = exact_copy(frame->bytes + near, frame->size - near);
	struct frame_source source = {.data = first,
				      .data_end = first + near,
				      .far = rest,
				      .far_size = (__u32)(frame->size - near)};
	enum shape shape;

	memset(view, 0, sizeof(*view));
	shape = frame_parse(&source, frame->ethernet, view);
	*leads_on = shape == SHAPE_TCP && frame_leads_on(&source, view);
	free(first);
	free(rest);
	return shape;
}

static void compare(const struct frame *frame, enum shape shape, const struct view *view)
{
	const struct reference reference = reference_read(frame->bytes, frame->size,
							  frame->ethernet);

	DEMAND(shape == reference.shape);
	DEMAND(view->vlan == reference.vlan);
	DEMAND(view->has_source == (reference.version != 0));
	DEMAND(view->ipv4 == (reference.version == 4));
	DEMAND(!memcmp(view->source, reference.source, 16));
	DEMAND(!memcmp(view->destination, reference.destination, 16));
	DEMAND(frame_ntohs(view->source_port) == reference.source_port);
	DEMAND(frame_ntohs(view->destination_port) == reference.destination_port);
	DEMAND(view->tcp_flags == reference.flags);
	DEMAND(view->payload == reference.payload);
}

/* That a frame of common shape is found again by its word, as the filter hands it on. */
static void compare_found(const char *bytes, const struct frame *frame, const struct common *common)
{
	struct common again = {};

	DEMAND(common_find(bytes, bytes + frame->size, COMMON_WORD(bytes, common, frame->ethernet),
			   &again));
	DEMAND(again.ip == common->ip && again.tcp == common->tcp);
	DEMAND(again.ipv4 == common->ipv4 && again.vlan == common->vlan);
}

static void compare_common(const struct frame *frame, enum shape shape, const struct view *view)
{
	char *bytes = exact_copy(frame->bytes, frame->size);
	struct common common = {};
	const enum shape found = frame_common(bytes, bytes + frame->size, frame->ethernet, &common);
	struct view seen;

	if (found != SHAPE_UNCOMMON) {
		DEMAND(found == shape);
		DEMAND(common.vlan == view->vlan);
	}
	if (found == SHAPE_TCP) {
		compare_found(bytes, frame, &common);
		memset(&seen, 0, sizeof(seen));
		common_view(&common, &seen);
		seen.has_source = view->has_source;
		seen.payload = common_has_payload(&common);
		seen.ip_behind = view->ip_behind; /* the short path does not tell */
		DEMAND(!memcmp(&seen, view, sizeof(seen)));
	}
	free(bytes);
}

/* Of what is uncommon, too: the reader of a few extension headers. */
static void compare_chain(const struct frame *frame, enum shape shape, const struct view *view)
{
	char *bytes = exact_copy(frame->bytes, frame->size);
	struct common common = {};
	const enum shape found = frame_chain(bytes, bytes + frame->size, frame->ethernet, &common);

	if (found != SHAPE_UNCOMMON) {
		DEMAND(found == shape);
		DEMAND(common.vlan == view->vlan);
	}
	if (found == SHAPE_TCP)
		DEMAND(common.tcp->destination_port == view->destination_port);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view view, split;
	struct frame frame;
	bool leads_on, split_leads_on;
	enum shape shape;

	if (size < 2)
		return 0;
	frame = (struct frame){data + 2, size - 2, !(data[0] & 1)};
	shape = parse(&frame, frame.size, &view, &leads_on);
	compare(&frame, shape, &view);
	compare_common(&frame, shape, &view);
	compare_chain(&frame, shape, &view);
	DEMAND(parse(&frame, data[1] < frame.size ? data[1] : frame.size, &split,
		     &split_leads_on) == shape);
	DEMAND(!memcmp(&view, &split, sizeof(view)) && split_leads_on == leads_on);
	return 0;
}
