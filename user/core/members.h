/* SPDX-License-Identifier: BSD-2-Clause */
/* Which cluster a node belongs to, by its name. */
#ifndef BEAMFENCE_MEMBERS_H
#define BEAMFENCE_MEMBERS_H

#include "core/config.h"

/*
 * The index of the cluster that takes a node called @node (without its host), or CLUSTER_NOBODY:
 * the first with a glob in "nodes" that fits; or, where the name is one that a product's command
 * line tool gives itself, the first that takes the node which the tool is for, or else the first
 * that lists the product's preset.
 */
uint8_t members_cluster(const struct config *config, const char *node);

#endif
