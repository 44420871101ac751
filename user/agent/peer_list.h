/* SPDX-License-Identifier: BSD-2-Clause */
/* The runtime peers: a plain list, as policies are built from it, with an index to find one by. */
#ifndef BEAMFENCE_PEER_LIST_H
#define BEAMFENCE_PEER_LIST_H

#include "core/peer_file.h"

struct peer_list {
	struct runtime_peer *peers; /* in no order */
	uint32_t *order;	    /* their indices, by prefix and then cluster */
	size_t count;
	size_t room;
};

/* NULL when there is none. Good until the next change. */
struct runtime_peer *peer_list_find(const struct peer_list *list, const char *cluster,
				    const struct prefix *prefix);

/* Adds a copy of @peer, which must not be there yet. 0, -E2BIG at RUNTIME_PEERS_MAX, -ENOMEM. */
int peer_list_add(struct peer_list *list, const struct runtime_peer *peer);

/* @peer is one that peer_list_find() gave. What is found after this may have moved. */
void peer_list_remove(struct peer_list *list, struct runtime_peer *peer);

/*
 * Calls @each with every peer of that prefix, whatever its cluster.
 */
void peer_list_each(const struct peer_list *list, const struct prefix *prefix,
		    void (*each)(void *context, const struct runtime_peer *peer), void *context);

void peer_list_free(struct peer_list *list);

#endif
