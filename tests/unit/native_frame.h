/* SPDX-License-Identifier: BSD-2-Clause */
/* bpf/frame.h, built natively: what lies past the first buffer comes from a second one. */
#ifndef BEAMFENCE_TEST_NATIVE_FRAME_H
#define BEAMFENCE_TEST_NATIVE_FRAME_H

#include <string.h>

#include "bpf/frame.h"

static __always_inline bool frame_read_far(struct frame_source *source, __u32 offset, void *to,
					   __u32 size)
{
	const __u32 near = (__u32)((const char *)source->data_end - (const char *)source->data);

	for (__u32 i = 0; i < size; i++, offset++) {
		if (offset < near)
			((__u8 *)to)[i] = ((const __u8 *)source->data)[offset];
		else if (offset - near < source->far_size)
			((__u8 *)to)[i] = ((const __u8 *)source->far)[offset - near];
		else
			return false;
	}
	return true;
}

#endif
