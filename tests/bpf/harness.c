// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bpf/harness.h"

#include <err.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BASE 1
#define SLOT 1

static int silent(enum libbpf_print_level level, const char *format, va_list arguments)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, arguments) : 0;
}

/* NULL where the kernel refuses the program. */
static struct filter *load(const struct harness *harness, bool multi_buffer, bool conntrack,
			   bool explaining)
{
	struct filter *filter = filter__open();
	struct bpf_program *program;

	if (!filter)
		err(1, "open");
	bpf_object__for_each_program(program, filter->obj)
	{
		const char *name = bpf_program__name(program);
		const bool with_conntrack = strstr(name, "_ct");
		const bool ethernet = strstr(name, "ethernet");

		bpf_program__set_autoload(program, with_conntrack == conntrack &&
							   ethernet == harness->ethernet);
		if (multi_buffer)
			bpf_program__set_flags(program, 1u << 5);
	}
	filter->rodata->multi_buffer = multi_buffer;
	filter->rodata->explaining = explaining;
	if (harness->live) {
		struct map_fds maps = map_fds_none();

		maps_add(&maps, harness->live->obj);
		maps_share(&maps, filter->obj);
	} else {
		bpf_map__set_max_entries(filter->maps.event_rows,
					 (uint32_t)libbpf_num_possible_cpus());
	}
	if (filter__load(filter)) {
		filter__destroy(filter);
		return NULL;
	}
	return filter;
}

static void set_peers_table(const struct harness *harness, uint32_t capacity)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_NO_PREALLOC);
	const int map = bpf_map_create(BPF_MAP_TYPE_HASH, "peers", sizeof(struct peer_key),
				       sizeof(uint64_t), capacity, &options);
	const uint32_t index = 0;

	if (map < 0 || bpf_map_update_elem(bpf_map__fd(harness->live->maps.peers), &index, &map, 0))
		err(1, "table of peers");
	close(map);
}

static int peers_table(const struct harness *harness)
{
	const uint32_t index = 0;
	uint32_t id;

	if (bpf_map_lookup_elem(bpf_map__fd(harness->live->maps.peers), &index, &id))
		err(1, "table of peers");
	return bpf_map_get_fd_by_id(id);
}

void harness_open_with(struct harness *harness, bool ethernet, bool multi_buffer, bool conntrack)
{
	libbpf_set_print(silent);
	if (unshare(CLONE_NEWNET))
		err(1, "a network namespace: this test needs root");
	*harness = (struct harness){.ethernet = ethernet, .ifindex = 1};
	/* Linux 5.15 has neither of them. */
	harness->live = load(harness, multi_buffer, conntrack, false);
	if (!harness->live && conntrack)
		harness->live = load(harness, multi_buffer, conntrack = false, false);
	if (!harness->live && multi_buffer)
		harness->live = load(harness, multi_buffer = false, conntrack, false);
	if (harness->live)
		harness->explaining = load(harness, multi_buffer, conntrack, true);
	if (!harness->explaining)
		err(1, "load: this test needs root and a kernel with BPF");
	harness->multi_buffer = multi_buffer;
	harness->tables = &harness->live->bss->tables;
	harness->sieves = mmap(NULL, 2 * sizeof(*harness->sieves), PROT_READ | PROT_WRITE,
			       MAP_SHARED, bpf_map__fd(harness->live->maps.sieves), 0);
	if (harness->sieves == MAP_FAILED)
		err(1, "sieves");
	harness->tables->policy[0].sieve_shift = sieve_clear(harness->sieves, 0);
	harness->tables->host.base_of[harness->ifindex] = BASE;
	memset(harness->tables->policy[0].slot_of[BASE], SLOT, VLAN_IDS);
	harness_zone(harness, ZONE_CLIENT);
	set_peers_table(harness, 128);
	harness_protect(harness, EPMD_PORT, CLUSTER_ANY);
	for (uint16_t i = 0; i < 10; i++)
		harness_protect(harness, (uint16_t)(CLUSTER_0_PORT + i), 0);
	harness_protect(harness, CLUSTER_1_PORT, 1);
	harness_protect(harness, NOBODY_PORT, CLUSTER_NOBODY);
	harness_peer(harness, "10.0.1.0/24", 1);
	harness_peer(harness, "fd00:1::/64", 1);
	harness_peer(harness, OTHER_PEER_IPV4, 2);
	harness_peer(harness, OTHER_PEER_IPV6, 2);
}

void harness_open(struct harness *harness, bool ethernet)
{
	harness_open_with(harness, ethernet, true, true);
}

void harness_close(struct harness *harness)
{
	ring_buffer__free(harness->events);
	munmap(harness->sieves, 2 * sizeof(*harness->sieves));
	filter__destroy(harness->explaining);
	filter__destroy(harness->live);
}

static int keep_event(void *context, void *data, size_t size)
{
	struct event *event = context;

	if (size != sizeof(*event))
		errx(1, "an event of %zu bytes", size);
	*event = *(const struct event *)data;
	return -EAGAIN; /* one at a time */
}

static struct event next_event;

void harness_events(struct harness *harness, enum event_level level, uint32_t interval,
		    uint32_t budget)
{
	const size_t cpus = (size_t)libbpf_num_possible_cpus();
	const size_t size = (cpus * sizeof(struct event_row) + 4095) / 4096 * 4096;

	if (!harness->event_rows) {
		harness->event_rows = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
					   bpf_map__fd(harness->live->maps.event_rows), 0);
		harness->events = ring_buffer__new(bpf_map__fd(harness->live->maps.events),
						   keep_event, &next_event, NULL);
		if (harness->event_rows == MAP_FAILED || !harness->events)
			err(1, "events");
	}
	for (size_t i = 0; i < cpus; i++) {
		struct event_row *row = &harness->event_rows[i];

		row->interval = row->payload_interval = interval;
		row->budget = budget;
		row->budget_interval = 3600 * 1000;
		row->budget_until = 0;
		row->level = level;
	}
}

struct event_row *harness_event_row(const struct harness *harness)
{
	return &harness->event_rows[sched_getcpu()];
}

bool harness_event(struct harness *harness, struct event *event)
{
	if (ring_buffer__consume(harness->events) != -EAGAIN)
		return false;
	*event = next_event;
	return true;
}

void harness_zone(struct harness *harness, enum zone zone)
{
	harness->tables->host.slots[SLOT] =
		(struct slot){.ifindex = 1, .zone = (__u8)zone, .used = 1};
}

void harness_vlan(struct harness *harness, uint16_t vlan, enum zone zone)
{
	__u8 slot = SLOT;

	while (harness->tables->host.slots[slot].used)
		slot++;
	harness->tables->host.slots[slot] =
		(struct slot){.ifindex = 1, .vlan = vlan, .zone = (__u8)zone, .used = 1};
	harness->tables->policy[0].slot_of[BASE][vlan] = slot;
}

void harness_mode(struct harness *harness, enum mode mode)
{
	harness->tables->policy[0].mode = mode;
}

void harness_protect(struct harness *harness, uint16_t port, uint8_t cluster)
{
	harness->tables->here.suspects[0][port / 64] |= 1ull << port % 64;
	harness->tables->policy[0].configured[port / 64] |= 1ull << port % 64;
	harness->tables->policy[0].cluster_of[0][port] = cluster;
	harness->tables->policy[0].cluster_of[1][port] = cluster;
}

void harness_address(struct harness *harness, const char *text)
{
	struct address_key key = {};
	struct prefix prefix;
	const __u8 value = 1;

	if (prefix_parse(text, &prefix, NULL))
		errx(1, "\"%s\" is no prefix", text);
	key.length = prefix.length;
	memcpy(key.address, prefix.address, sizeof(key.address));
	if (bpf_map_update_elem(bpf_map__fd(harness->live->maps.addresses), &key, &value, BPF_ANY))
		err(1, "address %s", text);
}

void harness_addresses_until(struct harness *harness, uint64_t ns)
{
	harness->tables->host.addresses_until_ns = ns;
}

static void use_length(struct prefix_lengths *lengths, unsigned int length)
{
	uint8_t mask[16] = {};

	for (uint32_t i = 0; i < lengths->count; i++)
		if (lengths->masks[i].length == length)
			return;
	for (unsigned int bit = 0; bit < length; bit++)
		mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	memcpy(&lengths->masks[lengths->count].high, mask, 8);
	memcpy(&lengths->masks[lengths->count].low, mask + 8, 8);
	lengths->masks[lengths->count++].length = length;
}

void harness_peer(struct harness *harness, const char *text, uint64_t clusters)
{
	struct policy_tables *policy = &harness->tables->policy[0];
	const int map = peers_table(harness);
	struct peer_key key = {};
	struct prefix prefix;

	if (prefix_parse(text, &prefix, NULL))
		errx(1, "\"%s\" is no prefix", text);
	memcpy(key.address, prefix.address, sizeof(key.address));
	key.length = prefix.length;
	sieve_add(harness->sieves, policy->sieve_shift, &key);
	if (bpf_map_update_elem(map, &key, &clusters, BPF_ANY))
		err(1, "peer %s", text);
	use_length(prefix_is_ipv4(&prefix) ? &policy->ipv4_lengths : &policy->ipv6_lengths,
		   prefix.length);
	close(map);
}

static void add_batch(int map, const struct peer_key *keys, const uint64_t *clusters,
		      uint32_t count)
{
	LIBBPF_OPTS(bpf_map_batch_opts, options);

	if (bpf_map_update_batch(map, keys, clusters, &count, &options))
		err(1, "%u peers", count);
}

void harness_peer_table(struct harness *harness, const struct peer_key *keys,
			const uint64_t *clusters, uint32_t count)
{
	struct policy_tables *policy = &harness->tables->policy[0];
	int map;

	set_peers_table(harness, count + 1);
	map = peers_table(harness);
	policy->sieve_shift = sieve_clear(harness->sieves, count);
	for (uint32_t i = 0; i < count; i++)
		sieve_add(harness->sieves, policy->sieve_shift, &keys[i]);
	add_batch(map, keys, clusters, count);
	close(map);
}

void harness_peer_key(const struct harness *harness, const struct peer_key *key, uint64_t clusters)
{
	const int map = peers_table(harness);

	if (clusters ? bpf_map_update_elem(map, key, &clusters, BPF_ANY)
		     : bpf_map_delete_elem(map, key))
		err(1, "a peer");
	if (clusters)
		sieve_add(harness->sieves, harness->tables->policy[0].sieve_shift, key);
	close(map);
}

void harness_peers(struct harness *harness, struct prefix *prefixes, uint32_t count)
{
	struct policy_tables *policy = &harness->tables->policy[0];
	struct prefix_lengths *lengths = prefix_is_ipv4(prefixes) ? &policy->ipv4_lengths
								  : &policy->ipv6_lengths;
	struct peer_key *keys = calloc(count, sizeof(*keys));
	uint64_t *clusters = calloc(count, sizeof(*clusters));

	if (!keys || !clusters)
		err(1, "%u peers", count);
	policy->ipv4_lengths.count = policy->ipv6_lengths.count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const unsigned int length = prefixes[i].length;

		memcpy(keys[i].address, prefixes[i].address, sizeof(keys[i].address));
		for (unsigned int bit = length; bit < 128; bit++)
			keys[i].address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
		keys[i].length = length;
		clusters[i] = 1;
		use_length(lengths, length);
	}
	harness_peer_table(harness, keys, clusters, count);
	free(keys);
	free(clusters);
}

void harness_many_peers(struct harness *harness, uint32_t count, bool ipv4)
{
	struct prefix *hosts = calloc(count, sizeof(*hosts));

	if (!hosts)
		err(1, "%u peers", count);
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t host = __builtin_bswap32((ipv4 ? 0x0a000000u : 0) + i);

		hosts[i].length = 128;
		if (ipv4)
			hosts[i].address[10] = hosts[i].address[11] = 0xff;
		else
			hosts[i].address[0] = 0xfd;
		memcpy(hosts[i].address + 12, &host, sizeof(host));
	}
	harness_peers(harness, hosts, count);
	free(hosts);
}

static int run(const struct harness *harness, int program, const struct test_frame *frame,
	       uint32_t repeat)
{
	struct xdp_md context = {.data_end = (__u32)(harness->near ? harness->near : frame->size),
				 .ingress_ifindex = harness->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame->bytes,
		    .data_size_in = (__u32)frame->size, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = (int)repeat);

	if (bpf_prog_test_run_opts(program, &options))
		err(1, "test run of a frame of %zu bytes", frame->size);
	return (int)options.retval;
}

bool harness_cuts_buffers(const struct harness *harness)
{
	uint8_t bytes[128] = {};
	struct xdp_md context = {.data_end = 64, .ingress_ifindex = harness->ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes, .data_size_in = sizeof(bytes),
		    .ctx_in = &context, .ctx_size_in = sizeof(context), .repeat = 1);

	return !bpf_prog_test_run_opts(fence_program(harness->live, harness->ethernet), &options);
}

int harness_action(const struct harness *harness, int program, const struct test_frame *frame)
{
	return run(harness, program, frame, 1);
}

double harness_time(const struct harness *harness, int program, const struct test_frame *frame,
		    uint32_t repeat)
{
	struct timespec start, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
	run(harness, program, frame, repeat);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	return ((double)(end.tv_sec - start.tv_sec) * 1e9 + (double)(end.tv_nsec - start.tv_nsec)) /
	       repeat;
}

struct outcome harness_run(struct harness *harness, const struct test_frame *frame)
{
	struct explanation *explanation = &harness->explaining->data_explanation->explanation;
	struct outcome outcome;
	int action;

	memset(explanation, 0xff, sizeof(*explanation));
	explanation->aside = 0;
	action = run(harness, fence_program(harness->explaining, harness->ethernet), frame, 1);
	outcome = (struct outcome){
		.action = run(harness, fence_program(harness->live, harness->ethernet), frame, 1),
		.reason = explanation->reason,
		.slot = explanation->slot,
		.cluster = (uint8_t)explanation->cluster,
	};
	if (action != outcome.action ||
	    (explanation->verdict == VERDICT_DROP) != (action == XDP_DROP))
		errx(1, "explained action %d (verdict %u), but it is %d", action,
		     explanation->verdict, outcome.action);
	return outcome;
}

struct tally harness_count(const struct harness *harness, uint32_t slot, enum mode mode,
			   enum reason reason)
{
	const int cpus = libbpf_num_possible_cpus();
	struct tally *per_cpu = calloc((size_t)cpus, sizeof(*per_cpu));
	const uint32_t index = COUNTER_INDEX(slot, mode, reason);
	struct tally sum = {};

	if (!per_cpu ||
	    bpf_map_lookup_elem(bpf_map__fd(harness->live->maps.counters), &index, per_cpu))
		err(1, "counter %u", index);
	for (int cpu = 0; cpu < cpus; cpu++) {
		sum.packets += per_cpu[cpu].packets;
		sum.bytes += per_cpu[cpu].bytes;
	}
	for (int cpu = 0; reason < REASON_UNTOUCHED_COUNT && cpu <= CPU_ROWS; cpu++) {
		sum.packets += harness->tables->host.untouched[cpu][slot][reason].packets;
		sum.bytes += harness->tables->host.untouched[cpu][slot][reason].bytes;
	}
	free(per_cpu);
	return sum;
}
