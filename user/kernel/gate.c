// SPDX-License-Identifier: BSD-2-Clause
/* The gate in the TCP stack: where the kernel has it, the listener watch comes with it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/pins.h"

#include "gate.skel.h"

static void cleanup_gate(struct gate **gate)
{
	gate__destroy(*gate);
}

static int share(struct bpf_map *map, const struct bpf_map *with)
{
	return bpf_map__reuse_fd(map, bpf_map__fd(with));
}

int gate_start(struct fence *fence)
{
	_cleanup_(cleanup_gate) struct gate *gate = gate__open();
	_cleanup_close_ int link = -1;
	int code;

	if (!gate)
		return -errno;
	gate->rodata->namespace_inode = fence->watch->rodata->namespace_inode;
	code = share(gate->maps.bss, fence->live->maps.bss);
	if (!code)
		code = share(gate->maps.counters, fence->live->maps.counters);
	if (!code)
		code = share(gate->maps.peers, fence->live->maps.peers);
	if (!code)
		code = share(gate->maps.sieves, fence->live->maps.sieves);
	if (!code)
		code = share(gate->maps.bindings, fence->live->maps.bindings);
	if (!code)
		code = share(gate->maps.listeners, fence->watch->maps.listeners);
	if (!code)
		code = gate__load(gate);
	if (code)
		return code;
	fence_spare_skeleton(gate->skeleton, gate->bss);
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(gate->progs.gate));
	return link < 0 ? -errno : pin_replace(fence->pin_dir, link, PIN_GATE, fence->succeeding);
}
