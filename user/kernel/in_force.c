// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/in_force.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "kernel/pins.h"
#include "kernel/protection.h"

/* What is read of a pin directory. */
struct reading {
	const char *pin_dir;
	const struct tables *tables; /* NULL: there are none of this version */
	struct in_force *result;
	uint64_t oldest_ns; /* CLOCK_BOOTTIME; 0: no program was seen */
};

static bool is_pinned(const char *pin_dir, const char *name)
{
	_cleanup_free_ char *path = NULL;

	return !pin_path(pin_dir, name, false, &path) && !access(path, F_OK);
}

static const struct tables *map_tables(const char *pin_dir)
{
	_cleanup_close_ int fd = pin_open(pin_dir, PIN_TABLES, false);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct tables *tables;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.type != BPF_MAP_TYPE_ARRAY || info.value_size != sizeof(*tables))
		return NULL;
	tables = mmap(NULL, sizeof(*tables), PROT_READ, MAP_SHARED, fd, 0);
	if (tables == MAP_FAILED)
		return NULL;
	if (tables->version == CONTRACT_VERSION && tables->layout.magic == LAYOUT_MAGIC)
		return tables;
	munmap(tables, sizeof(*tables));
	return NULL;
}

static const struct policy_tables *active(const struct tables *tables)
{
	return &tables->policy[tables->generation & 1];
}

static struct interface_state *add_state(struct in_force *result)
{
	struct interface_state *list = reallocarray(result->interfaces, result->interface_count + 1,
						    sizeof(*list));

	if (!list)
		return NULL;
	result->interfaces = list;
	list[result->interface_count] = (struct interface_state){};
	return &list[result->interface_count++];
}

/* The interface itself and each VLAN of it that has a zone, by their slots. Returns how many. */
static int add_places(const struct reading *reading, const struct interface_state *common,
		      uint32_t ifindex)
{
	const struct tables *tables = reading->tables;
	const __u8 base = tables->host.base_of[ifindex & (INTERFACE_RESIDUES - 1)];
	bool seen[SLOTS_MAX] = {true};
	int count = 0;

	if (!base || base >= BASES_MAX || tables->host.index_of[base] != ifindex)
		return 0;
	for (size_t vlan = 0; vlan < VLAN_IDS; vlan++) {
		const __u8 number = active(tables)->slot_of[base][vlan];
		const struct slot *slot = &tables->host.slots[number];
		struct interface_state *state = seen[number] ? NULL : add_state(reading->result);

		if (seen[number])
			continue;
		if (!state)
			return -ENOMEM;
		seen[number] = true;
		*state = *common;
		state->vlan = slot->vlan;
		state->zone = slot->zone < ZONE_COUNT ? (enum zone)slot->zone : ZONE_NONE;
		snprintf(state->name, sizeof(state->name), slot->vlan ? "%.15s.%u" : "%.15s",
			 slot->interface, slot->vlan);
		count++;
	}
	return count;
}

static uint64_t load_time(__u32 program)
{
	_cleanup_close_ int fd = bpf_prog_get_fd_by_id(program);
	struct bpf_prog_info info = {};
	__u32 size = sizeof(info);

	return fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ? 0 : info.load_time;
}

/* How the program is attached, as the interface of this namespace says. */
static void look_at_interface(const struct bpf_link_info *link, struct interface_state *state)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	char name[IF_NAMESIZE];

	if (if_indextoname(link->xdp.ifindex, name))
		snprintf(state->name, sizeof(state->name), "%s", name);
	else
		snprintf(state->name, sizeof(state->name), "index %u", link->xdp.ifindex);
	if (bpf_xdp_query((int)link->xdp.ifindex, 0, &query) < 0 ||
	    (query.prog_id != link->prog_id && query.skb_prog_id != link->prog_id &&
	     query.drv_prog_id != link->prog_id)) {
		state->attached = ATTACHED_NOT;
		snprintf(state->problem, sizeof(state->problem),
			 "not seen from here: it is in another network namespace, or another "
			 "program is on it");
		return;
	}
	state->attached = query.attach_mode == XDP_ATTACHED_SKB ? ATTACHED_GENERIC
								: ATTACHED_NATIVE;
}

static int read_link(struct reading *reading, const char *name)
{
	_cleanup_close_ int fd = pin_open(reading->pin_dir, name, false);
	struct bpf_link_info info = {};
	struct interface_state common = {}, *state;
	__u32 size = sizeof(info);
	uint64_t loaded_ns;
	int places;

	/* What is said of a map looks much the same. */
	if (fd < 0 || !fd_is_bpf(fd, "link") || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.type != BPF_LINK_TYPE_XDP || !info.xdp.ifindex)
		return 0; /* not ours, or its interface is gone */
	reading->result->links++;
	loaded_ns = load_time(info.prog_id);
	if (loaded_ns && (!reading->oldest_ns || loaded_ns < reading->oldest_ns))
		reading->oldest_ns = loaded_ns;
	look_at_interface(&info, &common);
	places = reading->tables ? add_places(reading, &common, info.xdp.ifindex) : 0;
	if (places)
		return places < 0 ? places : 0;
	state = add_state(reading->result);
	if (!state)
		return -ENOMEM;
	*state = common;
	return 0;
}

static void add_discovered(const struct reading *reading, __u64 ports[static PORTS / 64])
{
	_cleanup_close_ int fd = pin_open(reading->pin_dir, PIN_LISTENERS, false);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	__u64 key, *previous = NULL;
	struct listener listener;

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) < 0 ||
	    info.key_size != sizeof(key) || info.value_size != sizeof(listener))
		return;
	for (int i = 0; i < LISTENERS_MAX && !bpf_map_get_next_key(fd, previous, &key); i++) {
		previous = &key;
		if (!bpf_map_lookup_elem(fd, &key, &listener) && !listener_is_local(&listener) &&
		    policy_protects(active(reading->tables), &listener))
			ports[listener.port / 64] |= 1ull << (listener.port % 64);
	}
}

static size_t count_ports(const struct reading *reading)
{
	__u64 ports[PORTS / 64];
	size_t count = 0;

	memcpy(ports, active(reading->tables)->configured, sizeof(ports));
	add_discovered(reading, ports);
	for (size_t i = 0; i < PORTS / 64; i++)
		count += (size_t)__builtin_popcountll(ports[i]);
	return count;
}

static int compare_states(const void *a, const void *b)
{
	const struct interface_state *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static int read_all(struct reading *reading, DIR *dir)
{
	struct in_force *result = reading->result;
	struct dirent *entry;
	int code = 0;
	size_t pins = 0;

	while (!code && (entry = readdir(dir))) {
		pins += pin_is_ours(entry->d_name);
		if (!strncmp(entry->d_name, PIN_LINK_PREFIX, strlen(PIN_LINK_PREFIX)))
			code = read_link(reading, entry->d_name);
	}
	if (code || !pins)
		return code ? code : -ENOENT;
	if (result->interface_count)
		qsort(result->interfaces, result->interface_count, sizeof(*result->interfaces),
		      compare_states);
	result->since_s = wall_clock_s(reading->oldest_ns);
	result->watched = is_pinned(reading->pin_dir, PIN_WATCH);
	result->gated = is_pinned(reading->pin_dir, PIN_GATE);
	result->is_known = reading->tables;
	if (reading->tables) {
		result->mode = active(reading->tables)->mode == MODE_AUDIT ? MODE_AUDIT
									   : MODE_ENFORCE;
		result->protected_ports = count_ports(reading);
	}
	return 0;
}

int in_force_read(const char *pin_dir, struct in_force *result, struct error *error)
{
	_cleanup_(cleanup_closedir) DIR *dir = opendir(pin_dir);
	struct reading reading = {.pin_dir = pin_dir, .result = result};
	int code;

	*result = (struct in_force){};
	if (!dir)
		return error_set(error, -errno, "cannot look at %s: %s", pin_dir, strerror(errno));
	libbpf_set_print(NULL);
	reading.tables = map_tables(pin_dir);
	code = read_all(&reading, dir);
	if (reading.tables)
		munmap((void *)reading.tables, sizeof(*reading.tables));
	if (!code)
		return 0;
	in_force_free(result);
	return error_set(error, code, "cannot read what is pinned below %s: %s", pin_dir,
			 strerror(-code));
}

void in_force_free(struct in_force *in_force)
{
	free(in_force->interfaces);
	*in_force = (struct in_force){};
}
