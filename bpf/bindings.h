/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Listeners that are reached at one address: what they protect is found by address and port. One at
 * a loopback address is there too, where no frame asks for it.
 */
#ifndef BEAMFENCE_BINDINGS_H
#define BEAMFENCE_BINDINGS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "contract_watch.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BINDINGS_MAX);
	__type(key, struct binding_key);
	__type(value, struct binding);
} bindings SEC(".maps");

/* @high, @low: an address as in struct view. */
static __always_inline struct binding *binding_find(__u64 high, __u64 low, __u16 port)
{
	struct binding_key key = {.port = port};
	const __u64 words[2] = {high, low};

	__builtin_memcpy(key.address, words, sizeof(key.address));
	return bpf_map_lookup_elem(&bindings, &key);
}

#endif
