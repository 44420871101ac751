// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose program is in the way. The name of a program and the link that holds it, by their numbers,
 * are system calls for CAP_SYS_ADMIN alone, which the agent does not have; an iterator may tell.
 */
#include <linux/bpf.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "kernel.h"

#define NAME_SIZE 16 /* BPF_OBJ_NAME_LEN */

struct bpf_prog_aux {
	__u32 id;
	char name[NAME_SIZE];
} KERNEL;

struct bpf_prog {
	struct bpf_prog_aux *aux;
} KERNEL;

struct bpf_link {
	__u32 id;
	enum bpf_link_type type;
	struct bpf_prog *prog;
} KERNEL;

struct net_device {
	int ifindex;
} KERNEL;

struct bpf_xdp_link {
	struct bpf_link link;
	struct net_device *dev;
} KERNEL;

struct bpf_iter__bpf_prog {
	struct bpf_iter_meta *meta;
	struct bpf_prog *prog;
} KERNEL;

struct bpf_iter__bpf_link {
	struct bpf_iter_meta *meta;
	struct bpf_link *link;
} KERNEL;

volatile const __u32 wanted_program;
volatile const __u32 wanted_ifindex;

SEC("iter/bpf_prog")
int find_program(struct bpf_iter__bpf_prog *context)
{
	struct bpf_prog *program = context->prog;
	char name[NAME_SIZE] = "";

	if (!program || BPF_CORE_READ(program, aux, id) != wanted_program)
		return 0;
	BPF_CORE_READ_STR_INTO(&name, program, aux, name);
	bpf_seq_write(context->meta->seq, name, sizeof(name));
	return 0;
}

/* Since Linux 5.19. */
SEC("?iter/bpf_link")
int find_link(struct bpf_iter__bpf_link *context)
{
	struct bpf_link *link = context->link;
	const struct bpf_xdp_link *xdp = (const struct bpf_xdp_link *)link;
	__u32 id;

	if (!link || BPF_CORE_READ(link, type) != BPF_LINK_TYPE_XDP ||
	    BPF_CORE_READ(link, prog, aux, id) != wanted_program ||
	    (__u32)BPF_CORE_READ(xdp, dev, ifindex) != wanted_ifindex)
		return 0;
	id = BPF_CORE_READ(link, id);
	bpf_seq_write(context->meta->seq, &id, sizeof(id));
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
