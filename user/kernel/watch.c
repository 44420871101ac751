// SPDX-License-Identifier: BSD-2-Clause
/* The listener watch: attached, pinned, and what it found. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/detach.h"
#include "kernel/internal.h"

void fence_suspect(struct policy_tables *policy, uint16_t port)
{
	__atomic_fetch_or(&policy->suspects[port / 64], 1ull << (port % 64), __ATOMIC_SEQ_CST);
}

static int note_change(void *context, void *data, size_t size)
{
	struct fence *fence = context;

	if (size == sizeof(uint32_t) && *(const uint32_t *)data < 32)
		fence->pending_changes |= 1u << *(const uint32_t *)data;
	return 0;
}

int fence_replace_pin(const struct fence *fence, int link, const char *name)
{
	_cleanup_free_ char *next = NULL, *path = NULL;

	if (fence_pin_path(fence, name, true, &next) || fence_pin_path(fence, name, false, &path))
		return -ENOMEM;
	unlink(next);
	if (bpf_obj_pin(link, next) < 0)
		return -errno;
	/* Until every link has the new program, the old one needs what feeds its own tables. */
	return !fence->succeeding && rename(next, path) < 0 ? -errno : 0;
}

static void remove_pin(const struct fence *fence, const char *name)
{
	for (int next = 0; next < 2; next++) {
		_cleanup_free_ char *path = NULL;

		if (!fence_pin_path(fence, name, next, &path))
			unlink(path);
	}
}

/* Takes over a map that is pinned, or has libbpf make and pin it. */
static int share_map(const struct fence *fence, struct bpf_map *map, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int code = fence_pin_path(fence, name, fence->succeeding, &path);

	/* An interrupted fence_succeed() may have given the map its name already. */
	if (!code && fence->succeeding && fence->tables->layout.complete &&
	    access(path, F_OK) < 0 && errno == ENOENT) {
		free(TAKE_POINTER(path));
		code = fence_pin_path(fence, name, false, &path);
	}
	return code ?: bpf_map__set_pin_path(map, path);
}

static int load(struct fence *fence)
{
	struct listeners *watch = listeners__open();
	struct stat status;
	int code;

	if (!watch)
		return -errno;
	if (stat("/proc/self/ns/net", &status) < 0) {
		listeners__destroy(watch);
		return -errno;
	}
	watch->rodata->namespace_inode = (__u32)status.st_ino;
	code = bpf_map__reuse_fd(watch->maps.bss, bpf_map__fd(fence->live->maps.bss));
	if (!code)
		code = share_map(fence, watch->maps.listeners, PIN_LISTENERS);
	if (!code)
		code = share_map(fence, watch->maps.registrations, PIN_REGISTRATIONS);
	if (!code)
		code = listeners__load(watch);
	if (code) {
		listeners__destroy(watch);
		return code;
	}
	fence_spare_skeleton(watch->skeleton, watch->bss);
	fence->watch = watch;
	return 0;
}

/*
 * Attaches, then puts the link into the place of an earlier agent's. For a moment both programs
 * see every change, which the shared table of sockets makes one.
 */
static int attach(struct fence *fence)
{
	const int program = bpf_program__fd(fence->watch->progs.watch_states);
	_cleanup_close_ int link = bpf_raw_tracepoint_open(NULL, program);

	return link < 0 ? -errno : fence_replace_pin(fence, link, PIN_WATCH);
}

int fence_list(struct fence *fence, struct error *error)
{
	_cleanup_close_ int link = -1, listing = -1;
	char nothing[64];
	ssize_t size;

	if (!fence->watch)
		return 0;
	link = bpf_link_create(bpf_program__fd(fence->watch->progs.list_listeners), 0,
			       BPF_TRACE_ITER, NULL);
	if (link >= 0)
		listing = bpf_iter_create(link);
	if (listing < 0)
		return error_set(error, -errno, "cannot list the listeners there are: %s",
				 strerror(errno));
	do
		size = read(listing, nothing, sizeof(nothing));
	while (size > 0 || (size < 0 && errno == EAGAIN));
	return size < 0 ? error_set(error, -errno, "cannot list the listeners there are: %s",
				    strerror(errno))
			: 0;
}

static void stop_watching(struct fence *fence)
{
	static const char *const pins[] = {PIN_GATE, PIN_WATCH, PIN_LISTENERS, PIN_REGISTRATIONS};

	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++)
		remove_pin(fence, pins[i]);
	fence->features.gate = false;
	states_tell_gate(fence);
	ring_buffer__free(fence->changes);
	listeners__destroy(fence->watch);
	fence->changes = NULL;
	fence->watch = NULL;
	fence->pending_changes = 0;
}

/* With the watch gone nobody counts down any more. */
static void forget_listeners(struct fence *fence)
{
	memset(fence->tables->listeners, 0, sizeof(fence->tables->listeners));
	memset(fence->tables->claimed, 0, sizeof(fence->tables->claimed));
	fence->tables->listeners_untracked = 0;
}

static int start_watching(struct fence *fence, struct error *error)
{
	int code = load(fence);

	if (!code)
		code = attach(fence);
	if (!code) {
		fence->changes = ring_buffer__new(bpf_map__fd(fence->watch->maps.changes),
						  note_change, fence, NULL);
		code = fence->changes ? 0 : -errno;
	}
	if (code)
		return error_set(error, code, "the kernel refuses the listener watch: %s",
				 strerror(-code));
	fence->features.gate = !gate_start(fence);
	if (!fence->features.gate)
		remove_pin(fence, PIN_GATE); /* an earlier agent's: over other maps, perhaps */
	/* Twice: a connection to epmd is known for one when its listener is. */
	code = fence_list(fence, error);
	return code ? code : fence_list(fence, error);
}

int fence_watch(struct fence *fence, bool on, struct error *error)
{
	int code;

	if (on == (fence->watch != NULL)) {
		/* An earlier agent may have left a watch that this one is not to have. */
		if (!on && fence->start != FENCE_FRESH) {
			stop_watching(fence);
			forget_listeners(fence);
		}
		return 0;
	}
	if (!on) {
		stop_watching(fence);
		forget_listeners(fence);
		return 0;
	}
	code = start_watching(fence, error);
	if (code && !fence->changes)
		stop_watching(fence);
	return code;
}

static bool is_pinned(const struct fence *fence, const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (fence_pin_path(fence, name, false, &path))
		return true;
	fd = bpf_obj_get(path);
	return fd >= 0 && fd_is_bpf(fd, "link");
}

/* What came and went while it was not there is listed, or taken for still there. */
int fence_watch_restore(struct fence *fence, struct error *error)
{
	int code = 0, restored = 0;

	if (!fence->watch)
		return 0;
	if (!is_pinned(fence, PIN_WATCH)) {
		remove_pin(fence, PIN_WATCH);
		code = attach(fence);
		restored++;
	}
	if (!code && fence->features.gate && !is_pinned(fence, PIN_GATE)) {
		remove_pin(fence, PIN_GATE);
		code = gate_start(fence);
		restored++;
	}
	if (code)
		return error_set(error, code, "cannot put the listener watch back: %s",
				 strerror(-code));
	code = restored ? fence_list(fence, error) : 0;
	return code ? code : restored;
}

int fence_changes_fd(const struct fence *fence)
{
	return fence->changes ? ring_buffer__epoll_fd(fence->changes) : -1;
}

uint32_t fence_changes(struct fence *fence)
{
	uint32_t changes;

	if (fence->changes)
		ring_buffer__consume(fence->changes);
	changes = fence->pending_changes;
	fence->pending_changes = 0;
	return changes;
}

/* Reads a whole hash of 64-bit keys. Rows are the key, then the value. */
static int read_hash(const struct bpf_map *map, size_t value_size, void **result)
{
	const size_t row_size = sizeof(uint64_t) + value_size;
	const size_t limit = bpf_map__max_entries(map);
	_cleanup_free_ char *rows = NULL;
	uint64_t key, *previous = NULL;
	size_t count = 0, room = 0;

	while (count < limit && !bpf_map_get_next_key(bpf_map__fd(map), previous, &key)) {
		char *row;

		previous = &key;
		if (count == room) {
			room = room ? 2 * room : 64;
			row = reallocarray(rows, room, row_size);
			if (!row)
				return -ENOMEM;
			rows = row;
		}
		row = rows + count * row_size;
		memcpy(row, &key, sizeof(key));
		if (!bpf_map_lookup_elem(bpf_map__fd(map), &key, row + sizeof(key)))
			count++;
	}
	*result = TAKE_POINTER(rows);
	return (int)count;
}

int fence_listeners(const struct fence *fence, struct fence_listener **list)
{
	_Static_assert(sizeof(struct fence_listener) == 8 + sizeof(struct listener), "no padding");

	*list = NULL;
	return fence->watch ? read_hash(fence->watch->maps.listeners, sizeof(struct listener),
					(void **)list)
			    : 0;
}

int fence_registrations(const struct fence *fence, struct fence_registration **list)
{
	_Static_assert(sizeof(struct fence_registration) == 8 + sizeof(struct registration),
		       "no padding");

	*list = NULL;
	return fence->watch ? read_hash(fence->watch->maps.registrations,
					sizeof(struct registration), (void **)list)
			    : 0;
}

uint64_t fence_listeners_untracked(const struct fence *fence)
{
	return fence->tables->listeners_untracked;
}

void fence_claim(struct fence *fence, uint16_t port, enum claim claim)
{
	__atomic_store_n(&fence->tables->claimed[port], (__u8)claim, __ATOMIC_SEQ_CST);
	if (claim == CLAIM_NONE)
		return;
	fence_suspect(&fence->tables->policy[0], port);
	fence_suspect(&fence->tables->policy[1], port);
}

enum claim fence_claimed(const struct fence *fence, uint16_t port)
{
	return (enum claim)fence->tables->claimed[port];
}

static bool has_bit(const __u64 *bits, uint16_t port)
{
	return bits[port / 64] >> (port % 64) & 1;
}

void fence_assign(struct fence *fence, uint16_t port, uint8_t cluster)
{
	struct policy_tables *policy = &fence->tables->policy[fence->tables->generation & 1];

	if (!has_bit(policy->configured, port))
		policy->cluster_of[port] = cluster;
}

const char *fence_cluster_name(const struct fence *fence, uint16_t port)
{
	const struct policy_tables *policy = &fence->tables->policy[fence->tables->generation & 1];
	const uint8_t cluster = policy->cluster_of[port];

	return cluster < CLUSTERS_MAX ? policy->cluster_names[cluster] : "";
}

uint8_t fence_cluster(const struct fence *fence, uint16_t port)
{
	return fence->tables->policy[fence->tables->generation & 1].cluster_of[port];
}

bool fence_protects(const struct fence *fence, uint16_t port)
{
	const struct policy_tables *policy = &fence->tables->policy[fence->tables->generation & 1];
	const struct port_listeners *counts = &fence->tables->listeners[port];

	if (has_bit(policy->configured, port) || has_bit(policy->exempt, port))
		return has_bit(policy->configured, port);
	return counts->epmd || (counts->autobound && policy->protect_autobound) ||
	       (fence->tables->claimed[port] && (counts->fixed || counts->autobound));
}
