// SPDX-License-Identifier: GPL-2.0-only
/*
 * Gives each frame another source before the program under test sees it: BPF_PROG_TEST_RUN repeats
 * one frame, and one peer of a million would always be in the cache.
 */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

#define SOURCE_OFFSET 26 /* of the IPv4 source address behind Ethernet */
#define FIRST	      0x0a000000u

const volatile __u32 sources = 1;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} next SEC(".maps");

SEC("xdp")
int shuffle(struct xdp_md *context)
{
	__u8 *data = (void *)(long)context->data;
	const void *end = (void *)(long)context->data_end;

	if ((const void *)(data + SOURCE_OFFSET + 4) <= end)
		*(__u32 *)(data + SOURCE_OFFSET) =
			__builtin_bswap32(FIRST + bpf_get_prandom_u32() % sources);
	bpf_tail_call(context, &next, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
