/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the hooks at which the filter meets a frame. The file of each hook
 * (filter_xdp.bpf.c) says what struct frame_source and these two are there, and defines what is
 * only declared here, and frame_read_far() of headers.h:
 *
 * CONTEXT_PASS, CONTEXT_DROP: what the program returns.
 */
#ifndef BEAMFENCE_CONTEXT_H
#define BEAMFENCE_CONTEXT_H

#include <linux/bpf.h>
#include <stdbool.h>

#include "view.h"

#if !defined(frame_source) || !defined(CONTEXT_PASS) || !defined(CONTEXT_DROP)
#error "the file of a hook includes this, behind what it says of its context"
#endif

/* The bytes in place: the front of the frame, or all of it. Contexts have them by one name. */
static __always_inline const void *context_data(const struct frame_source *context)
{
	return (const void *)(long)context->data;
}

static __always_inline const void *context_end(const struct frame_source *context)
{
	return (const void *)(long)context->data_end;
}

/* Bytes of the whole frame. @common: it is of common shape, so all its headers are in place. */
static __always_inline __u64 context_size(struct frame_source *context, const bool common);

/* The index of the interface that it came in by. */
static __always_inline __u32 context_interface(const struct frame_source *context);

/*
 * The VLAN of an outermost tag that is not among the bytes any more, or 0: there is none, or it has
 * no ID. Reading begins with it.
 */
static __always_inline __u16 context_vlan(const struct frame_source *context);

/* Parts of include/net/netfilter/nf_conntrack*.h: found by BTF, so the kernel may have moved them.
 */
struct nf_conn {
	unsigned long status;
} __attribute__((preserve_access_index));

struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

/* What the connection tracker knows of a segment, to be given back by bpf_ct_release(); or NULL. */
static __always_inline struct nf_conn *context_tracked(struct frame_source *context,
						       struct bpf_sock_tuple *tuple,
						       const __u32 tuple_size,
						       struct bpf_ct_opts *options);

#endif
