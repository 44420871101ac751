// SPDX-License-Identifier: BSD-2-Clause
/* Adopting the maps that an earlier agent left pinned, or making new ones beside them. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/internal.h"
#include "kernel/pins.h"
#include "kernel/succession.h"

/* Opens what is pinned under a name, or, on the way there, under "NAME-next". */
static int open_pin(const struct fence *fence, const char *name, bool prefer_next)
{
	const int fd = prefer_next ? pin_open(fence->pin_dir, name, true) : -ENOENT;

	return fd >= 0 ? fd : pin_open(fence->pin_dir, name, false);
}

static struct map_fds open_pins(const struct fence *fence, bool prefer_next)
{
	struct map_fds maps = map_fds_none();

	for (size_t i = 0; i < map_row_count; i++)
		if (map_rows[i].adoption == ADOPTED_WITH_TABLES)
			maps.of[i] = open_pin(fence, map_rows[i].pin, prefer_next);
	return maps;
}

/* Be it nothing that can be opened. */
static bool is_any_there(const struct map_fds *maps)
{
	for (size_t i = 0; i < map_row_count; i++)
		if (map_rows[i].adoption == ADOPTED_WITH_TABLES && maps->of[i] != -ENOENT)
			return true;
	return false;
}

static bool has_version(int fd)
{
	const struct tables *tables = mmap(NULL, sizeof(*tables), PROT_READ, MAP_SHARED, fd, 0);
	bool fits;

	if (tables == MAP_FAILED)
		return false;
	fits = tables->version == CONTRACT_VERSION && tables->layout.magic == LAYOUT_MAGIC;
	munmap((void *)tables, sizeof(*tables));
	return fits;
}

static bool fit(struct map_fds *maps, const struct filter *definitions)
{
	for (size_t i = 0; i < map_row_count; i++)
		if (map_rows[i].adoption == ADOPTED_WITH_TABLES &&
		    !fd_is_map_like(maps->of[i], map_find(definitions->obj, &map_rows[i])))
			return false;
	return has_version(*map_fd(maps, PIN_TABLES));
}

static int pin_maps(const struct fence *fence, struct error *error)
{
	const struct map_fds maps = own_maps(fence);
	int code = 0;

	for (size_t i = 0; i < map_row_count && !code; i++)
		if (map_rows[i].adoption == ADOPTED_WITH_TABLES)
			code = pin_set(fence->pin_dir, maps.of[i], map_rows[i].pin,
				       fence->succeeding, error);
	return code;
}

/*
 * What to load the programs over: none are new maps. Beside those of another layout, and until the
 * policy is in force on every link, these bear "-next" names. Where an earlier agent began with
 * that and did not get to its end, it is gone on with.
 */
static void find_maps(struct fence *fence, const struct filter *definitions, struct map_fds *maps)
{
	*maps = open_pins(fence, false);
	if (fit(maps, definitions)) {
		fence->start = FENCE_ADOPTED;
		return;
	}
	fence->succeeding = is_any_there(maps);
	fence->start = fence->succeeding ? FENCE_REPLACED : FENCE_FRESH;
	if (*map_fd(maps, PIN_TABLES) >= 0)
		fence->predecessor = predecessor_open(*map_fd(maps, PIN_TABLES),
						      *map_fd(maps, PIN_COUNTERS),
						      fence->possible_cpus);
	map_fds_close(maps);
	*maps = open_pins(fence, true);
	if (fence->succeeding && fit(maps, definitions))
		return;
	map_fds_close(maps);
	*maps = map_fds_none();
}

/* Into maps that are new. */
static int begin_anew(struct fence *fence, struct error *error)
{
	tables_describe(fence->tables);
	if (fence->predecessor)
		predecessor_hand_over(fence->predecessor, fence->tables);
	return pin_maps(fence, error);
}

int maps_adopt(struct fence *fence, struct error *error)
{
	struct filter *definitions = filter_open(fence);
	struct map_fds maps;
	bool anew;
	int code;

	if (!definitions)
		return load_error(error, -errno);
	find_maps(fence, definitions, &maps);
	events_adopt(fence, definitions, &maps);
	filter__destroy(definitions);
	anew = *map_fd(&maps, PIN_TABLES) < 0;
	if (anew || !fence->succeeding)
		pins_remove_next(fence->pin_dir); /* of an upgrade that was given up */
	code = programs_load(fence, &maps, error);
	if (!code && anew)
		code = begin_anew(fence, error);
	map_fds_close(&maps);
	return code;
}

int fence_succeed(struct fence *fence)
{
	int code;

	if (!fence->succeeding)
		return 0;
	if (fence->predecessor && !fence->tables->layout.complete)
		predecessor_carry_over(fence->predecessor, fence->tables, fence->possible_cpus);
	fence->tables->layout.complete = 1;
	code = pins_take_names(fence->pin_dir);
	if (code)
		return code;
	predecessor_free(fence->predecessor);
	fence->predecessor = NULL;
	fence->succeeding = false;
	return 0;
}
