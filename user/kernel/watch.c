// SPDX-License-Identifier: BSD-2-Clause
/* The listener watch: attached, pinned, and what it found. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/pins.h"

void fence_suspect(struct tables *tables, __u32 generation, uint16_t port)
{
	__atomic_fetch_or(&tables->here.suspects[generation][port / 64], 1ull << (port % 64),
			  __ATOMIC_SEQ_CST);
}

static int note_change(void *context, void *data, size_t size)
{
	struct fence *fence = context;

	if (size == sizeof(uint32_t) && *(const uint32_t *)data < 32)
		fence->pending_changes |= 1u << *(const uint32_t *)data;
	return 0;
}

/* Takes over a map that is pinned, or has libbpf make and pin it. */
static int share_map(const struct fence *fence, struct bpf_map *map, const char *name)
{
	_cleanup_free_ char *path = NULL;
	int code = pin_path(fence->pin_dir, name, fence->succeeding, &path);

	/* An interrupted fence_succeed() may have given the map its name already. */
	if (!code && fence->succeeding && fence->tables->layout.complete &&
	    access(path, F_OK) < 0 && errno == ENOENT) {
		free(TAKE_POINTER(path));
		code = pin_path(fence->pin_dir, name, false, &path);
	}
	return code ?: bpf_map__set_pin_path(map, path);
}

/* The maps of the filter that the watch fills, and those that are pinned with it. */
static int share_maps(const struct fence *fence, struct listeners *watch)
{
	const struct map_fds maps = own_maps(fence);
	int code = maps_share(&maps, watch->obj);

	for (size_t i = 0; i < map_row_count && !code; i++)
		if (map_rows[i].adoption == ADOPTED_BY_WATCH)
			code = share_map(fence, map_find(watch->obj, &map_rows[i]),
					 map_rows[i].pin);
	return code;
}

/* @listens: with the hook of the BPF LSM, which not every kernel has. */
static int load_with(struct fence *fence, bool listens)
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
	bpf_program__set_autoload(watch->progs.watch_listens, listens);
	code = share_maps(fence, watch);
	if (!code)
		code = listeners__load(watch);
	if (code) {
		listeners__destroy(watch);
		return code;
	}
	fence_spare_skeleton(watch->skeleton, watch->bss);
	fence->watch = watch;
	fence->watch_missed = 0;
	fence->changes_lost = fence->tables->host.changes_lost;
	if (fence->start == FENCE_REPLACED)
		watch_import_claims(fence);
	return 0;
}

static int load(struct fence *fence)
{
	fence->features.listens = !load_with(fence, true);
	return fence->features.listens ? 0 : load_with(fence, false);
}

/* Whether the hook is called: the kernel has the BPF LSM, but may not have been told to use it. */
static bool hears_listens(const struct fence *fence)
{
	const uint64_t before = fence->tables->host.listens_heard;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
	       !listen(fd, 1) && fence->tables->host.listens_heard != before;
}

/*
 * Attaches, then puts the link into the place of an earlier agent's. For a moment both programs
 * see every change, which the shared table of sockets makes one.
 */
static int attach_one(struct fence *fence, const struct bpf_program *program, const char *pin)
{
	_cleanup_close_ int link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(program));

	/* Until every link has the new program, the old one needs what feeds its own tables. */
	return link < 0 ? -errno : pin_replace(fence->pin_dir, link, pin, fence->succeeding);
}

static int attach(struct fence *fence)
{
	const int code = attach_one(fence, fence->watch->progs.watch_states, PIN_WATCH);

	if (fence->features.listens &&
	    (attach_one(fence, fence->watch->progs.watch_listens, PIN_LISTENS) ||
	     !hears_listens(fence)))
		fence->features.listens = false;
	if (!fence->features.listens)
		/* An earlier agent's: over other maps, perhaps. */
		pin_remove(fence->pin_dir, PIN_LISTENS);
	return code ?: attach_one(fence, fence->watch->progs.watch_programs, PIN_PROGRAMS);
}

int fence_list(struct fence *fence, struct error *error)
{
	_cleanup_close_ int link = -1, listing = -1;
	int code;

	if (!fence->watch)
		return 0;
	link = bpf_link_create(bpf_program__fd(fence->watch->progs.list_listeners), 0,
			       BPF_TRACE_ITER, NULL);
	if (link >= 0)
		listing = bpf_iter_create(link);
	if (listing < 0)
		return error_set(error, -errno, "cannot list the listeners there are: %s",
				 strerror(errno));
	code = bystanders_read(fence, listing);
	return code ? error_set(error, code, "cannot list the listeners there are: %s",
				strerror(-code))
		    : 0;
}

static void release(struct fence *fence)
{
	fence->features.gate = false;
	fence->features.listens = false;
	states_tell_gate(fence);
	ring_buffer__free(fence->changes);
	listeners__destroy(fence->watch);
	fence->changes = NULL;
	fence->watch = NULL;
	fence->pending_changes = 0;
}

static void stop_watching(struct fence *fence)
{
	for (size_t i = 0; i < PIN_WATCH_LINKS; i++)
		pin_remove(fence->pin_dir, pin_watch_links[i]);
	for (size_t i = 0; i < map_row_count; i++)
		if (map_rows[i].adoption == ADOPTED_BY_WATCH)
			pin_remove(fence->pin_dir, map_rows[i].pin);
	release(fence);
}

/* With the watch gone nobody counts down any more. */
static void forget_listeners(struct fence *fence)
{
	struct tables *tables = fence->tables;
	struct binding_key key;

	memset(tables->here.listeners, 0, sizeof(tables->here.listeners));
	memset(tables->here.claimed, 0, sizeof(tables->here.claimed));
	memset(tables->here.bound, 0, sizeof(tables->here.bound));
	memset(tables->here.epmd_ports, 0, sizeof(tables->here.epmd_ports));
	tables->host.listeners_untracked = tables->host.listeners_refused = 0;
	tables->host.changes_begun = tables->host.changes_done = 0;
	while (!bpf_map_get_next_key(bpf_map__fd(fence->live->maps.bindings), NULL, &key) &&
	       !bpf_map_delete_elem(bpf_map__fd(fence->live->maps.bindings), &key))
		;
}

void watch_start_gate(struct fence *fence)
{
	fence->gate_code = gate_start(fence);
	fence->features.gate = !fence->gate_code;
	if (!fence->features.gate)
		/* An earlier agent's: over other maps, perhaps. */
		pin_remove(fence->pin_dir, PIN_GATE);
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
	watch_start_gate(fence);
	/* Twice: a connection to epmd is known for one when its listener is. */
	code = fence_list(fence, error);
	return code ? code : fence_list(fence, error);
}

static bool is_pinned(const struct fence *fence, const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;

	if (pin_path(fence->pin_dir, name, false, &path))
		return true;
	fd = bpf_obj_get(path);
	return fd >= 0 && fd_is_bpf(fd, "link");
}

bool fence_is_watching(const struct fence *fence)
{
	return fence->watch;
}

int fence_watch(struct fence *fence, bool on, struct error *error)
{
	bool earlier;
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
	earlier = !fence->succeeding && is_pinned(fence, PIN_WATCH);
	code = start_watching(fence, error);
	if (code && !fence->changes && earlier)
		release(fence); /* it goes on by its pins, over the same tables */
	else if (code && !fence->changes)
		stop_watching(fence);
	return code;
}

/* What came and went while it was not there is listed, or taken for still there. */
int fence_watch_restore(struct fence *fence, struct error *error)
{
	int code = 0, restored = 0;

	if (!fence->watch)
		return 0;
	if (!is_pinned(fence, PIN_WATCH) || !is_pinned(fence, PIN_PROGRAMS) ||
	    (fence->features.listens && !is_pinned(fence, PIN_LISTENS))) {
		pin_remove(fence->pin_dir, PIN_LISTENS);
		pin_remove(fence->pin_dir, PIN_WATCH);
		pin_remove(fence->pin_dir, PIN_PROGRAMS);
		code = attach(fence);
		restored++;
	}
	if (!code && fence->features.gate && !is_pinned(fence, PIN_GATE)) {
		pin_remove(fence->pin_dir, PIN_GATE);
		code = gate_start(fence);
		restored++;
	}
	if (code)
		return error_set(error, code, "cannot put the listener watch back: %s",
				 strerror(-code));
	code = restored ? fence_list(fence, error) : 0;
	return code ? code : restored;
}

int fence_list_nodes(struct fence *fence, const uint64_t ports[static PORTS / 64],
		     const uint32_t *pids, size_t count, struct error *error)
{
	const uint8_t yes = 1;
	int map, code;

	if (!fence->watch)
		return 0;
	map = bpf_map__fd(fence->watch->maps.listed);
	for (size_t i = 0; i < count; i++)
		bpf_map_update_elem(map, &pids[i], &yes, BPF_ANY);
	memcpy(fence->tables->here.listed_ports, ports, sizeof(fence->tables->here.listed_ports));
	code = fence_list(fence, error);
	memset(fence->tables->here.listed_ports, 0, sizeof(fence->tables->here.listed_ports));
	for (size_t i = 0; i < count; i++)
		bpf_map_delete_elem(map, &pids[i]);
	return code;
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
	if (fence->changes_lost != fence->tables->host.changes_lost) /* whichever they were */
		changes |= 1u << CHANGE_UNBOUND | 1u << CHANGE_REGISTRATIONS;
	fence->changes_lost = fence->tables->host.changes_lost;
	fence->pending_changes = 0;
	return changes;
}
