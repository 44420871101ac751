// SPDX-License-Identifier: BSD-2-Clause
/* What the filter reports of frames: the ring that it comes through, and its limits. */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "core/cleanup.h"
#include "kernel/internal.h"
#include "kernel/pins.h"

#define SOURCE_INTERVAL_S  10 /* between events of one source and port */
#define PAYLOAD_INTERVAL_S 60 /* between events of what one connection carries */
#define CPU_BUDGET_MIN	   8  /* events a second, however many CPUs share the limit */
#define CPU_BUDGET_ALL_MIN 1000

/* What the rows of every version begin with. */
#define ROW_START	   offsetof(struct event_row, sources)

/* The rows in memory, for as long as somebody looks: else they would count as this process's. */
struct rows {
	struct event_row *items;
	size_t count;
};

static size_t rows_size(size_t count)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (count * sizeof(struct event_row) + page - 1) / page * page;
}

static int rows_map(int fd, int count, struct rows *rows)
{
	void *memory = mmap(NULL, rows_size((size_t)count), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			    0);

	if (memory == MAP_FAILED)
		return -errno;
	*rows = (struct rows){.items = memory, .count = (size_t)count};
	return 0;
}

static void rows_unmap(const struct rows *rows)
{
	if (rows->items)
		munmap(rows->items, rows_size(rows->count));
}

#define _cleanup_rows_ _cleanup_(rows_unmap)

static bool has_version(int fd, int rows_count)
{
	_cleanup_rows_ struct rows rows = {};

	return !rows_map(fd, rows_count, &rows) && rows.items &&
	       rows.items[0].version == EVENTS_VERSION;
}

/* What was lost by the account of rows that may be of another version. */
static uint64_t lost_by(const uint8_t *rows, size_t count, size_t size)
{
	const struct event_row *row = (const struct event_row *)rows;
	const __u32 version = row->version;
	uint64_t lost = 0;

	for (size_t i = 0; i < count; i++) {
		row = (const struct event_row *)(rows + i * size);
		if (row->version != version)
			return 0; /* not set up, or somebody else's */
		lost += row->lost + row->lost_elsewhere;
	}
	return version ? lost : 0;
}

static uint64_t lost_before(int fd)
{
	struct bpf_map_info info = {};
	__u32 info_size = sizeof(info);
	uint64_t lost;
	size_t size;
	void *rows;

	if (fd < 0 || !fd_is_bpf(fd, "map") || bpf_obj_get_info_by_fd(fd, &info, &info_size) < 0 ||
	    info.type != BPF_MAP_TYPE_ARRAY || info.value_size < ROW_START ||
	    info.value_size % sizeof(uint64_t))
		return 0;
	size = (size_t)info.max_entries * info.value_size;
	rows = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (rows == MAP_FAILED)
		return 0;
	lost = lost_by(rows, info.max_entries, info.value_size);
	munmap(rows, size);
	return lost;
}

/* What is in the ring is of the version that the rows say. */
void events_adopt(struct fence *fence, const struct filter *definitions, struct map_fds *maps)
{
	_cleanup_close_ int rows = pin_open(fence->pin_dir, PIN_EVENT_ROWS, false);
	_cleanup_close_ int ring = pin_open(fence->pin_dir, PIN_EVENTS, false);

	if (!fd_is_map_like(rows, definitions->maps.event_rows) ||
	    !fd_is_map_like(ring, definitions->maps.events) ||
	    !has_version(rows, fence->possible_cpus)) {
		fence->events_lost = lost_before(rows);
		return;
	}
	fence->events_adopted = true;
	*map_fd(maps, PIN_EVENT_ROWS) = TAKE_FD(rows);
	*map_fd(maps, PIN_EVENTS) = TAKE_FD(ring);
}

/*
 * The rows take the place of others at once, whose account they carry on; the ring is away while
 * they do, since an agent that finds both takes what is in it for theirs.
 */
static int pin_new(const struct fence *fence, struct error *error)
{
	_cleanup_free_ char *ring = NULL, *rows = NULL, *next = NULL;
	int code;

	if (pin_path(fence->pin_dir, PIN_EVENTS, false, &ring) ||
	    pin_path(fence->pin_dir, PIN_EVENT_ROWS, false, &rows) ||
	    pin_path(fence->pin_dir, PIN_EVENT_ROWS, true, &next))
		return error_set(error, -ENOMEM, "out of memory");
	unlink(ring);
	code = pin_set(fence->pin_dir, bpf_map__fd(fence->live->maps.event_rows), PIN_EVENT_ROWS,
		       true, error);
	if (code)
		return code;
	if (rename(next, rows) < 0)
		return error_set(error, -errno, "cannot replace %s: %s", rows, strerror(errno));
	return pin_set(fence->pin_dir, bpf_map__fd(fence->live->maps.events), PIN_EVENTS, false,
		       error);
}

int events_settle(struct fence *fence, struct error *error)
{
	_cleanup_rows_ struct rows rows = {};
	int code;

	if (fence->events_adopted)
		return 0;
	code = rows_map(bpf_map__fd(fence->live->maps.event_rows), fence->possible_cpus, &rows);
	if (code)
		return error_set(error, code, "cannot look at the events' rows: %s",
				 strerror(-code));
	for (size_t i = 0; i < rows.count; i++) {
		rows.items[i].version = EVENTS_VERSION;
		rows.items[i].lost_elsewhere = i ? 0 : fence->events_lost;
		if (getrandom(&rows.items[i].seed, sizeof(rows.items[i].seed), 0) < 0)
			return error_set(error, -errno, "no random numbers: %s", strerror(errno));
	}
	return pin_new(fence, error);
}

/* The kernel's clock ticks a second; the coarse clock's resolution is one tick. */
static uint32_t ticks(uint32_t seconds)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) || tick.tv_sec || !tick.tv_nsec)
		return seconds * 250;
	return (uint32_t)(seconds * UINT64_C(1000000000) / (uint64_t)tick.tv_nsec);
}

static uint32_t cpu_share(uint32_t budget, size_t cpus, uint32_t minimum)
{
	const uint32_t share = budget / (uint32_t)cpus;

	return share > minimum ? share : minimum;
}

int fence_events_level(struct fence *fence, enum event_level level, struct error *error)
{
	const bool all = level == EVENTS_ALL;
	_cleanup_rows_ struct rows rows = {};
	const int code = rows_map(bpf_map__fd(fence->live->maps.event_rows), fence->possible_cpus,
				  &rows);

	if (code)
		return error_set(error, code, "cannot set the level of events: %s",
				 strerror(-code));
	for (size_t i = 0; i < rows.count; i++) {
		struct event_row *row = &rows.items[i];

		row->interval = ticks(SOURCE_INTERVAL_S);
		row->payload_interval = ticks(PAYLOAD_INTERVAL_S);
		row->budget_interval = ticks(1);
		row->budget = all ? cpu_share(EVENTS_ALL_PER_SECOND, rows.count, CPU_BUDGET_ALL_MIN)
				  : cpu_share(EVENTS_PER_SECOND, rows.count, CPU_BUDGET_MIN);
		row->budget_until = 0;
		__atomic_store_n(&row->level, level, __ATOMIC_RELEASE);
	}
	return 0;
}

void fence_slot_name(const struct fence *fence, uint32_t slot, char name[static ENTRY_NAME_SIZE])
{
	const struct slot *known = &fence->tables->host.slots[slot % SLOTS_MAX];

	if (known->vlan)
		snprintf(name, ENTRY_NAME_SIZE, "%.15s.%u", known->interface, known->vlan);
	else
		snprintf(name, ENTRY_NAME_SIZE, "%.15s", known->interface);
}

static int report(void *context, void *data, size_t size)
{
	struct fence *fence = context;
	const struct event *event = data;
	char name[ENTRY_NAME_SIZE];

	if (size == sizeof(*event) && event->frame_size <= EVENT_FRAME_SIZE) {
		fence_slot_name(fence, event->slot, name);
		fence->report_event(fence->report_context, event, name);
	}
	/* libbpf would go on for as long as frames come. */
	return --fence->event_batch ? 0 : -EAGAIN;
}

int fence_events_start(struct fence *fence, fence_event_report report_event, void *context,
		       struct error *error)
{
	fence->report_event = report_event;
	fence->report_context = context;
	ring_buffer__free(fence->events);
	fence->events = ring_buffer__new(bpf_map__fd(fence->live->maps.events), report, fence,
					 NULL);
	if (!fence->events)
		return error_set(error, -errno, "cannot read the filter's events: %s",
				 strerror(errno));
	return fence_events_level(fence, EVENTS_LIMITED, error);
}

int fence_events_fd(const struct fence *fence)
{
	return fence->events ? ring_buffer__epoll_fd(fence->events) : -1;
}

void fence_events_read(struct fence *fence, unsigned int limit)
{
	fence->event_batch = limit;
	if (fence->events && limit)
		ring_buffer__consume(fence->events);
}

uint64_t fence_events_lost(struct fence *fence, uint64_t *also)
{
	_cleanup_rows_ struct rows rows = {};
	uint64_t lost = 0;

	if (rows_map(bpf_map__fd(fence->live->maps.event_rows), fence->possible_cpus, &rows) ||
	    !rows.items)
		return fence->events_lost;
	rows.items[0].lost_elsewhere += *also;
	*also = 0;
	for (size_t i = 0; i < rows.count; i++)
		lost += rows.items[i].lost + rows.items[i].lost_elsewhere;
	fence->events_lost = lost;
	return lost;
}

int fence_event_sources(const struct fence *fence, struct event_source **result)
{
	_cleanup_free_ struct event_source *list = NULL;
	_cleanup_rows_ struct rows rows = {};
	size_t count = 0, room = 0;
	const int code = rows_map(bpf_map__fd(fence->live->maps.event_rows), fence->possible_cpus,
				  &rows);

	if (code)
		return code;
	for (size_t i = 0; i < rows.count * EVENT_SOURCES_MAX; i++) {
		const struct event_source *source =
			&rows.items[i / EVENT_SOURCES_MAX].sources[i % EVENT_SOURCES_MAX];

		if (!source->signature)
			continue;
		if (count == room) {
			struct event_source *longer;

			room = room ? 2 * room : 64;
			longer = reallocarray(list, room, sizeof(*list));
			if (!longer)
				return -ENOMEM;
			list = longer;
		}
		list[count++] = *source;
	}
	*result = TAKE_POINTER(list);
	return (int)count;
}
