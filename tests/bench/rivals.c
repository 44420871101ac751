// SPDX-License-Identifier: BSD-2-Clause
/* The programs that the filter is measured over and beside. */
#include <err.h>
#include <unistd.h>

#include "empty.skel.h"
#include "floor.skel.h"
#include "shuffle.skel.h"
#include "tests/bench/cases.h"

#define XDP_HAS_FRAGS	(1u << 5)
/* Flags of xdp-filter for a port: source, destination, TCP, UDP. */
#define XDP_FILTER_PORT 0xfull

static int load_floor(void)
{
	struct floor *floor = floor__open();

	if (!floor)
		err(1, "floor");
	floor->rodata->closed_port = __builtin_bswap16(EPMD_PORT);
	if (floor__load(floor))
		err(1, "floor");
	return bpf_program__fd(floor->progs.floor_filter);
}

/* The object that xdp-filter loads for "load --policy allow", with EPMD's port in its table. */
static int load_xdp_filter(const char *name)
{
	static const char *const directories[] = {"/usr/lib/" MULTIARCH "/bpf", "/usr/lib/bpf",
						  "/usr/lib64/bpf"};
	const uint32_t port = __builtin_bswap16(EPMD_PORT);
	struct bpf_object *object = NULL;
	struct bpf_program *program;
	struct bpf_map *map;
	uint64_t *values;
	char path[256];

	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]) && !object; i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		if (access(path, R_OK) == 0)
			object = bpf_object__open(path);
	}
	if (!object)
		return -1;
	bpf_object__for_each_map(map, object) bpf_map__set_pin_path(map, NULL);
	if (bpf_object__load(object))
		err(1, "%s", path);
	map = bpf_object__find_map_by_name(object, "filter_ports");
	values = calloc((size_t)libbpf_num_possible_cpus(), sizeof(*values));
	if (!map || !values)
		err(1, "%s: filter_ports", path);
	for (int i = 0; i < libbpf_num_possible_cpus(); i++)
		values[i] = XDP_FILTER_PORT;
	if (bpf_map_update_elem(bpf_map__fd(map), &port, values, BPF_ANY))
		err(1, "%s: filter_ports", path);
	free(values);
	program = bpf_object__next_program(object, NULL);
	return program ? bpf_program__fd(program) : -1;
}

int rival_program(enum rival rival)
{
	static int programs[RIVAL_COUNT];

	if (programs[rival])
		return programs[rival];
	switch (rival) {
	case RIVAL_FLOOR:
		return programs[rival] = load_floor();
	case RIVAL_XDP_FILTER_PORTS:
		return programs[rival] = load_xdp_filter("xdpfilt_alw_tcp.o");
	case RIVAL_XDP_FILTER_ALL:
		return programs[rival] = load_xdp_filter("xdpfilt_alw_all.o");
	default:
		return -1;
	}
}

/* With the flag of the filter, because a table of programs holds none that differ in it. */
int empty_program(void)
{
	static struct empty *empty;

	if (!empty) {
		empty = empty__open();
		if (!empty)
			err(1, "empty");
		bpf_program__set_flags(empty->progs.empty, XDP_HAS_FRAGS);
		if (empty__load(empty))
			err(1, "empty");
	}
	return bpf_program__fd(empty->progs.empty);
}

int shuffled_program(int program, uint32_t sources)
{
	struct shuffle *shuffle = shuffle__open();
	const uint32_t index = 0;

	if (!shuffle)
		err(1, "shuffle");
	bpf_program__set_flags(shuffle->progs.shuffle, XDP_HAS_FRAGS);
	shuffle->rodata->sources = sources;
	if (shuffle__load(shuffle) ||
	    bpf_map_update_elem(bpf_map__fd(shuffle->maps.next), &index, &program, BPF_ANY))
		err(1, "shuffle");
	return bpf_program__fd(shuffle->progs.shuffle);
}
