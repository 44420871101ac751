// SPDX-License-Identifier: BSD-2-Clause
#include "kernel/maps.h"

#include <bpf/libbpf.h>
#include <string.h>
#include <unistd.h>

/*
 * In the order in which they are pinned, and in which those of a new layout take the names of the
 * old: where the tables are, all is.
 */
/* clang-format off */
const struct map_row map_rows[] = {
	/* pin		  in bpf/	   adoption */
	{PIN_LISTENERS,	  "listeners",	   ADOPTED_BY_WATCH},
	{"registrations", "registrations", ADOPTED_BY_WATCH},
	{"users",	  "users",	   ADOPTED_BY_WATCH},
	{"claims",	  "claims",	   ADOPTED_BY_WATCH},
	{PIN_COUNTERS,	  "counters",	   ADOPTED_WITH_TABLES},
	{"peers",	  "peers",	   ADOPTED_WITH_TABLES},
	{"sieves",	  "sieves",	   ADOPTED_WITH_TABLES},
	{"bindings",	  "bindings",	   ADOPTED_WITH_TABLES},
	{"addresses",	  "addresses",	   ADOPTED_WITH_TABLES},
	{PIN_EVENTS,	  "events",	   ADOPTED_WITH_EVENTS},
	{PIN_EVENT_ROWS,  "event_rows",	   ADOPTED_WITH_EVENTS},
	{PIN_TABLES,	  ".bss",	   ADOPTED_WITH_TABLES},
};
/* clang-format on */

const size_t map_row_count = sizeof(map_rows) / sizeof(map_rows[0]);

_Static_assert(sizeof(map_rows) / sizeof(map_rows[0]) <= MAPS_MAX, "room for a descriptor each");

struct bpf_map *map_find(const struct bpf_object *object, const struct map_row *row)
{
	return bpf_object__find_map_by_name(object, row->name);
}

struct map_fds map_fds_none(void)
{
	struct map_fds fds;

	for (size_t i = 0; i < MAPS_MAX; i++)
		fds.of[i] = -1;
	return fds;
}

int *map_fd(struct map_fds *fds, const char *pin)
{
	size_t i = 0;

	while (strcmp(map_rows[i].pin, pin) != 0)
		i++;
	return &fds->of[i];
}

void map_fds_close(const struct map_fds *fds)
{
	for (size_t i = 0; i < MAPS_MAX; i++)
		if (fds->of[i] >= 0)
			close(fds->of[i]);
}

void maps_add(struct map_fds *fds, const struct bpf_object *loaded)
{
	for (size_t i = 0; i < map_row_count; i++) {
		const struct bpf_map *map = map_find(loaded, &map_rows[i]);

		if (map)
			fds->of[i] = bpf_map__fd(map);
	}
}

int maps_share(const struct map_fds *fds, struct bpf_object *object)
{
	int code = 0;

	for (size_t i = 0; i < map_row_count && !code; i++) {
		struct bpf_map *map = fds->of[i] < 0 ? NULL : map_find(object, &map_rows[i]);

		code = map ? bpf_map__reuse_fd(map, fds->of[i]) : 0;
	}
	return code;
}
