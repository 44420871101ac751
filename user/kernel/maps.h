/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The maps that are pinned: a row for each, from which every list of them comes. Type, sizes and
 * number of entries are those of its definition in bpf/. Programs that have a map of one name share
 * it. A map without a row is its program's own, and goes with it.
 */
#ifndef BEAMFENCE_MAPS_H
#define BEAMFENCE_MAPS_H

#include <stddef.h>

struct bpf_map;
struct bpf_object;

/* The pins that are asked for by name. */
#define PIN_TABLES     "tables"
#define PIN_COUNTERS   "counters"
#define PIN_LISTENERS  "listeners"
#define PIN_EVENTS     "events"
#define PIN_EVENT_ROWS "event-rows"

/* How an agent takes over what an earlier one left. */
enum map_adoption {
	ADOPTED_WITH_TABLES, /* all of these if all are there and fit, else none: see adopt.c */
	ADOPTED_WITH_EVENTS, /* the same, whatever becomes of the tables: see events.c */
	ADOPTED_BY_WATCH,    /* each for itself, by libbpf; they go when the watch does */
};

struct map_row {
	const char *pin;
	const char *name; /* in bpf/ */
	enum map_adoption adoption;
};

#define MAPS_MAX 32

extern const struct map_row map_rows[];
extern const size_t map_row_count;

/* The map of that row in an object; NULL: it has none. */
struct bpf_map *map_find(const struct bpf_object *object, const struct map_row *row);

/* A descriptor for each row; negative: none. */
struct map_fds {
	int of[MAPS_MAX];
};

struct map_fds map_fds_none(void);
int *map_fd(struct map_fds *fds, const char *pin);
void map_fds_close(const struct map_fds *fds);

/* Adds the maps of an object that is loaded; it goes on owning them. */
void maps_add(struct map_fds *fds, const struct bpf_object *loaded);

/*
 * Has an object that is to be loaded take those of @fds that it defines, instead of making its own.
 * Returns 0 or a negative errno.
 */
int maps_share(const struct map_fds *fds, struct bpf_object *object);

#endif
