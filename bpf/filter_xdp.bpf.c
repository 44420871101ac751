// SPDX-License-Identifier: GPL-2.0-only
/* The filter at XDP: where the driver, or the kernel for it, has a frame before anybody else. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#define frame_source xdp_md
#define CONTEXT_PASS XDP_PASS
#define CONTEXT_DROP XDP_DROP
#include "filter.h"

/* Set before loading: attached with BPF_F_XDP_HAS_FRAGS, Linux 5.18 and later. */
const volatile bool multi_buffer;

static __always_inline bool frame_read_far(struct xdp_md *context, __u32 offset, void *to,
					   __u32 size)
{
	return multi_buffer && !bpf_xdp_load_bytes(context, offset, to, size);
}

/*
 * Drivers fill one buffer before they begin the next, so a short one with all headers is all there
 * is, and the kernel need not be asked.
 */
#define FIRST_BUFFER_MIN 256

static __always_inline __u64 context_size(struct xdp_md *context, const bool common)
{
	const __u64 size = context->data_end - context->data;

	if (!multi_buffer || (common && size < FIRST_BUFFER_MIN))
		return size;
	return bpf_xdp_get_buff_len(context);
}

static __always_inline __u32 context_interface(const struct xdp_md *context)
{
	return context->ingress_ifindex;
}

/* Tags are where the sender put them: a device that would take them out is told not to. */
static __always_inline __u16 context_vlan(const struct xdp_md *context)
{
	(void)context;
	return 0;
}

/* Linux 5.18 and later, with nf_conntrack built in or loaded. */
extern struct nf_conn *bpf_xdp_ct_lookup(struct xdp_md *context, struct bpf_sock_tuple *tuple,
					 __u32 tuple_size, struct bpf_ct_opts *options,
					 __u32 options_size) __ksym __weak;

static __always_inline struct nf_conn *context_tracked(struct xdp_md *context,
						       struct bpf_sock_tuple *tuple,
						       const __u32 tuple_size,
						       struct bpf_ct_opts *options)
{
	return bpf_xdp_ct_lookup(context, tuple, tuple_size, options, sizeof(*options));
}

/*
 * Two entries for each kind of interface: the agent loads the pair with the connection tracker
 * where the kernel has it (Linux 5.15 refuses a program that merely names such a function).
 */
SEC("xdp")
int filter_ethernet(struct xdp_md *context)
{
	return filter(context, true, false);
}

SEC("xdp")
int filter_ip(struct xdp_md *context)
{
	return filter(context, false, false);
}

SEC("xdp")
int filter_ethernet_ct(struct xdp_md *context)
{
	return filter(context, true, true);
}

SEC("xdp")
int filter_ip_ct(struct xdp_md *context)
{
	return filter(context, false, true);
}

char LICENSE[] SEC("license") = "GPL";
