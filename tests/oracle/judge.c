// SPDX-License-Identifier: BSD-2-Clause
/* The filter as the agent loads it, from any object file: the oracle also tries faulty ones. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/oracle/oracle.h"

#include "../bpf/contract.h"

#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif
#define LOOPBACK 1 /* where explained frames come in: test runs know no TAP device */
#define BASE	 1
#define SLOT	 1

struct judge {
	struct bpf_object *live, *explaining;
	int live_program, explaining_program;
	struct tables *tables;
	volatile struct explanation *explanation;
};

static struct bpf_map *find_map(struct bpf_object *object, const char *suffix)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		const size_t size = strlen(name), wanted = strlen(suffix);

		if (size >= wanted && !strcmp(name + size - wanted, suffix))
			return map;
	}
	errx(2, "the filter has no map %s", suffix);
}

static void set_flag(struct bpf_object *object, const char *name)
{
	const struct btf *btf = bpf_object__btf(object);
	const int section = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *type = section < 0 ? NULL : btf__type_by_id(btf, (__u32)section);
	size_t size = 0;
	bool *data = (bool *)bpf_map__initial_value(find_map(object, ".rodata"), &size);

	for (__u16 i = 0; data && type && i < btf_vlen(type); i++) {
		const struct btf_var_secinfo *info = btf_var_secinfos(type) + i;
		const struct btf_type *variable = btf__type_by_id(btf, info->type);

		if (info->offset < size &&
		    !strcmp(btf__name_by_offset(btf, variable->name_off), name)) {
			data[info->offset] = true;
			return;
		}
	}
	errx(2, "the filter has no flag %s", name);
}

static void *map_memory(struct bpf_map *map)
{
	void *memory = mmap(NULL, bpf_map__value_size(map), PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(map), 0);

	if (memory == MAP_FAILED)
		err(2, "%s", bpf_map__name(map));
	return memory;
}

static struct bpf_object *load_variant(const char *path, struct bpf_object *live, bool conntrack,
				       int *program_fd)
{
	static const char *const shared[] = {".bss", "peers", "counters"};
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	const char *name = conntrack ? "filter_ethernet_ct" : "filter_ethernet";
	struct bpf_program *program;

	if (!object)
		err(2, "%s", path);
	bpf_object__for_each_program(program, object)
	{
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), name));
		bpf_program__set_flags(program, BPF_F_XDP_HAS_FRAGS);
	}
	set_flag(object, "multi_buffer");
	if (live)
		set_flag(object, "explaining");
	for (size_t i = 0; live && i < sizeof(shared) / sizeof(shared[0]); i++)
		bpf_map__reuse_fd(find_map(object, shared[i]),
				  bpf_map__fd(find_map(live, shared[i])));
	if (bpf_object__load(object)) {
		bpf_object__close(object);
		return NULL;
	}
	*program_fd = bpf_program__fd(bpf_object__find_program_by_name(object, name));
	return object;
}

static void write_policy(struct judge *judge, uint32_t ifindex)
{
	struct policy_tables *policy = &judge->tables->policy[0];

	judge->tables->host.base_of[ifindex] = BASE;
	judge->tables->host.base_of[LOOPBACK] = BASE;
	memset(policy->slot_of[BASE], SLOT, VLAN_IDS);
	judge->tables->host.slots[SLOT] =
		(struct slot){.ifindex = ifindex, .zone = ZONE_CLIENT, .used = 1};
	memset(policy->cluster_of, CLUSTER_NOBODY, sizeof(policy->cluster_of));
	for (uint32_t port = 0; port < PORTS; port++) {
		if (!port_is_protected((uint16_t)port))
			continue;
		judge->tables->here.suspects[0][port / 64] |= 1ull << port % 64;
		policy->configured[port / 64] |= 1ull << port % 64;
		policy->cluster_of[0][port] = policy->cluster_of[1][port] = port == PORT_EPMD
										    ? CLUSTER_ANY
										    : 0;
	}
}

struct judge *judge_load(const char *path, uint32_t ifindex)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	bool conntrack = true;

	if (!judge)
		err(2, "judge");
	judge->live = load_variant(path, NULL, conntrack, &judge->live_program);
	if (!judge->live) {
		conntrack = false;
		judge->live = load_variant(path, NULL, conntrack, &judge->live_program);
	}
	if (judge->live)
		judge->explaining = load_variant(path, judge->live, conntrack,
						 &judge->explaining_program);
	if (!judge->explaining)
		err(2, "%s does not load: this needs root and a kernel with BPF", path);
	judge->tables = map_memory(find_map(judge->live, ".bss"));
	judge->explanation = map_memory(find_map(judge->explaining, ".explanation"));
	write_policy(judge, ifindex);
	return judge;
}

int judge_program(const struct judge *judge)
{
	return judge->live_program;
}

uint32_t judge_explain(const struct judge *judge, const struct frame *frame, bool *drop)
{
	struct xdp_md context = {.data_end = frame->size, .ingress_ifindex = LOOPBACK};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = frame->size, .ctx_in = &context, .ctx_size_in = sizeof(context),
		    .repeat = 1);

	if (bpf_prog_test_run_opts(judge->explaining_program, &options))
		err(2, "test run of a frame of %u bytes", frame->size);
	*drop = options.retval == XDP_DROP;
	return judge->explanation->reason;
}
