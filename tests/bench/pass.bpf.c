// SPDX-License-Identifier: GPL-2.0-only
/* What XDP by itself costs an interface: passes everything, frames in several buffers too. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int pass(struct xdp_md *context)
{
	(void)context;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
