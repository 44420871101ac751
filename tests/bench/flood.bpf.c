// SPDX-License-Identifier: GPL-2.0-only
/* Sends each frame on its way; see flood.c. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

#define SOURCE_OFFSET 26 /* of the IPv4 source address: nobody checks the sum of its header */

const volatile __u32 interface;
const volatile bool many;

SEC("xdp")
int flood(struct xdp_md *context)
{
	__u8 *data = (void *)(long)context->data;
	const void *end = (void *)(long)context->data_end;

	if (many && (const void *)(data + SOURCE_OFFSET + 4) <= end)
		*(__u32 *)(data + SOURCE_OFFSET) = bpf_get_prandom_u32();
	return (int)bpf_redirect(interface, 0);
}

char LICENSE[] SEC("license") = "GPL";
