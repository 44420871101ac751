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

int gate_start(struct fence *fence)
{
	const struct map_fds maps = own_maps(fence);
	_cleanup_(cleanup_gate) struct gate *gate = gate__open();
	_cleanup_close_ int link = -1;
	int code;

	if (!gate)
		return -errno;
	gate->rodata->namespace_inode = fence->watch->rodata->namespace_inode;
	code = maps_share(&maps, gate->obj);
	if (!code)
		code = gate__load(gate);
	if (code)
		return code;
	fence_spare_skeleton(gate->skeleton, gate->bss);
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(gate->progs.gate));
	return link < 0 ? -errno : pin_replace(fence->pin_dir, link, PIN_GATE, fence->succeeding);
}
