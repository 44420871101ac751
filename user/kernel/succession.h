/* SPDX-License-Identifier: BSD-2-Clause */
/* What an agent with another layout of struct tables left pinned: see succession.c. */
#ifndef BEAMFENCE_SUCCESSION_H
#define BEAMFENCE_SUCCESSION_H

#include "kernel/internal.h"

struct predecessor;

/* Writes the version and layout of this agent into new tables. */
void tables_describe(struct tables *tables);

/*
 * Opens the tables and counters of another layout. @counters_fd may be negative. Neither descriptor
 * is taken over. Returns NULL when they are not beamfence's, or do not describe themselves: then
 * there is nothing to carry over. The caller frees it with predecessor_free(); NULL is allowed.
 */
struct predecessor *predecessor_open(int tables_fd, int counters_fd, int possible_cpus);
void predecessor_free(struct predecessor *predecessor);

/* Before the new tables are used: what was claimed of ports, and which clusters they belonged to.
 */
void predecessor_hand_over(const struct predecessor *predecessor, struct tables *tables);

/*
 * When no link runs the old program any more: sets what was counted before. Doing it again changes
 * nothing. Interfaces beyond SLOTS_MAX are left out.
 */
void predecessor_carry_over(const struct predecessor *predecessor, struct tables *tables,
			    int possible_cpus);

#endif
